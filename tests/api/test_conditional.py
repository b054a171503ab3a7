"""ETag, If-None-Match and If-Match."""

from __future__ import annotations

import pytest

from raft_config.live import config
from raft_config.schema import Setting

from .conftest import SETTINGS, change, problem

READS = ["", "MAX_ITEMS/", "history/", "diff/?from=0", "schedules/", "export/"]


@pytest.mark.parametrize("path", READS)
def test_what_the_client_has_already_is_not_sent_again(api, path):
    change({"MAX_ITEMS": 30})
    response = api.get(path)
    tag = response.headers["ETag"]
    for given in (tag, f'"0.0", {tag}', f"W/{tag}", "*"):
        again = api.get(path, headers={"If-None-Match": given})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
        assert again.headers["Cache-Control"] == "private, no-cache"
        assert {"Cookie", "Authorization"} <= set(again.headers["Vary"].split(", "))
    change({"MAX_ITEMS": 31})
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_etag_begins_with_the_index(api):
    index = change({"MAX_ITEMS": 30})
    other = change({"BANNER": "x"})
    assert api.get("MAX_ITEMS/").headers["ETag"].startswith(f'"{index}.')
    assert api.get("MAX_ITEMS/").headers["X-Raft-Config-Index"] == str(other)
    assert api.get("THEME/").headers["ETag"].startswith('"0.')
    assert api.get().headers["ETag"].startswith(f'"{other}.')


def test_another_default_or_more_to_see_is_sent_at_the_same_index(api, logged_in, site):
    tag, list_tag = api.get("THEME/").headers["ETag"], api.get().headers["ETag"]
    seen = logged_in("view Shop").get(headers={"If-None-Match": list_tag})
    assert seen.status_code == 200
    settings = {**SETTINGS, "THEME": Setting("blue")}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": settings}
    response = api.get("THEME/", headers={"If-None-Match": tag})
    assert (response.status_code, response.data["value"]) == (200, "blue")


# -- If-Match, of one setting


@pytest.mark.parametrize("shape", ['"{}"', 'W/"{}"', '"{}.0123456789ab"', '"1", "{}"'])
def test_if_match_with_the_present_index_lets_the_change_through(api, shape):
    change({"MAX_ITEMS": 20})
    index = change({"MAX_ITEMS": 30})
    response = api.put("MAX_ITEMS/", {"value": 31}, headers={"If-Match": shape.format(index)})
    assert response.status_code == 200, response.data
    assert config.MAX_ITEMS == 31


def test_etag_of_a_read_is_taken_back(api):
    change({"MAX_ITEMS": 30})
    for path in ("MAX_ITEMS/", "THEME/"):
        tag = api.get(path).headers["ETag"]
        assert api.delete(path, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_failed_if_match_is_412_and_changes_nothing(api, method):
    index = change({"MAX_ITEMS": 30})
    later = change({"MAX_ITEMS": 31})
    body = None if method == "DELETE" else {"value": 32}
    response = api(method, "MAX_ITEMS/", body, headers={"If-Match": f'"{index}"'})
    data = problem(response, 412, "precondition_failed")
    assert (data["expected"], data["actual"]) == ({"MAX_ITEMS": index}, {"MAX_ITEMS": later})
    assert config.MAX_ITEMS == 31


@pytest.mark.parametrize("header", ["x", "57", '"x"', '""', f'"{"9" * 30}"', f'"{2**63}"'])
def test_if_match_that_is_no_etag_of_ours_is_412(api, header):
    response = api.put("MAX_ITEMS/", {"value": 1}, headers={"If-Match": header})
    problem(response, 412, "precondition_failed")
    assert config.MAX_ITEMS == 20


def test_if_match_of_anything_is_no_condition(api):
    response = api.put("MAX_ITEMS/", {"value": 1}, headers={"If-Match": "*"})
    assert response.status_code == 200


def test_expectation_that_contradicts_if_match_is_refused(api):
    body = {"value": 1, "expected": 5}
    response = api.put("MAX_ITEMS/", body, headers={"If-Match": '"0"'})
    assert list(problem(response, 400, "invalid")["errors"]) == ["expected"]


# -- If-Match, of the list


def test_list_may_be_required_to_be_as_it_was_read_in_what_is_changed(api):
    change({"MAX_ITEMS": 30})
    tag = api.get().headers["ETag"]
    change({"BANNER": "somebody else's"})
    body = {"values": {"MAX_ITEMS": 31}, "reset": ["THEME"]}
    assert api.patch("", body, headers={"If-Match": tag}).status_code == 200
    body = {"values": {"MAX_ITEMS": 32, "BANNER": "mine"}}
    data = problem(api.patch("", body, headers={"If-Match": tag}), 412, "precondition_failed")
    assert data["names"] == ["BANNER", "MAX_ITEMS"]
    assert config.BANNER == "somebody else's"


def test_setting_that_was_reset_since_the_list_was_read_has_changed(api):
    change({"MAX_ITEMS": 30})
    tag = api.get().headers["ETag"]
    change(reset=["MAX_ITEMS"])
    response = api.patch("", {"values": {"MAX_ITEMS": 31}}, headers={"If-Match": tag})
    assert problem(response, 412, "precondition_failed")["actual"] == {"MAX_ITEMS": 0}


def test_list_of_an_index_that_this_node_has_not_applied_is_waited_for(api, site):
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "WRITE_TIMEOUT_SECONDS": 0.2}
    response = api.patch("", {"values": {"MAX_ITEMS": 1}}, headers={"If-Match": '"999"'})
    problem(response, 503, "stale")
