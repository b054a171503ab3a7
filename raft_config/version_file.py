"""Whether anything was applied since a process last looked: 24 bytes that all processes map.

    token    8 bytes, drawn anew at each change: a reader compares it with the one it loaded at
    version  8 bytes: last_applied at that change, for those who wait for it
    served   8 bytes: when a web request was answered last, in monotonic nanoseconds

A token, and not the version itself: two processes that applied one after the other may tell of it
in the other order, and after a power cut the version may have fallen. What was committed before a
token was read is loaded after it; what is committed later brings another token.

Where the file cannot tell (it cannot be opened, or other hosts share the node's database), the
node's row is asked, at most once a second.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections

from . import storage
from .conf import RaftConfig, get_config
from .exceptions import ConfigurationError

logger = logging.getLogger("raft_config")

Found = TypeVar("Found")

FILE_BYTES = 24
TOKEN, VERSION, SERVED = 0, 1, 2
"""The words of the file."""

CHECK_SECONDS = 1.0
"""How often to look whether the file was replaced, and at the row where the file cannot tell."""

THREAD_SECONDS = 2.0
"""How long a reader waits for a query that a thread of its own makes."""

Words = memoryview | list[int]
"""Those of the file: mapped, or known to this process alone."""


class VersionFile:
    """One node's, as seen from one process."""

    def __init__(self, config: RaftConfig) -> None:
        self._path = config.version_file
        self._alias = config.database
        # A SQLite file has one host; its other processes map the same bytes.
        self._asks_row = connections[config.database].vendor != "sqlite"
        self._inode = 0
        self.words: Words = [new_token(), 0, 0]
        """Compare words[TOKEN]; take it anew from here after `check_at`."""
        self.check_at = 0.0

    def token(self) -> int:
        """For comparison only."""
        if time.monotonic() >= self.check_at:
            self._check()
        return self.words[TOKEN]

    def version(self) -> int:
        """The version that was told last; after a power cut it may be one that was lost."""
        if time.monotonic() >= self.check_at:
            self._check()
        return self.words[VERSION]

    def publish(self, version: int) -> None:
        """Tell every process of the host that the values are those of `version`."""
        if time.monotonic() >= self.check_at:
            self._check()
        # In this order: who finds the version there relies on it that the token has moved.
        self.words[TOKEN] = new_token()
        self.words[VERSION] = version

    def publish_if_missed(self, version: int) -> None:
        """The same, if whoever applied it died before it could tell."""
        if time.monotonic() >= self.check_at:
            self._check()
        if self.words[VERSION] != version:
            self.publish(version)

    # These two never check the file: that may ask the database, on a thread that is done with it.

    def note_served(self) -> None:
        """A web request was answered."""
        self.words[SERVED] = time.monotonic_ns()

    def has_served_within(self, seconds: float) -> bool:
        """Whether any web process of this host has answered any request so lately."""
        # What was noted before a reboot may lie ahead.
        return 0 <= time.monotonic_ns() - self.words[SERVED] <= seconds * 1e9

    def _check(self) -> None:
        self.check_at = time.monotonic() + CHECK_SECONDS
        try:
            self._map_if_replaced()
        except OSError as error:
            if self._inode >= 0:
                logger.warning(
                    "The version file %s cannot be used (%s): a change made by another process is "
                    "seen after up to %g s. Make it writable for every process of the node.",
                    *(self._path, error, CHECK_SECONDS),
                )
                self.words, self._inode = [new_token(), 0, 0], -1
        if self._asks_row or isinstance(self.words, list):
            self._ask_row()

    def _map_if_replaced(self) -> None:
        """Map the file; again when something (a cleaner of temporary files) has taken it away."""
        try:
            if self._inode > 0 and Path(self._path).stat().st_ino == self._inode:
                return
        except FileNotFoundError:
            pass
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            found = os.fstat(descriptor)
            if found.st_size < FILE_BYTES:
                os.ftruncate(descriptor, FILE_BYTES)
            self.words = memoryview(mmap.mmap(descriptor, FILE_BYTES)).cast("Q")
            self._inode = found.st_ino
        finally:
            os.close(descriptor)

    def _ask_row(self) -> None:
        try:
            version = query_apart(self._alias, lambda: storage.stored_version(self._alias))
        except Exception as error:  # noqa: BLE001 - a read goes on with what it has
            logger.debug("The version cannot be asked now: %s", error)
            return
        if version != self.words[VERSION]:
            self.words[VERSION] = version
            self.words[TOKEN] = new_token()


def new_token() -> int:
    """Never one that was used before; 0 stands for a new file."""
    return secrets.randbits(64) or 1


_files: dict[tuple[int, str], VersionFile] = {}


def version_file_of(config: RaftConfig) -> VersionFile:
    """This process's view of the file; after a fork a new one."""
    key = (os.getpid(), config.version_file)
    found = _files.get(key)
    if found is None:
        found = _files[key] = VersionFile(config)
    return found


def note_served(**_: object) -> None:
    """Django's signal `request_finished`: the web tier is alive."""
    with suppress(ConfigurationError):  # told of by the checks, and to whoever uses a setting
        version_file_of(get_config()).note_served()


def query_apart(alias: str, query: Callable[[], Found]) -> Found:
    """Make a query without touching what the caller has open. Raises what it raises, TimeoutError.

    Within `atomic` a failing query would break the site's transaction, and an old snapshot would
    hide what is new; in an async view no query may be made at all: a thread does it then, with a
    connection of its own.
    """
    if not connections[alias].in_atomic_block:
        try:
            return query()
        except SynchronousOnlyOperation:
            pass
    return _in_thread(alias, query)


def _in_thread(alias: str, query: Callable[[], Found]) -> Found:
    found: list[Found] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(query())
        except Exception as error:  # noqa: BLE001 - raised again below, for the caller
            failed.append(error)
        finally:
            connections[alias].close()

    thread = threading.Thread(target=run, name="raft-load", daemon=True)
    thread.start()
    thread.join(THREAD_SECONDS)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"The database {alias!r} did not answer within {THREAD_SECONDS:g} s.")
    return found[0]
