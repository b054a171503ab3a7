"""Middleware for the project's MIDDLEWARE; both work in front of sync and async views.

raft_config.middleware.read_your_writes   first: it may wait for this node to catch up
raft_config.middleware.pinned_settings    then: from there on the request sees one version
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from .exceptions import StaleReadError
from .live import wait_until_applied
from .loading import latest, pinned_when_read, written

INDEX_HEADER: Final = "X-Raft-Config-Index"
INDEX_COOKIE: Final = "raft_config_index"

REMEMBERED_SECONDS: Final = 60
"""A node that is further behind than this is not waited for."""

MAX_WAIT_SECONDS: Final = 2.0
"""A page is late by so much at most; then it is shown as this node has it."""


@sync_and_async_middleware
def pinned_settings(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let a whole request see one version of all settings, the one that its first read finds."""
    if inspect.iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            with pinned_when_read():
                response: HttpResponseBase = await get_response(request)
                return response

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        with pinned_when_read():
            response: HttpResponseBase = get_response(request)
            return response

    return respond


@sync_and_async_middleware
def read_your_writes(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Show a person what they have saved themselves, whichever node answers next.

    A response to a write carries its index, in a header and in a signed cookie; a node that gets
    the cookie waits until it has applied that much.
    """
    if inspect.iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            await sync_to_async(_catch_up)(request)
            token = written.set(0)
            try:
                return _told(request, await get_response(request))
            finally:
                written.reset(token)

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        _catch_up(request)
        token = written.set(0)
        try:
            return _told(request, get_response(request))
        finally:
            written.reset(token)

    return respond


def _catch_up(request: HttpRequest) -> None:
    try:
        # Signed, because whoever could write it could make every page wait.
        text = request.get_signed_cookie(INDEX_COOKIE, "", max_age=REMEMBERED_SECONDS)
        index = int(text or 0)
    except (BadSignature, ValueError):
        return
    if index and index > latest().version:
        with suppress(StaleReadError):  # then the page is shown as this node has it
            wait_until_applied(index, MAX_WAIT_SECONDS)


def _told(request: HttpRequest, response: Any) -> HttpResponseBase:
    index = written.get()
    if index:
        response[INDEX_HEADER] = str(index)
        response.set_signed_cookie(
            INDEX_COOKIE,
            str(index),
            max_age=REMEMBERED_SECONDS,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    found: HttpResponseBase = response
    return found
