"""The long poll: nothing is missed, nobody waits for nothing, and not too many wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from raft_config import history
from raft_config.api import waiting
from raft_config.api import watch as watching
from raft_config.api.waiting import WAITERS
from tests.peers import eventually

from .conftest import Api, change, problem


@pytest.fixture
def threads():
    """Run something beside the test; all of it is over when the test is."""
    with ThreadPoolExecutor(8) as pool:

        def start(function, *args):
            def run():
                try:
                    return function(*args)
                finally:
                    connections.close_all()

            return pool.submit(run)

        yield start


@pytest.fixture
def watch(api):
    """Ask `watch/`, from whatever thread."""

    def ask(query):
        client = Client()
        client.cookies = api.client.cookies
        return Api(client).get(f"watch/?{query}")

    return ask


def told(response):
    assert response.status_code == 200, response.data
    return [(row["index"], row["name"], row["new"]) for row in response.data["changes"]]


def test_first_call_tells_where_to_begin(api):
    index = change({"MAX_ITEMS": 30})
    response = api.get("watch/")
    assert response.data == {"index": index, "changes": []}


def test_what_is_newer_is_told_at_once_and_oldest_first(api):
    begin = api.get("watch/").data["index"]
    first = change({"MAX_ITEMS": 30, "BANNER": "x"}, user="bob", comment="Sale")
    second = change(reset=["BANNER"])
    before = time.monotonic()
    response = api.get(f"watch/?index={begin}&timeout=60")
    assert time.monotonic() - before < 30
    assert told(response) == [
        (first, "BANNER", {"value": "x"}),
        (first, "MAX_ITEMS", {"value": 30}),
        (second, "BANNER", None),
    ]
    assert response.data["index"] == second
    assert response.headers["X-Raft-Config-Index"] == str(second)
    assert response.data["changes"] == sorted(
        api.get("history/").data["changes"], key=lambda row: (row["index"], row["name"])
    )


def test_waiter_is_told_as_soon_as_something_changes(watch, threads):
    begin = change({"MAX_ITEMS": 30})
    waiter = threads(watch, f"index={begin}&timeout=60")
    eventually(lambda: WAITERS.count == 1)
    index = change({"MAX_ITEMS": 31})
    assert told(waiter.result(20)) == [(index, "MAX_ITEMS", {"value": 31})]
    assert WAITERS.count == 0


def test_timeout_is_an_answer_without_changes_at_the_same_index(api):
    index = change({"MAX_ITEMS": 30})
    response = api.get(f"watch/?index={index}&timeout=1")
    assert (response.status_code, response.data) == (200, {"index": index, "changes": []})


def test_timeout_of_nothing_asks_without_waiting(api):
    begin = change({"MAX_ITEMS": 30})
    assert api.get(f"watch/?index={begin}&timeout=0").data == {"index": begin, "changes": []}
    change({"MAX_ITEMS": 31})
    assert len(told(api.get(f"watch/?index={begin}&timeout=0"))) == 1


def test_change_of_what_was_not_asked_for_moves_the_index_alone(api):
    begin = change({"MAX_ITEMS": 30})
    index = change({"SENDER": "x@example.com"})
    response = api.get(f"watch/?index={begin}&timeout=1&group=Shop")
    assert response.data == {"index": index, "changes": []}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("group=Shop", ["MAX_ITEMS"]),
        ("group=Mail&group=Shop", ["MAX_ITEMS", "SENDER"]),
        ("name=SENDER&name=NONE", ["SENDER"]),
    ],
)
def test_watch_is_limited_to_groups_and_names(api, query, names):
    begin = api.get("watch/").data["index"]
    change({"MAX_ITEMS": 30, "SENDER": "x@example.com", "LIMITS": {}})
    found = told(api.get(f"watch/?index={begin}&{query}"))
    assert [name for _, name, _ in found] == names


def test_watch_is_not_woken_by_what_the_user_may_not_see(logged_in):
    viewer = logged_in("view Mail")
    begin = viewer.get("watch/").data["index"]
    index = change({"MAX_ITEMS": 30})
    response = viewer.get(f"watch/?index={begin}&timeout=0")
    assert response.data == {"index": index, "changes": []}
    problem(logged_in(name="nobody").get("watch/?index=0"), 403, "permission_denied")


def test_no_change_is_missed_between_two_calls(watch, threads):
    index = begin = change({"MAX_ITEMS": 0})
    writer = threads(lambda: [change({"MAX_ITEMS": n}) for n in range(1, 41)])
    seen = []
    deadline = time.monotonic() + 60
    while not (seen and seen[-1][2] == {"value": 40}):
        assert time.monotonic() < deadline, seen
        response = watch(f"index={index}&timeout=20")
        seen += told(response)
        index = response.data["index"]
    indexes = writer.result()
    assert seen == [(at, "MAX_ITEMS", {"value": n}) for n, at in enumerate(indexes, 1)]
    assert begin < indexes[0]


def test_change_while_the_question_is_answered_is_not_missed(api, monkeypatch):
    """Between the question and the waiting, where a token taken too late would hide it."""
    begin = change({"MAX_ITEMS": 30})
    answer, later = waiting.news_after, []

    def answer_then_change(index, names):
        found = answer(index, names)
        if not later:
            later.append(change({"MAX_ITEMS": 31}))
        return found

    monkeypatch.setattr(waiting, "news_after", answer_then_change)
    found = told(api.get(f"watch/?index={begin}&timeout=5"))
    assert found == [(later[0], "MAX_ITEMS", {"value": 31})]


def test_long_history_is_told_in_parts_without_a_gap(api, monkeypatch):
    monkeypatch.setattr(waiting, "WINDOW_ENTRIES", 2)
    index = api.get("watch/").data["index"]
    expected = [change({"MAX_ITEMS": n}) for n in range(5)]
    expected.insert(0, change({"SENDER": "x@example.com"}))
    seen, calls = [], 0
    while True:
        response = api.get(f"watch/?index={index}&timeout=0")
        if not told(response):
            break
        calls += 1
        seen += [at for at, _, _ in told(response)]
        index = response.data["index"]
    assert seen == sorted(expected)
    assert calls >= 3


# -- what is forgotten


def test_index_that_is_forgotten_is_410_with_the_index_to_begin_from(api, monkeypatch):
    begin = change({"MAX_ITEMS": 30})
    monkeypatch.setattr(history, "HISTORY_ENTRIES", 2)
    for n in range(3):
        index = change({"MAX_ITEMS": n})
    data = problem(api.get(f"watch/?index={begin}"), 410, "history_forgotten")
    assert data["index"] == index
    assert api.get(f"watch/?index={index}&timeout=0").status_code == 200
    assert len(told(api.get(f"watch/?index={index - 2}"))) == 2


def test_index_of_another_cluster_is_410(api):
    index = change({"MAX_ITEMS": 30})
    data = problem(api.get(f"watch/?index={index + 1000}&timeout=60"), 410, "history_forgotten")
    assert data["index"] == index


# -- how many


def test_no_more_than_the_limit_wait_and_the_others_are_told_to_come_back(
    watch, api, threads, site
):
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "WATCH_MAX_WAITERS": 2}
    begin = change({"MAX_ITEMS": 30})
    waiters = [threads(watch, f"index={begin}&timeout=60") for _ in range(2)]
    eventually(lambda: WAITERS.count == 2)
    refused = api.get(f"watch/?index={begin}&timeout=60")
    problem(refused, 503, "too_many_waiters")
    assert refused.headers["Retry-After"] == "1"
    # Who need not wait takes no place.
    assert api.get("watch/").status_code == 200
    assert len(told(api.get("watch/?index=0"))) == 1
    change({"MAX_ITEMS": 31})
    assert [len(told(waiter.result(20))) for waiter in waiters] == [1, 1]
    assert WAITERS.count == 0


def test_waiter_asks_nothing_until_something_changes(watch, threads, monkeypatch):
    begin = change({"MAX_ITEMS": 30})
    asked, ask = [], waiting.news_after
    monkeypatch.setattr(waiting, "news_after", lambda *args: asked.append(args) or ask(*args))
    assert told(threads(watch, f"index={begin}&timeout=3").result(30)) == []
    assert len(asked) == 1


def test_waiter_holds_no_connection_to_a_database(watch, threads, monkeypatch):
    begin = change({"MAX_ITEMS": 30})
    held, wait = [], waiting.moved

    async def look_then_wait(since, deadline):
        held.append(await sync_to_async(_open_connections)())
        return await wait(since, deadline)

    monkeypatch.setattr(watching, "moved", look_then_wait)
    threads(watch, f"index={begin}&timeout=1").result(30)
    assert held == [[]]


def _open_connections():
    return [each.alias for each in connections.all(initialized_only=True) if each.connection]


@pytest.mark.parametrize(
    "query", ["index=-1", "index=x", "index=1&timeout=61", "timeout=1.5", "at_least=1"]
)
def test_wrong_question_is_400(api, query):
    problem(api.get(f"watch/?{query}"), 400, "invalid")
