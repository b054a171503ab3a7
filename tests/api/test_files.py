"""Export and import."""

from __future__ import annotations

import pytest

from raft_config.live import config

from .conftest import SECRET, change, problem


def file_of(**settings):
    return {
        "format": 1,
        "settings": {
            name: {"type": kind, "value": value} for name, (kind, value) in settings.items()
        },
    }


def test_export_holds_what_is_set_and_can_be_imported_again(api):
    index = change({"MAX_ITEMS": 30, "LIMITS": {"b": [1, None]}})
    response = api.get("export/")
    assert response.data["index"] == index
    assert response.data["settings"] == {
        "LIMITS": {"type": "json", "value": {"b": [1, None]}},
        "MAX_ITEMS": {"type": "int", "value": 30},
    }
    assert "settings.json" in response.headers["Content-Disposition"]
    change(reset=["MAX_ITEMS", "LIMITS"])
    assert api.post("import/?comment=Back", response.data).status_code == 200
    assert (config.MAX_ITEMS, config.LIMITS) == (30, {"b": [1, None]})
    assert api.get("MAX_ITEMS/").data["last_change"]["comment"] == "Back"


@pytest.mark.parametrize(
    ("query", "names"),
    [("name=BANNER", {"BANNER"}), ("group=Mail", {"SENDER"}), ("group=Mail&name=BANNER", set())],
)
def test_part_of_the_settings_is_exported(api, query, names):
    change({"MAX_ITEMS": 30, "BANNER": "x", "SENDER": "x@example.com", "API_KEY": SECRET})
    assert api.get(f"export/?{query}").data["settings"].keys() == names


def test_dry_run_tells_what_an_import_would_change(api):
    change({"MAX_ITEMS": 30, "BANNER": "x", "THEME": "dark"})
    file = file_of(
        MAX_ITEMS=("int", 40), THEME=("text", "dark"), NONE=("int", 1), SENDER=("text", "a@b.org")
    )
    response = api.post("import/?dry_run=true&prune=true", file)
    assert response.data == {
        "dry_run": True,
        "changes": [
            {"name": "BANNER", "old": {"value": "x"}, "new": None},
            {"name": "MAX_ITEMS", "old": {"value": 30}, "new": {"value": 40}},
            {"name": "SENDER", "old": None, "new": {"value": "a@b.org"}},
        ],
        "unchanged": ["THEME"],
        "unknown": ["NONE"],
    }
    assert config.MAX_ITEMS == 30


def test_import_is_one_entry_and_prunes_what_is_not_in_the_file(api):
    change({"MAX_ITEMS": 30, "BANNER": "x"})
    response = api.post("import/?prune=true", file_of(MAX_ITEMS=("int", 40)))
    index = response.data["index"]
    rows = api.get("history/").data["changes"]
    assert [row["name"] for row in rows if row["index"] == index] == ["BANNER", "MAX_ITEMS"]
    assert (config.MAX_ITEMS, config.BANNER) == (40, "")


def test_import_of_what_is_there_already_changes_nothing(api):
    index = change({"MAX_ITEMS": 30})
    response = api.post("import/", file_of(MAX_ITEMS=("int", 30)))
    assert (response.status_code, response.data["unchanged"]) == (200, ["MAX_ITEMS"])
    assert response.data["index"] == index
    assert api.get("history/").data["index"] == index


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ([], ""),
        ({}, ""),
        ({"format": 2, "settings": {}}, ""),
        ({"format": 1, "settings": []}, ""),
        ({"format": 1, "settings": {"MAX_ITEMS": 30}}, "MAX_ITEMS"),
        (file_of(MAX_ITEMS=("text", "x"), BANNER=("text", "fine")), "MAX_ITEMS"),
        (file_of(THEME=("text", "green")), "THEME"),
    ],
)
def test_wrong_file_is_refused_as_a_whole(api, file, named):
    errors = problem(api.post("import/", file), 400, "invalid")["errors"]
    assert list(errors) == [named]
    assert config.BANNER == ""


def test_import_needs_the_permission_for_all_that_it_changes(logged_in):
    change({"SENDER": "x@example.com"})
    viewer = logged_in("view", "change Shop")
    file = file_of(MAX_ITEMS=("int", 40), SENDER=("text", "y@example.com"))
    data = problem(viewer.post("import/", file), 403, "permission_denied")
    assert data["names"] == ["SENDER"]
    same = file_of(MAX_ITEMS=("int", 40), SENDER=("text", "x@example.com"))
    assert viewer.post("import/", same).status_code == 200


def test_what_may_not_be_seen_is_unknown_to_an_import(logged_in):
    change({"SENDER": "x@example.com", "BANNER": "x"})
    shopkeeper = logged_in("change Shop")
    file = file_of(MAX_ITEMS=("int", 40), SENDER=("text", "x@example.com"), NONE=("int", 1))
    response = shopkeeper.post("import/?prune=true", file)
    assert response.status_code == 200, response.data
    assert (response.data["unchanged"], response.data["unknown"]) == ([], ["NONE", "SENDER"])
    assert (config.MAX_ITEMS, config.BANNER, config.SENDER) == (40, "", "x@example.com")


def test_import_does_not_tell_whether_a_guess_at_a_secret_is_right(logged_in):
    change({"API_KEY": SECRET})
    viewer = logged_in("view")
    answers = []
    for guess in (SECRET, "another"):
        file = file_of(API_KEY=("text", guess)) | {"secrets": True}
        answers.append(viewer.post("import/?dry_run=true", file))
    assert answers[0].data == answers[1].data
    assert answers[0].status_code in {400, 403}
