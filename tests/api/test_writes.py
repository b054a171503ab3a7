"""Changing settings: one, several, for a time; who may; what is refused, and in which words."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ValidationError

from raft_config import history
from raft_config.live import config
from raft_config.schema import Setting

from .conftest import SECRET, SETTINGS, change, problem


def entries():
    return {record.index for record in history.changes(limit=1000)}


# -- one setting


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_setting_is_set_and_read_at_once(api, method):
    response = api(method, "MAX_ITEMS/", {"value": 30, "comment": "Sale"})
    assert response.status_code == 200
    index = response.data["index"]
    assert response.headers["X-Raft-Config-Index"] == str(index)
    row = api.get("MAX_ITEMS/").data
    assert (row["value"], row["index"], config.MAX_ITEMS) == (30, index, 30)
    last = row["last_change"]
    assert (last["user"], last["origin"], last["comment"]) == ("ada", "api", "Sale")


def test_setting_is_reset(api):
    change({"MAX_ITEMS": 30})
    response = api.delete("MAX_ITEMS/?comment=Over")
    assert response.status_code == 200
    row = api.get("MAX_ITEMS/").data
    assert (row["value"], row["source"], row["index"]) == (20, "default", 0)
    assert row["last_change"]["comment"] == "Over"


def test_retry_under_the_same_request_id_has_one_effect(api):
    first = api.put("MAX_ITEMS/", {"value": 30, "request_id": "r1"})
    change({"MAX_ITEMS": 40})
    again = api.put("MAX_ITEMS/", {"value": 30, "request_id": "r1"})
    assert again.data == first.data == {"index": first.data["index"], "request_id": "r1"}
    assert config.MAX_ITEMS == 40


# -- several


def test_several_settings_are_changed_by_one_entry(api):
    change({"BANNER": "old"})
    before = entries()
    response = api.patch("", {"values": {"MAX_ITEMS": 30, "THEME": "dark"}, "reset": ["BANNER"]})
    assert response.status_code == 200
    assert entries() - before == {response.data["index"]}
    assert (config.MAX_ITEMS, config.THEME, config.BANNER) == (30, "dark", "")


def test_nothing_is_changed_when_one_value_is_wrong_and_all_faults_are_told(api):
    before = entries()
    values = {"MAX_ITEMS": "30", "SENDER": "nobody", "THEME": "green", "BANNER": "fine"}
    errors = problem(api.patch("", {"values": values}), 400, "invalid")["errors"]
    assert errors.keys() == {"MAX_ITEMS", "SENDER", "THEME"}
    assert all(isinstance(text, str) for texts in errors.values() for text in texts)
    assert entries() == before


def test_unknown_name_is_told(api):
    body = {"values": {"NONE": 1}, "reset": ["ALSO"], "expected": {"MORE": 1}}
    assert problem(api.patch("", body), 400, "invalid")["errors"].keys() == {"NONE", "ALSO"}
    body = {"values": {"MAX_ITEMS": 1}, "expected": {"MORE": 1}}
    assert problem(api.patch("", body), 400, "invalid")["errors"].keys() == {"MORE"}


@pytest.mark.parametrize("body", [{}, {"values": {}}, {"reset": []}, {"comment": "x"}])
def test_change_of_nothing_is_refused(api, body):
    problem(api.patch("", body), 400, "invalid")


def test_setting_cannot_be_set_and_reset_at_once(api):
    body = {"values": {"MAX_ITEMS": 1}, "reset": ["MAX_ITEMS"]}
    errors = problem(api.patch("", body), 400, "invalid")["errors"]
    assert list(errors) == ["MAX_ITEMS"]


# -- compare and set


def test_lost_compare_and_set_is_409_with_what_was_expected_and_what_is(api):
    index = change({"MAX_ITEMS": 30})
    change({"BANNER": "x"})
    assert api.put("MAX_ITEMS/", {"value": 31, "expected": index}).status_code == 200
    body = {"values": {"MAX_ITEMS": 32, "THEME": "dark"}, "expected": {"MAX_ITEMS": index}}
    data = problem(api.patch("", body), 409, "conflict")
    assert data["names"] == ["MAX_ITEMS"]
    assert data["expected"] == {"MAX_ITEMS": index}
    assert data["actual"] == {"MAX_ITEMS": api.get("MAX_ITEMS/").data["index"]}
    assert (config.MAX_ITEMS, config.THEME) == (31, "light")


def test_setting_that_is_not_set_is_expected_at_0(api):
    assert api.put("MAX_ITEMS/", {"value": 1, "expected": 0}).status_code == 200
    problem(api.put("MAX_ITEMS/", {"value": 2, "expected": 0}), 409, "conflict")
    problem(api.delete("MAX_ITEMS/?expected=0"), 409, "conflict")
    assert config.MAX_ITEMS == 1


# -- later, and for a time


def test_change_for_later_is_accepted_and_listed_until_it_is_cancelled(api):
    at = "2099-01-31T08:00:00+02:00"
    body = {"values": {"MAX_ITEMS": 30}, "reset": ["BANNER"], "apply_at": at, "comment": "Sale"}
    response = api.patch("", body)
    assert response.status_code == 202
    schedule_id = response.data["schedule_id"]
    assert config.MAX_ITEMS == 20
    (row,) = api.get("schedules/").data["schedules"]
    assert row["schedule_id"] == schedule_id
    assert row["apply_at"] == "2099-01-31T06:00:00+00:00"
    assert row["values"] == {"BANNER": None, "MAX_ITEMS": {"value": 30}}
    assert (row["user"], row["comment"], row["reverts"]) == ("ada", "Sale", False)
    assert api.delete(f"schedules/{schedule_id}/?comment=Not+now").status_code == 200
    assert api.get("schedules/").data["schedules"] == []
    problem(api.delete(f"schedules/{schedule_id}/"), 404, "not_found")


def test_value_for_a_time_is_set_now_and_its_end_is_listed(api):
    response = api.put("MAX_ITEMS/", {"value": 30, "expires_at": "2099-01-31T08:00:00Z"})
    assert response.status_code == 200
    assert config.MAX_ITEMS == 30
    (row,) = api.get("schedules/").data["schedules"]
    assert (row["values"], row["reverts"]) == ({"MAX_ITEMS": None}, True)


@pytest.mark.parametrize("field", ["apply_at", "expires_at"])
@pytest.mark.parametrize(
    "value",
    ["2099-01-31T08:00:00", "tomorrow", "2099-02-31T08:00:00Z", 4073500800, None, True, "2099-01"],
)
def test_instant_without_an_offset_or_form_is_refused(api, field, value):
    errors = problem(api.put("MAX_ITEMS/", {"value": 1, field: value}), 400, "invalid")["errors"]
    assert list(errors) == [field]


@pytest.mark.parametrize("field", ["apply_at", "expires_at"])
def test_instant_in_the_past_is_refused(api, field):
    body = {"value": 1, field: "2001-01-31T08:00:00Z"}
    problem(api.put("MAX_ITEMS/", body), 400, "invalid")
    assert config.MAX_ITEMS == 20


def test_scheduled_change_shows_only_what_the_reader_may_see(api, logged_in):
    soon = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=1)
    both = change({"MAX_ITEMS": 30, "SENDER": "x@example.com"}, apply_at=soon)
    mail = change({"SENDER": "y@example.com"}, apply_at=soon)
    shopkeeper = logged_in("change Shop")
    (row,) = shopkeeper.get("schedules/").data["schedules"]
    assert row["values"] == {"MAX_ITEMS": {"value": 30}}
    problem(shopkeeper.delete(f"schedules/{mail}/"), 404, "not_found")
    problem(shopkeeper.delete(f"schedules/{both}/"), 403, "permission_denied")
    assert len(history.scheduled()) == 2


# -- who may


def test_nobody_may_see_or_change_anything(nobody):
    for method, path in [
        ("GET", ""),
        ("GET", "MAX_ITEMS/"),
        ("GET", "meta/"),
        ("GET", "history/"),
        ("GET", "diff/?from=0"),
        ("GET", "schedules/"),
        ("DELETE", "schedules/1/"),
        ("GET", "export/"),
        ("GET", "watch/"),
        ("GET", "events/"),
        ("PATCH", ""),
        ("PUT", "MAX_ITEMS/"),
        ("DELETE", "MAX_ITEMS/"),
        ("POST", "revert/"),
        ("POST", "restore/"),
        ("POST", "import/"),
    ]:
        response = nobody(method, path, {} if method in {"PATCH", "PUT", "POST"} else None)
        assert response.status_code in {401, 403}, (method, path)
        assert response.data["code"] == "not_authenticated"


def test_user_without_permissions_is_refused(logged_in):
    problem(logged_in().get(), 403, "permission_denied")


def test_viewer_of_a_group_sees_that_group_alone(logged_in):
    change({"MAX_ITEMS": 30, "SENDER": "x@example.com", "LIMITS": {}})
    viewer = logged_in("view Shop")
    assert {row["name"] for row in viewer.get().data["settings"]} == {
        "MAX_ITEMS",
        "BANNER",
        "THEME",
    }
    assert viewer.get("MAX_ITEMS/").data["can_change"] is False
    problem(viewer.get("SENDER/"), 404, "not_found")
    for path in ("history/", "history/?name=SENDER&name=MAX_ITEMS", "watch/?index=0"):
        assert {row["name"] for row in viewer.get(path).data["changes"]} == {"MAX_ITEMS"}
    assert {row["name"] for row in viewer.get("diff/?from=0").data["changes"]} == {"MAX_ITEMS"}
    assert viewer.get("export/").data["settings"].keys() == {"MAX_ITEMS"}
    assert viewer.get("history/?group=Mail").data["changes"] == []
    assert viewer.get("?name=SENDER").data["settings"] == []


def test_what_may_only_be_viewed_cannot_be_changed(logged_in):
    viewer = logged_in("view", "change Mail")
    data = problem(viewer.put("MAX_ITEMS/", {"value": 1}), 403, "permission_denied")
    assert data["names"] == ["MAX_ITEMS"]
    problem(viewer.delete("MAX_ITEMS/"), 403, "permission_denied")
    body = {"values": {"SENDER": "x@example.com"}, "reset": ["BANNER"]}
    assert problem(viewer.patch("", body), 403, "permission_denied")["names"] == ["BANNER"]
    assert viewer.put("SENDER/", {"value": "x@example.com"}).status_code == 200
    assert (config.SENDER, config.MAX_ITEMS) == ("x@example.com", 20)


def test_what_may_not_be_seen_is_as_unknown_as_what_is_not_declared(logged_in):
    shopkeeper = logged_in("change Shop")
    hidden = shopkeeper.put("SENDER/", {"value": "x@example.com"})
    unknown = shopkeeper.put("NONE/", {"value": "x@example.com"})
    assert hidden.data == unknown.data
    problem(hidden, 404, "not_found")
    for body in (
        {"values": {"SENDER": "x@example.com"}},
        {"reset": ["SENDER"]},
        {"values": {"MAX_ITEMS": 1}, "expected": {"SENDER": 0}},
    ):
        errors = problem(shopkeeper.patch("", body), 400, "invalid")["errors"]
        assert errors == {"SENDER": ["There is no such setting."]}


def test_session_needs_the_csrf_token_for_a_write(api):
    api.client.handler.enforce_csrf_checks = True
    problem(api.put("MAX_ITEMS/", {"value": 1}), 403, "permission_denied")
    assert config.MAX_ITEMS == 20


# -- secrets


def test_secret_is_written_and_neither_answered_nor_told_when_it_is_wrong(api, site):
    def refuse(value):
        if value:
            raise ValidationError(f"{value} is no key")

    settings = {**SETTINGS, "TOKEN": Setting("", secret=True, validators=(refuse,))}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": settings}
    assert api.put("API_KEY/", {"value": SECRET}).status_code == 200
    assert config.API_KEY == SECRET
    errors = problem(api.put("TOKEN/", {"value": SECRET}), 400, "invalid")["errors"]
    assert errors == {"TOKEN": ["This is no valid value for the setting."]}
    problem(api.put("API_KEY/", {"value": [SECRET]}), 400, "invalid")
    assert SECRET not in repr(api.told)


def test_secret_is_not_told_by_a_check_of_the_project_that_repeats_it(api, site):
    def clean(values):
        raise ValidationError({"API_KEY": f"{values['API_KEY']} fits nothing."})

    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "CLEAN": clean}
    errors = problem(api.put("API_KEY/", {"value": SECRET}), 400, "invalid")["errors"]
    assert errors == {"API_KEY": ["This is no valid value for the setting."]}


def test_mask_is_not_taken_for_a_secret(api):
    change({"API_KEY": SECRET})
    problem(api.put("API_KEY/", {"value": "********"}), 400, "invalid")
    assert config.API_KEY == SECRET


# -- where the project's ways of doing things would be in the way


def test_write_works_in_a_project_with_atomic_requests(api, settings):
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    try:
        assert api.put("MAX_ITEMS/", {"value": 30}).status_code == 200
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False


def test_value_of_the_environment_cannot_be_written_over(api, site, monkeypatch):
    settings = {**SETTINGS, "REGION": Setting("eu", env="SHOP_REGION")}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": settings}
    monkeypatch.setenv("SHOP_REGION", "us")
    row = api.get("REGION/").data
    assert (row["value"], row["source"], row["can_change"]) == ("us", "environment", False)
    errors = problem(api.put("REGION/", {"value": "asia"}), 400, "invalid")["errors"]
    assert "SHOP_REGION" in errors["REGION"][0]


def test_values_that_do_not_fit_together_are_told(api, site):
    def clean(values):
        if values["MAX_ITEMS"] > 10 and values["THEME"] == "dark":
            raise ValidationError({"THEME": "Too many items to show in the dark."})

    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "CLEAN": clean}
    errors = problem(api.put("THEME/", {"value": "dark"}), 400, "invalid")["errors"]
    assert errors == {"THEME": ["Too many items to show in the dark."]}
