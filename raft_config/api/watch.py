"""The long poll: answered at once when there is something newer than the client knows, else later.

    GET watch/                        {"index": 57, "changes": []}      where to begin
    GET watch/?index=57               waits ...
                                      {"index": 60, "changes": [...]}   go on from 60
    GET watch/?index=60&timeout=20    {"index": 61, "changes": []}      nothing of interest so far

Every change is told, one by one and oldest first, not only the last value of a setting. `index`
may rise without changes: those entries changed nothing that was asked for. 410 says that the
history no longer reaches back so far: read the settings, and go on from the `index` it tells.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar, Final

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from ..loading import latest
from . import openapi, parsing
from .base import INDEX_HEADER
from .presentation import change_as_json
from .waiting import WAITERS, News, WaitingView, moved

MAX_TIMEOUT_SECONDS: Final = 60
DEFAULT_TIMEOUT_SECONDS: Final = 20
"""Below the 30 s after which common servers and proxies give a request up."""


class Watch(WaitingView):
    """Changes after an index, as soon as there are some."""

    parameters: ClassVar[Mapping[str, parsing.Reader]] = {
        **WaitingView.parameters,
        "timeout": parsing.at_most(MAX_TIMEOUT_SECONDS),
    }

    @openapi.describe_watch
    async def get(self, _request: Request) -> HttpResponseBase:
        """Wait for changes of the settings that the user may see."""
        if "index" not in self.query:
            applied = await sync_to_async(lambda: latest().version)()
            return _told(News(applied, []))
        deadline = time.monotonic() + self.query.get("timeout", DEFAULT_TIMEOUT_SECONDS)
        since, found = await self.news(self.query["index"])
        if found.changes:
            return _told(found)
        slot = WAITERS.enter()
        try:
            while not found.changes and await moved(since, deadline):
                since, found = await self.news(found.index)
        finally:
            slot.leave()
        return _told(found)


def _told(news: News) -> Response:
    changes = [change_as_json(change) for change in news.changes]
    response = Response({"index": news.index, "changes": changes})
    response[INDEX_HEADER] = str(news.index)
    response["Cache-Control"] = "no-store"
    return response
