"""History, difference, revert and restore."""

from __future__ import annotations

import pytest

from raft_config import history
from raft_config.live import config
from raft_config.models import StoredValue
from raft_config.schema import Setting

from .conftest import SETTINGS, change, problem


def names(response):
    assert response.status_code == 200, response.data
    return [(row["index"], row["name"]) for row in response.data["changes"]]


def test_history_tells_who_changed_what_from_where_and_why(api):
    index = change({"MAX_ITEMS": 30}, user="bob", origin="cli", comment="Sale")
    later = change(reset=["MAX_ITEMS"])
    reset, first = api.get("history/").data["changes"]
    assert (reset["index"], reset["old"], reset["new"]) == (later, {"value": 30}, None)
    assert first.pop("changed_at")
    assert first == {
        "index": index,
        "name": "MAX_ITEMS",
        "old": None,
        "new": {"value": 30},
        "user": "bob",
        "origin": "cli",
        "node": "node",
        "comment": "Sale",
    }


def test_value_of_null_is_not_the_same_as_no_value(api, site):
    settings = {**SETTINGS, "NOTE": Setting(None, type="text")}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": settings}
    index = change({"NOTE": None})
    (row,) = api.get("history/").data["changes"]
    assert (row["index"], row["old"], row["new"]) == (index, None, {"value": None})


def test_history_is_filtered(api):
    first = change({"MAX_ITEMS": 30}, user="bob", comment="For the sale")
    second = change({"BANNER": "x", "SENDER": "x@example.com"}, user="eve", origin="cli")
    third = change({"BANNER": "y"}, user="bob")
    for query, found in {
        "name=MAX_ITEMS": [(first, "MAX_ITEMS")],
        "group=Mail": [(second, "SENDER")],
        "user=bob": [(third, "BANNER"), (first, "MAX_ITEMS")],
        "origin=cli&name=BANNER": [(second, "BANNER")],
        "search=sale": [(first, "MAX_ITEMS")],
        f"after={second}": [(third, "BANNER")],
        f"before={second}": [(first, "MAX_ITEMS")],
        "since=2099-01-01T00:00:00Z": [],
        "until=2001-01-01T00:00:00Z": [],
        "since=2001-01-01T00:00:00Z&name=MAX_ITEMS": [(first, "MAX_ITEMS")],
    }.items():
        assert names(api.get(f"history/?{query}")) == found, query


def test_history_is_paged_by_index_and_no_entry_is_cut(api):
    for number in range(5):
        change({"MAX_ITEMS": number, "BANNER": str(number)})
    pages, query = [], "limit=3"
    while query:
        response = api.get(f"history/?{query}")
        pages.append(names(response))
        following = response.data["next"]
        query = following and f"limit=3&before={following}"
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [each for page in pages for each in page] == names(api.get("history/"))


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "since=today", "before=-1", "page=2"]
)
def test_wrong_question_is_400(api, query):
    problem(api.get(f"history/?{query}"), 400, "invalid")


def test_value_of_a_name_that_is_declared_no_more_is_told_to_those_who_see_all(
    api, logged_in, site
):
    change({"BANNER": "old words"})
    settings = {n: each for n, each in site.RAFT_CONFIG["SETTINGS"].items() if n != "BANNER"}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": settings}
    (row,) = api.get("history/").data["changes"]
    assert "old words" in row["new"]["value"]
    assert names(logged_in("view Shop").get("history/")) == []


# -- difference


def test_difference_of_two_points_is_told(api):
    first = change({"MAX_ITEMS": 30, "BANNER": "x"})
    second = change({"MAX_ITEMS": 40, "THEME": "dark"})
    change(reset=["BANNER"])
    between = api.get(f"diff/?from={first}&to={second}").data
    assert (between["from_index"], between["to_index"]) == (first, second)
    assert between["changes"] == [
        {"name": "MAX_ITEMS", "old": {"value": 30}, "new": {"value": 40}},
        {"name": "THEME", "old": None, "new": {"value": "dark"}},
    ]
    until_now = {row["name"]: row for row in api.get(f"diff/?from={second}").data["changes"]}
    assert until_now == {"BANNER": {"name": "BANNER", "old": {"value": "x"}, "new": None}}


def test_difference_needs_a_beginning(api):
    assert list(problem(api.get("diff/"), 400, "invalid")["errors"]) == ["from"]


def test_point_that_the_history_does_not_reach_is_410(api, monkeypatch):
    change({"MAX_ITEMS": 30})
    monkeypatch.setattr(history, "HISTORY_ENTRIES", 1)
    for _ in range(3):
        index = change({"BANNER": str(_)})
    data = problem(api.get("diff/?from=1"), 410, "history_forgotten")
    assert data["oldest_index"] == index - 1
    problem(api.post("restore/", {"index": 1}), 410, "history_forgotten")
    problem(api.post("revert/", {"index": 1}), 410, "history_forgotten")
    data = problem(api.get(f"diff/?from={index + 5}"), 410, "history_forgotten")
    assert data["newest_index"] == index


# -- revert


def test_entry_is_reverted_as_a_change_of_its_own(api):
    change({"MAX_ITEMS": 30})
    index = change({"MAX_ITEMS": 40, "BANNER": "x"})
    response = api.post("revert/", {"index": index, "comment": "Undo"})
    assert response.status_code == 200
    assert (config.MAX_ITEMS, config.BANNER) == (30, "")
    rows = api.get(f"history/?after={index}").data["changes"]
    assert {row["index"] for row in rows} == {response.data["index"]}
    assert {(row["user"], row["origin"], row["comment"]) for row in rows} == {
        ("ada", "api", "Undo")
    }


def test_dry_run_tells_what_a_revert_would_change(api):
    index = change({"MAX_ITEMS": 40, "BANNER": "x"})
    response = api.post("revert/", {"index": index, "dry_run": True})
    assert response.data == {
        "dry_run": True,
        "changes": [
            {"name": "BANNER", "old": {"value": "x"}, "new": None},
            {"name": "MAX_ITEMS", "old": {"value": 40}, "new": None},
        ],
        "overtaken": [],
    }
    assert config.MAX_ITEMS == 40


def test_what_was_changed_since_is_reverted_only_by_force(api):
    index = change({"MAX_ITEMS": 30})
    change({"MAX_ITEMS": 40})
    assert api.post("revert/", {"index": index, "dry_run": True}).data["overtaken"] == ["MAX_ITEMS"]
    data = problem(api.post("revert/", {"index": index}), 409, "conflict")
    assert data["names"] == ["MAX_ITEMS"]
    assert config.MAX_ITEMS == 40
    assert api.post("revert/", {"index": index, "force": True}).status_code == 200
    assert config.MAX_ITEMS == 20


def test_old_value_that_is_valid_no_more_is_not_put_back(api):
    change({"MAX_ITEMS": 30})
    StoredValue.objects.filter(name="MAX_ITEMS").update(text='{"type":"text","value":"x"}')
    index = change({"MAX_ITEMS": 40})
    errors = problem(api.post("revert/", {"index": index}), 400, "invalid")["errors"]
    assert list(errors) == ["MAX_ITEMS"]


def test_revert_needs_the_permission_for_all_that_it_changes(api, logged_in):
    both = change({"MAX_ITEMS": 30, "SENDER": "x@example.com"})
    shopkeeper = logged_in("change Shop")
    data = problem(shopkeeper.post("revert/", {"index": both}), 403, "permission_denied")
    assert "SENDER" not in repr(data)
    preview = shopkeeper.post("revert/", {"index": both, "dry_run": True})
    assert [row["name"] for row in preview.data["changes"]] == ["MAX_ITEMS"]
    viewer = logged_in("view", name="viewer")
    data = problem(viewer.post("revert/", {"index": both}), 403, "permission_denied")
    assert data["names"] == ["MAX_ITEMS", "SENDER"]
    assert config.MAX_ITEMS == 30


# -- restore


def test_everything_is_brought_back_by_one_entry(api):
    first = change({"MAX_ITEMS": 30, "BANNER": "x"})
    change({"MAX_ITEMS": 40})
    change({"THEME": "dark"}, reset=["BANNER"])
    response = api.post("restore/", {"index": first})
    assert response.status_code == 200
    assert (config.MAX_ITEMS, config.BANNER, config.THEME) == (30, "x", "light")
    assert api.get(f"diff/?from={first}").data["changes"] == []


def test_some_names_are_brought_back(api):
    change({"MAX_ITEMS": 40, "BANNER": "x"})
    assert api.post("restore/", {"index": 0, "names": ["BANNER"]}).status_code == 200
    assert (config.MAX_ITEMS, config.BANNER) == (40, "")


def test_restore_needs_the_permission_for_all_that_it_changes(api, logged_in):
    change({"MAX_ITEMS": 30, "SENDER": "x@example.com"})
    shopkeeper = logged_in("change Shop")
    problem(shopkeeper.post("restore/", {"index": 0}), 403, "permission_denied")
    names = ["MAX_ITEMS", "BANNER", "THEME"]
    assert shopkeeper.post("restore/", {"index": 0, "names": names}).status_code == 200
    assert (config.MAX_ITEMS, config.SENDER) == (20, "x@example.com")
    problem(shopkeeper.post("restore/", {"index": 0, "names": ["SENDER"]}), 400, "invalid")


@pytest.mark.parametrize("path", ["revert/", "restore/"])
@pytest.mark.parametrize("body", [{}, {"index": -1}, {"index": "1"}, {"index": 1, "forced": True}])
def test_wrong_request_to_put_back_is_400(api, path, body):
    problem(api.post(path, body), 400, "invalid")
