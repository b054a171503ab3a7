"""Reading: list, detail, the public subset, and how current a node is."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from raft_config.schema import Setting
from raft_config.testing import override_config

from .conftest import SECRET, SETTINGS, change, problem


def rows(response):
    assert response.status_code == 200, response.data
    return {row["name"]: row for row in response.data["settings"]}


def test_list_tells_each_setting_as_it_is_in_force(api):
    index = change({"MAX_ITEMS": 30}, user="bob", comment="Sale", origin="cli")
    response = api.get()
    assert response.data["index"] == index
    assert list(rows(response)) == list(SETTINGS)
    row = rows(response)["MAX_ITEMS"]
    last = row.pop("last_change")
    assert row == {
        "name": "MAX_ITEMS",
        "type": "int",
        "group": "Shop",
        "help_text": "Items in a cart.",
        "value": 30,
        "default": 20,
        "choices": [],
        "source": "cluster",
        "index": index,
        "is_secret": False,
        "is_public": True,
        "can_change": True,
    }
    assert last.pop("changed_at").endswith("+00:00")
    assert last == {
        "index": index,
        "user": "bob",
        "origin": "cli",
        "node": "node",
        "comment": "Sale",
    }


def test_setting_that_is_not_set_has_its_default_and_index_0(api):
    row = rows(api.get())["THEME"]
    assert (row["value"], row["default"]) == ("light", "light")
    assert (row["source"], row["index"]) == ("default", 0)
    assert row["choices"] == ["light", "dark"]
    assert row["last_change"] is None


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("group=Mail", {"SENDER", "API_KEY"}),
        ("group=", {"LIMITS"}),
        ("group=Mail&group=", {"SENDER", "API_KEY", "LIMITS"}),
        ("name=BANNER&name=LIMITS&name=NONE", {"BANNER", "LIMITS"}),
        ("changed=true", {"MAX_ITEMS"}),
        ("changed=false&group=Shop", {"BANNER", "THEME"}),
        ("group=None", set()),
    ],
)
def test_list_is_filtered(api, query, names):
    change({"MAX_ITEMS": 30})
    assert rows(api.get(f"?{query}")).keys() == names


def test_detail_is_the_row_of_the_list(api):
    change({"MAX_ITEMS": 30})
    assert api.get("MAX_ITEMS/").data == rows(api.get())["MAX_ITEMS"]


@pytest.mark.parametrize("name", ["NONE", "max_items", "a%20b", "%00", "_", "__class__"])
def test_unknown_setting_is_404(api, name):
    problem(api.get(f"{name}/"), 404, "not_found")


def test_value_is_what_a_test_has_put_over_it(api):
    with override_config(MAX_ITEMS=7):
        assert api.get("MAX_ITEMS/").data["value"] == 7


def test_value_of_each_kind_is_told_as_a_write_takes_it(api, site):
    values = {
        "A": Decimal("1.50"),
        "B": dt.timedelta(seconds=1.5),
        "C": dt.datetime(2030, 1, 31, 8, tzinfo=dt.timezone.utc),
        "D": UUID(int=5),
        "E": [1, {"x": None}],
        "F": 0.5,
        "G": dt.date(2030, 1, 31),
    }
    declared = {name: Setting(value) for name, value in values.items()}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": declared}
    told = {name: row["value"] for name, row in rows(api.get()).items()}
    response = api.patch("", {"values": told})
    assert response.status_code == 200, response.data
    assert {name: row["value"] for name, row in rows(api.get()).items()} == told
    assert (told["A"], told["B"]) == ("1.50", 1_500_000)


# -- secrets


def test_secret_is_masked_wherever_settings_are_told_of(api):
    first = change({"API_KEY": SECRET})
    change({"API_KEY": f"{SECRET} 2"})
    assert api.get("API_KEY/").data["value"] == "********"
    for path in (
        "",
        "history/",
        f"diff/?from={first}",
        f"diff/?from=0&to={first}",
        "export/",
        "schedules/",
        "public/",
        "watch/?index=0",
        "meta/",
        f"history/?search={SECRET[:5]}",
    ):
        assert api.get(path).status_code == 200
    api.post("revert/", {"index": first + 1, "dry_run": True})
    api.post("restore/", {"index": 0, "dry_run": True})
    assert len(api.told) == 13
    assert SECRET not in repr(api.told)
    assert "********" in repr(api.told)


def test_secret_that_is_not_set_is_masked_too(api):
    row = api.get("API_KEY/").data
    assert (row["value"], row["default"]) == ("********", "********")


# -- how fresh


def test_read_waits_for_the_index_it_is_asked_for(api, site):
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "WRITE_TIMEOUT_SECONDS": 0.2}
    index = change({"MAX_ITEMS": 30})
    assert api.get(f"MAX_ITEMS/?at_least={index}").data["value"] == 30
    found = api.get(f"?at_least={index + 100}")
    problem(found, 503, "stale")
    assert found.headers["Retry-After"] == "1"


def test_linearizable_read_asks_the_leader(api):
    index = change({"MAX_ITEMS": 30})
    response = api.get("MAX_ITEMS/?consistency=linearizable")
    assert response.data["value"] == 30
    assert int(response.headers["X-Raft-Config-Index"]) >= index


@pytest.mark.parametrize(
    "query", ["consistency=strong", "at_least=-1", "at_least=x", "at_least=9223372036854775808"]
)
def test_wrong_consistency_is_400_and_named(api, query):
    errors = problem(api.get(f"?{query}"), 400, "invalid")["errors"]
    assert list(errors) == [query.partition("=")[0]]


def test_misspelt_parameter_is_refused_instead_of_being_ignored(api):
    errors = problem(api.get("?consistncy=linearizable"), 400, "invalid")["errors"]
    assert "consistency" in errors["consistncy"][0]


def test_parameter_given_twice_is_refused(api):
    problem(api.get("?at_least=1&at_least=2"), 400, "invalid")


# -- the public subset


def test_public_settings_are_told_to_anybody_and_no_others(nobody):
    change({"MAX_ITEMS": 30, "API_KEY": SECRET})
    response = nobody.get("public/")
    assert response.data == {"settings": {"MAX_ITEMS": 30}}
    assert response.headers["Cache-Control"] == "public, max-age=5"
    assert "Cookie" not in response.headers.get("Vary", "")


def test_public_settings_are_not_sent_again_until_one_of_them_changes(nobody):
    tag = nobody.get("public/").headers["ETag"]
    change({"BANNER": "new"})
    response = nobody.get("public/", headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    change({"MAX_ITEMS": 30})
    assert nobody.get("public/", headers={"If-None-Match": tag}).status_code == 200


def test_public_settings_do_not_mind_a_wrong_login(nobody):
    response = nobody.get("public/", headers={"Authorization": "Basic d3Jvbmc6d3Jvbmc="})
    assert response.status_code == 200


def test_nobody_makes_a_node_ask_the_leader(nobody):
    problem(nobody.get("public/?consistency=linearizable"), 400, "invalid")


# -- how current a node is


def test_meta_tells_what_is_applied_and_who_leads(api):
    index = change({"MAX_ITEMS": 30})
    data = api.get("meta/").data
    assert data["index"] == index
    assert (data["node_id"], data["leader_id"], data["age_seconds"]) == ("node", "node", 0)
    assert (data["cluster_id"], data["oldest_index"]) == ("raft-config", 0)
