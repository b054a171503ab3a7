"""Tells a process of changes: `config_changed`, and the settings' own `on_change`.

Whoever writes tells its own process before the write returns. In every other process a thread looks
at the version file ten times a second. It runs only where somebody listens, from the first request
or the first read on, and again after a fork; a process that starts later hears nothing of the
changes before.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from django.db import connections

from .conf import get_config
from .exceptions import ConfigurationError
from .loading import Loaded, latest, on_load
from .schema import Setting, declared, listeners
from .signals import config_changed
from .version_file import query_apart, version_file_of

if TYPE_CHECKING:
    from .history import Change

logger = logging.getLogger("raft_config")

WATCH_SECONDS: Final = 0.1

MOST_RECORDS: Final = 10_000
"""So many changes are told of at once; of more, only the latest."""


class Watcher:
    """One per process."""

    def __init__(self) -> None:
        self._telling = threading.RLock()
        self._pid = 0
        self._thread: threading.Thread | None = None
        self._told: int | None = None
        """The version that the listeners know of; None until values could be loaded."""

    def listen(self, **_: Any) -> None:
        """Watch from now on, if anybody listens; may be called as often as one likes."""
        try:
            if self._pid == os.getpid() or not _anybody_listens():
                return
        except ConfigurationError:  # the checks tell it; no page is to fail for it
            return
        self._pid = os.getpid()
        self._told = _version(latest())
        self._thread = threading.Thread(target=self._watch, name="raft-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let this process hear of nothing more, until `listen` is called again."""
        self._pid, self._thread = 0, None

    def announce(self) -> None:
        """Tell the listeners here of all that was applied since they were told last."""
        if self._pid == os.getpid():
            self._catch_up()
        else:
            self.listen()

    def _catch_up(self) -> bool:
        """Whether all is told; what cannot be told now, is told the next time.

        The change stands, whoever made it: no failure here is the writer's.
        """
        try:
            return self._tell_all()
        except Exception:
            logger.exception("Changes of settings could not be told of; this is tried again")
            return False

    def _tell_all(self) -> bool:
        with self._telling:  # in the order of the log
            loaded = latest()
            before, now = self._told, _version(loaded)
            if now is None:
                return False
            is_news = before is not None and now > before
            news = list(_news(before or 0, loaded)) if is_news else []
            self._told = now
            for each in news:
                _tell(each)
            return True

    def _watch(self) -> None:
        alias = get_config().database
        seen = version_file_of(get_config()).token()
        while not self._is_over_after(WATCH_SECONDS):
            seen = self._look(seen)
            connections[alias].close()

    def _is_over_after(self, seconds: float) -> bool:
        time.sleep(seconds)
        return self._thread is not threading.current_thread()

    def _look(self, seen: int) -> int:
        """The token through which all is told."""
        try:
            token = version_file_of(get_config()).token()
        except ConfigurationError:  # the checks tell it
            return seen
        return token if token == seen or self._catch_up() else seen


def _anybody_listens() -> bool:
    return bool(config_changed.receivers) or any(each.on_change for each in declared().values())


def _version(loaded: Loaded) -> int | None:
    return loaded.version if loaded.is_complete else None


def _news(before: int, loaded: Loaded) -> Iterable[Mapping[str, Any]]:
    """One dict of facts for each declared setting whose value is another one now."""
    from .history import changes  # noqa: PLC0415 - only where somebody listens

    alias = get_config().database
    records = query_apart(
        alias,
        lambda: changes(after_index=before, before_index=loaded.version + 1, limit=MOST_RECORDS),
    )
    by_name: dict[str, list[Change]] = {}
    for record in records:  # the newest first
        by_name.setdefault(record.name, []).append(record)
    for name, found in by_name.items():
        setting = loaded.declared.get(name)
        if setting is None or setting.is_from_environment:
            continue
        old, new = _decoded(setting, found[-1].old), loaded.values[name]
        if old != new:
            yield _facts(name, old, new, found[0])


def _decoded(setting: Setting, text: str | None) -> Any:
    return setting.default if text is None else setting.decode_or_default(text)


def _facts(name: str, old: Any, new: Any, change: Change) -> dict[str, Any]:
    note = change.note
    return {
        "name": name,
        "old_value": old,
        "new_value": new,
        "index": change.index,
        "user": note.user,
        "comment": note.comment,
        "origin": note.origin,
    }


def _tell(facts: Mapping[str, Any]) -> None:
    config_changed.send_robust(Watcher, **facts)
    for call in listeners(str(facts["name"])):
        try:
            call(**facts)
        except Exception:  # noqa: PERF203 - the others hear of it all the same
            logger.exception("A listener of %s failed; the change stands", facts["name"])


watcher: Final = Watcher()
"""Of this process."""
on_load(watcher.listen)
