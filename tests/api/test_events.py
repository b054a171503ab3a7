"""Server-sent events: over ASGI in the process, and from a real server on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress

import pytest
import requests
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections
from django.test import AsyncClient

from raft_config import history
from raft_config.api import events, waiting
from raft_config.api.waiting import WAITERS
from tests.peers import PATIENCE_SECONDS, eventually

from .conftest import PREFIX, SECRET, change, problem


@pytest.fixture
def stream(api):
    """Read events through the site's ASGI handler, while `meanwhile` changes things."""

    def read(count, query="", *, headers=None, meanwhile=lambda: None):
        async def run():
            client = AsyncClient()
            client.cookies = api.client.cookies
            response = await client.get(f"{PREFIX}events/?{query}", headers=headers or {})
            assert response.status_code == 200, response.content
            assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            found = []
            iterator = aiter(response.streaming_content)
            while len(found) < count:
                text = (await asyncio.wait_for(anext(iterator), PATIENCE_SECONDS)).decode()
                if text.startswith(": connected"):
                    await sync_to_async(meanwhile)()
                else:
                    found.append(parsed(text))
            await iterator.aclose()
            await sync_to_async(response.close)()
            return found

        return async_to_sync(run)()

    return read


def parsed(text):
    """The fields of one event, or the comment that it is."""
    assert text.endswith("\n\n")
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
    if "data" in fields:
        fields["data"] = json.loads(fields["data"])
    return fields


def test_change_is_told_as_it_happens_one_event_for_each_entry(stream):
    change({"MAX_ITEMS": 20})
    indexes = []

    def meanwhile():
        indexes.append(change({"MAX_ITEMS": 30, "BANNER": "two\nlines\u2028x"}))
        indexes.append(change(reset=["BANNER"]))

    first, second = stream(2, meanwhile=meanwhile)
    assert (first["id"], first["event"]) == (str(indexes[0]), "change")
    assert first["data"]["index"] == indexes[0]
    assert [(row["name"], row["new"]) for row in first["data"]["changes"]] == [
        ("BANNER", {"value": "two\nlines\u2028x"}),
        ("MAX_ITEMS", {"value": 30}),
    ]
    assert second["id"] == str(indexes[1])
    assert WAITERS.count == 0


@pytest.mark.parametrize("how", ["header", "query"])
def test_stream_goes_on_after_the_last_event_that_was_seen(stream, how):
    seen = change({"MAX_ITEMS": 20})
    missed = [change({"MAX_ITEMS": 21}), change({"MAX_ITEMS": 22})]
    if how == "header":
        found = stream(2, "index=0", headers={"Last-Event-ID": str(seen)})
    else:
        found = stream(2, f"index={seen}")
    assert [int(each["id"]) for each in found] == missed


def test_long_history_is_streamed_without_a_pause(stream, monkeypatch):
    monkeypatch.setattr(waiting, "WINDOW_ENTRIES", 1)
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.2)
    seen = change({"MAX_ITEMS": 0})
    missed = [change({"MAX_ITEMS": n}) for n in range(1, 5)]
    assert [int(each["id"]) for each in stream(4, f"index={seen}")] == missed


def test_forgotten_beginning_is_told_and_the_stream_begins_anew(stream, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.2)
    change({"MAX_ITEMS": 20})
    monkeypatch.setattr(history, "HISTORY_ENTRIES", 1)
    for n in range(3):
        index = change({"MAX_ITEMS": n})
    later = []
    reset, following = stream(
        2, "index=1", meanwhile=lambda: later.append(change({"MAX_ITEMS": 9}))
    )
    assert reset["event"] == "reset"
    assert reset["data"] == {"index": later[0]}
    assert following.get("event") is None or int(following["id"]) > index
    assert reset["id"] == str(later[0])


def test_quiet_stream_is_kept_alive_and_remembers_how_far_it_came(stream, monkeypatch):
    monkeypatch.setattr(events, "KEEP_ALIVE_SECONDS", 0.2)
    change({"MAX_ITEMS": 20})
    index = []
    found = stream(2, "group=Mail", meanwhile=lambda: index.append(change({"MAX_ITEMS": 30})))
    assert found[-1] == {"": "nothing new", "id": str(index[0])}


def test_stream_ends_so_that_the_permission_is_asked_anew(api, monkeypatch):
    monkeypatch.setattr(events, "MAX_STREAM_SECONDS", 0.3)

    async def run():
        client = AsyncClient()
        client.cookies = api.client.cookies
        response = await client.get(f"{PREFIX}events/")
        return [each async for each in response.streaming_content]

    assert async_to_sync(run)()[0] == b": connected\n\n"
    assert WAITERS.count == 0


def test_streams_are_bounded_and_a_client_that_never_reads_takes_no_place_for_ever(api, site):
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "WATCH_MAX_WAITERS": 1}

    async def run():
        client = AsyncClient()
        client.cookies = api.client.cookies
        unread = await client.get(f"{PREFIX}events/")
        refused = await client.get(f"{PREFIX}events/")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        await sync_to_async(unread.close)()

    async_to_sync(run)()
    assert WAITERS.count == 0


def test_secret_is_masked_in_events(stream):
    change({"MAX_ITEMS": 20})
    found = stream(1, "name=API_KEY", meanwhile=lambda: change({"API_KEY": SECRET}))
    assert SECRET not in repr(found)
    assert found[0]["data"]["changes"][0]["new"] == {"value": "********"}


def test_only_what_the_user_may_see_is_told(logged_in, stream, api):
    api.client = logged_in("view Mail").client
    begin = change({"MAX_ITEMS": 20})
    change({"MAX_ITEMS": 30})
    index = change({"SENDER": "x@example.com", "MAX_ITEMS": 31})
    (event,) = stream(1, f"index={begin}")
    assert event["id"] == str(index)
    assert [row["name"] for row in event["data"]["changes"]] == ["SENDER"]


def test_stream_is_refused_under_wsgi_with_the_way_out(api):
    assert "watch/" in problem(api.get("events/"), 501, "needs_asgi")["detail"]
    assert WAITERS.count == 0


@pytest.mark.parametrize("header", ["x", "-1", "1.5"])
def test_wrong_last_event_id_is_400(api, header):
    async def run():
        client = AsyncClient()
        client.cookies = api.client.cookies
        return await client.get(f"{PREFIX}events/", headers={"Last-Event-ID": header})

    assert async_to_sync(run)().status_code == 400


# -- a real server


@pytest.fixture
def listen(server, api):
    """Open a stream of the server, as `requests` gives it."""
    cookies = {name: morsel.value for name, morsel in api.client.cookies.items()}

    def ask(path="events/", *, timeout=PATIENCE_SECONDS, **options):
        return requests.get(server + path, cookies=cookies, stream=True, timeout=timeout, **options)

    return ask


def test_server_streams_each_change_and_takes_up_where_a_client_was_cut_off(listen):
    change({"MAX_ITEMS": 0})
    with listen() as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines(decode_unicode=True)
        assert next(lines) == ": connected"
        indexes = [change({"MAX_ITEMS": n}) for n in range(1, 4)]
        ids = (line for line in lines if line.startswith("id: "))
        assert [next(ids) for _ in indexes] == [f"id: {each}" for each in indexes]
    later = change({"MAX_ITEMS": 9})
    with listen(headers={"Last-Event-ID": str(indexes[-1])}) as response:
        lines = response.iter_lines(decode_unicode=True)
        assert next(line for line in lines if line.startswith("id: ")) == f"id: {later}"


def test_client_that_goes_away_gives_its_place_back(listen, site):
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "WATCH_MAX_WAITERS": 2}
    index = change({"MAX_ITEMS": 0})
    stream = listen()
    with suppress(requests.Timeout):
        listen(f"watch/?index={index}&timeout=60", timeout=0.5)
    assert next(stream.iter_lines()) == b": connected"
    stream.close()
    eventually(lambda: WAITERS.count == 0)


def test_more_clients_than_are_allowed_are_refused_by_the_server(listen, site):
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "WATCH_MAX_WAITERS": 3}
    change({"MAX_ITEMS": 0})
    streams = [listen() for _ in range(3)]
    refused = listen()
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_waiters")
    for each in (refused, *streams):
        each.close()
    eventually(lambda: WAITERS.count == 0)


def test_long_poll_of_the_server_misses_nothing_while_somebody_writes(listen):
    begin = index = change({"MAX_ITEMS": 0})
    expected = []

    def write():
        try:
            expected.extend(change({"MAX_ITEMS": n}) for n in range(1, 21))
        finally:
            connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    deadline = time.monotonic() + 3 * PATIENCE_SECONDS
    while len(seen) < 20 and time.monotonic() < deadline:
        data = listen(f"watch/?index={index}&timeout=10").json()
        seen += [row["index"] for row in data["changes"]]
        index = data["index"]
    writer.join()
    assert seen == expected
    assert begin not in seen


def test_nobody_may_listen(nobody):
    problem(nobody.get("events/"), 403, "not_authenticated")
