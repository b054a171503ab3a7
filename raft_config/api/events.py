"""Server-sent events: the same as `watch`, as one response that does not end.

    : connected                                 comments keep the connection alive

    id: 58                                      what a browser sends as Last-Event-ID
    event: change                               when it connects again
    data: {"index": 58, "changes": [...]}       what one entry changed

    id: 91
    event: reset                                the history does not reach back so far:
    data: {"index": 91}                         read the settings again

A stream ends after MAX_STREAM_SECONDS; a browser then connects again, and who may see what is asked
anew. Only under ASGI: under WSGI each stream would take a worker away for its whole length.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext as _
from rest_framework.request import Request

from ..loading import latest
from . import openapi, parsing
from .presentation import change_as_json
from .problems import Problem, invalid
from .waiting import WAITERS, News, Slot, WaitingView, moved

logger = logging.getLogger("raft_config")

KEEP_ALIVE_SECONDS: Final = 15.0
MAX_STREAM_SECONDS: Final = 300.0


class Events(WaitingView):
    """Changes as they happen."""

    @openapi.describe_events
    async def get(self, request: Request) -> HttpResponseBase:
        """Stream the changes of the settings that the user may see."""
        if not isinstance(request._request, ASGIRequest):  # noqa: SLF001 - DRF has no other name
            detail = _("Server-sent events need ASGI, and this site runs under WSGI. Use watch/.")
            raise Problem(HTTPStatus.NOT_IMPLEMENTED, "needs_asgi", detail)
        index = self.query.get("index")
        if last := request.headers.get("Last-Event-ID"):
            index = _last_event(last)
        if index is None:
            index = await sync_to_async(lambda: latest().version)()
        slot = WAITERS.enter()
        response = StreamingHttpResponse(
            self._stream(index, slot), content_type="text/event-stream; charset=utf-8"
        )
        # Also when the client is gone before the stream began.
        response._resource_closers.append(slot.leave)  # type: ignore[attr-defined]  # noqa: SLF001
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"  # nginx would hold events back
        return response

    async def _stream(self, index: int, slot: Slot) -> AsyncIterator[str]:
        ends_at = time.monotonic() + MAX_STREAM_SECONDS
        try:
            yield ": connected\n\n"
            while (now := time.monotonic()) < ends_at:
                try:
                    since, found = await self.news(index)
                except Problem as problem:  # 410: begin anew
                    index = problem.facts["index"]
                    yield _event(index, "reset", {"index": index})
                    continue
                for text in _events(found):
                    yield text
                index = found.index
                if found.changes:  # there may be more at once
                    continue
                if not await moved(since, min(ends_at, now + KEEP_ALIVE_SECONDS)):
                    # An id alone is no event, but the browser remembers it.
                    yield f": nothing new\nid: {index}\n\n"
        except Exception:
            # The status was sent long ago; the browser connects again.
            logger.exception("A stream of changes broke off")
        finally:
            slot.leave()


def _events(news: News) -> Iterator[str]:
    for index, changes in groupby(news.changes, key=lambda change: change.index):
        yield _event(
            index, "change", {"index": index, "changes": [change_as_json(c) for c in changes]}
        )


def _event(index: int, kind: str, data: Any) -> str:
    # One line: JSON escapes those that values have.
    return f"id: {index}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


def _last_event(header: str) -> int:
    try:
        return parsing.index_text(header)
    except ValueError as error:
        raise invalid({"Last-Event-ID": [f"{error}."]}) from error
