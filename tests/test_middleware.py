"""One version per request, and one's own writes on whichever node answers next."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from types import SimpleNamespace

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from raft_config import config, middleware
from raft_config.exceptions import StaleReadError
from raft_config.middleware import (
    INDEX_COOKIE,
    INDEX_HEADER,
    pinned_settings,
    read_your_writes,
)
from raft_config.schema import Setting

from .lone import store, store_elsewhere

SETTINGS = {"LIMIT": Setting(10)}


@pytest.fixture(autouse=True)
def configured(settings, tmp_path):
    settings.RAFT_CONFIG = {"SETTINGS": SETTINGS, "VERSION_FILE": str(tmp_path / "version")}


def request(**cookies):
    made = RequestFactory().get("/")
    made.COOKIES.update(cookies)
    return made


def test_request_sees_one_version(node):
    def view(_request):
        before = config.LIMIT
        store(LIMIT=20)
        return HttpResponse(f"{before} {config.LIMIT}")

    assert pinned_settings(view)(request()).content == b"10 10"
    assert config.LIMIT == 20


def test_request_that_reads_nothing_loads_nothing(node, django_assert_num_queries):
    """A message of a peer is such a request: what it changed was loaded anew with the next one."""
    respond = read_your_writes(pinned_settings(lambda _: HttpResponse()))
    store(LIMIT=20)
    with django_assert_num_queries(0):
        respond(request())


def test_threads_of_one_request_see_one_version(node):
    def view(_request):
        context = contextvars.copy_context()
        seen.append(config.LIMIT)
        store(LIMIT=20)
        thread = threading.Thread(target=lambda: context.run(lambda: seen.append(config.LIMIT)))
        thread.start()
        thread.join()
        return HttpResponse()

    seen = []
    pinned_settings(view)(request())
    assert seen == [10, 10]


def test_asynchronous_request_sees_one_version(node):
    async def view(_request):
        before = config.LIMIT
        await asyncio.to_thread(store_elsewhere, 20)
        return HttpResponse(f"{before} {config.LIMIT}")

    async def use():
        response = await pinned_settings(view)(request())
        return response.content, config.LIMIT

    assert asyncio.run(use()) == (b"10 10", 20)


def test_response_to_a_write_tells_its_index(node):
    indexes = []

    def view(_request):
        indexes.append(config.set("LIMIT", 20))
        return HttpResponse()

    response = read_your_writes(view)(request())
    assert response[INDEX_HEADER] == str(indexes[0])
    cookie = response.cookies[INDEX_COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert INDEX_HEADER not in read_your_writes(lambda _: HttpResponse())(request())


@pytest.fixture
def waits(monkeypatch):
    """What was waited for."""
    seen = []
    monkeypatch.setattr(middleware, "wait_until_applied", lambda *given: seen.append(given))
    monkeypatch.setattr(middleware, "latest", lambda: SimpleNamespace(version=7))
    return seen


def signed(index):
    response = HttpResponse()
    response.set_signed_cookie(INDEX_COOKIE, str(index))
    return response.cookies[INDEX_COOKIE].value


def test_node_that_is_behind_the_cookie_is_waited_for(waits):
    respond = read_your_writes(lambda _: HttpResponse())
    respond(request(**{INDEX_COOKIE: signed(7)}))
    assert waits == []
    respond(request(**{INDEX_COOKIE: signed(8)}))
    assert waits == [(8, middleware.MAX_WAIT_SECONDS)]


@pytest.mark.parametrize("cookie", ["9", "", "9:forged:signature", "x" * 5000])
def test_cookie_that_this_site_did_not_sign_makes_nobody_wait(waits, cookie):
    read_your_writes(lambda _: HttpResponse())(request(**{INDEX_COOKIE: cookie}))
    assert waits == []


def test_node_that_does_not_catch_up_answers_all_the_same(waits, monkeypatch):
    def wait(index, _seconds):
        raise StaleReadError(index, 7, 2.0)

    monkeypatch.setattr(middleware, "wait_until_applied", wait)
    response = read_your_writes(lambda _: HttpResponse("page"))(
        request(**{INDEX_COOKIE: signed(8)})
    )
    assert response.content == b"page"


def test_asynchronous_write_is_told_too(node):
    async def view(_request):
        await config.aset("LIMIT", 20)
        return HttpResponse()

    response = asyncio.run(read_your_writes(view)(request()))
    assert int(response[INDEX_HEADER]) == config.meta.index
