"""Who waits for a change, and what is new.

    remember the token -> anything new? -> tell it
                          nothing       -> wait until the token is another, then ask again

The token (see `version_file`) is remembered before the question is asked: what is applied in
between makes it another, so nothing is missed. To wait is to compare a word of shared memory;
nothing is queried until it differs, and no connection to a database is held meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Any, ClassVar, Final

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from rest_framework.request import Request

from .. import history, proposals
from ..conf import get_config
from ..exceptions import PeerError, ProposalError
from ..loading import latest
from ..state_machine import Record
from ..version_file import TOKEN, version_file_of
from . import parsing
from .base import SettingsView
from .problems import RETRY_AFTER_SECONDS, Problem

POLL_SECONDS: Final = 0.05
"""How often a waiter looks at the token."""

WINDOW_ENTRIES: Final = 1000
"""Entries of the log whose changes are told at once, at most."""

ASK_SECONDS: Final = 2.0
"""How long the leader is asked whether an index is one of this cluster's."""

ALL_OF_THEM: Final = 10**9


class Waiters:
    """How many wait in this process, never more than WATCH_MAX_WAITERS."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def enter(self) -> Slot:
        """A place, to be left again. Raises Problem 503."""
        with self._lock:
            if self.count >= get_config().watch_max_waiters:
                detail = _("As many clients as are allowed (%d) wait for changes here already.")
                raise Problem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "too_many_waiters",
                    detail % self.count,
                    retry_after_seconds=RETRY_AFTER_SECONDS,
                )
            self.count += 1
        return Slot(self)

    def leave(self) -> None:
        with self._lock:
            self.count -= 1


class Slot:
    """One waiter's place; leaving it again does nothing."""

    def __init__(self, waiters: Waiters) -> None:
        self._waiters: Waiters | None = waiters

    def leave(self) -> None:
        waiters, self._waiters = self._waiters, None
        if waiters is not None:
            waiters.leave()


WAITERS: Final = Waiters()
"""Those of this process."""


@dataclass(frozen=True, slots=True)
class News:
    """Changes, oldest first, and the index to go on from."""

    index: int
    changes: list[Record]


def news_after(index: int, names: Collection[str] | None) -> News:
    """What changed after `index`; of entries that changed nothing of this, only the index is told.

    Raises Problem 410 when the history does not reach back to `index`.
    """
    _require_kept(index)
    applied = latest().version
    changes: list[Record] = []
    while not changes and index < applied:
        window = min(applied, index + WINDOW_ENTRIES)
        changes = history.changes(
            names=names, after_index=index, before_index=window + 1, limit=ALL_OF_THEM
        )
        _require_kept(index)  # it may have been forgotten while it was read
        index = window
    return News(index, sorted(changes, key=lambda change: (change.index, change.name)))


def _require_kept(index: int) -> None:
    if index < history.oldest_index():
        raise _gone(_("The changes after index %d are forgotten.") % index)


def require_of_this_cluster(index: int) -> None:
    """Raise Problem 410 for an index that no node has reached: it is of another history.

    As when a cluster was built anew: whoever waited for that index would miss what comes before.
    Without a leader it cannot be told, and the node may only lag.
    """
    if index <= latest().version:
        return
    try:
        newest = proposals.read_index(ASK_SECONDS)
    except (ProposalError, PeerError):
        return
    if index > newest:
        raise _gone(_("This cluster has not come to index %d.") % index)


def _gone(detail: str) -> Problem:
    advice = _("Read the settings again, then watch from the index that this answer tells.")
    version = latest().version
    return Problem(HTTPStatus.GONE, "history_forgotten", f"{detail} {advice}", index=version)


def token() -> int:
    """To be remembered before asking what is new."""
    return version_file_of(get_config()).token()


async def moved(since: int, deadline: float) -> bool:
    """Wait until something was applied after the token `since`; False when the time is over."""
    file = version_file_of(get_config())
    while file.words[TOKEN] == since:
        now = time.monotonic()
        if now >= deadline:
            return False
        if now >= file.check_at:
            await sync_to_async(_check)()
        await asyncio.sleep(min(POLL_SECONDS, max(0.0, deadline - now)))
    return True


def _check() -> None:
    token()
    release_connections()


def release_connections() -> None:
    """Waiters must not hold all of a database's connections; the next query opens one again."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


class WaitingView(SettingsView):
    """A view whose `get` is asynchronous; it works under ASGI and WSGI alike.

    DRF's own dispatch knows no asynchronous handlers: what comes before and after `get` is the
    same here, in a thread.
    """

    http_method_names = ("get",)
    parameters: ClassVar[Mapping[str, parsing.Reader]] = {
        "index": parsing.index_text,
        "group": parsing.names,
        "name": parsing.names,
    }
    repeated = ("group", "name")

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        inner = super().as_view(**initkwargs)

        @wraps(inner)
        async def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            self = cls(**initkwargs)
            self.setup(request, *args, **kwargs)
            return await self._respond(request)

        return view

    def parameters_of(self, _method: str) -> Any:
        """No consistency: what is waited for is what this node will apply."""
        return self.parameters

    async def get(self, request: Request) -> HttpResponseBase:
        raise NotImplementedError

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        try:
            await sync_to_async(self._admit)(request)
            response = await self.get(self.request)
        except Exception as error:  # noqa: BLE001 - every one is answered, as by DRF's dispatch
            response = await sync_to_async(self.handle_exception)(error)
        return await sync_to_async(self._finish)(response)

    def _admit(self, request: HttpRequest) -> None:
        self.request = self.initialize_request(request)
        self.headers = self.default_response_headers
        if request.method != "GET":
            self.http_method_not_allowed(self.request)
        self.initial(self.request)
        require_of_this_cluster(self.query.get("index", 0))

    def _finish(self, response: Any) -> HttpResponseBase:
        return self.finalize_response(self.request, response)

    async def news(self, index: int) -> tuple[int, News]:
        """The token to wait with, and what is new after `index`."""
        return await sync_to_async(self._news)(index)

    def _news(self, index: int) -> tuple[int, News]:
        since = token()
        found = news_after(index, self.names_asked_for())
        release_connections()
        return since, found
