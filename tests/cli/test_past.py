"""`raft_config history|revert|restore|schedule|cancel|stale` on one node."""

from __future__ import annotations

import ast

import pytest

from raft_config import config, history
from raft_config.management.cli import writing
from raft_config.schema import Setting

from .conftest import SETTINGS, run


def put(*words):
    """The index of a change."""
    return run("set", *words, "--json").json["index"]


def redeclare(settings, **declared):
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}


# -- history


def test_history_shows_who_when_from_where_what_and_why_newest_first():
    first = put("MAX_ITEMS=30", "--user", "eve", "--comment", "Sale")
    second = run("reset", "MAX_ITEMS", "--user", "bob", "--json").json["index"]
    newest, oldest = run("history").lines
    assert newest.startswith(f"{second}  20")
    assert newest.endswith("  bob (cli, a)  MAX_ITEMS: 30 -> (not set)")
    assert oldest.endswith("  eve (cli, a)  MAX_ITEMS: (not set) -> 30  # Sale")
    found = run("history", "--json").json
    assert [each["index"] for each in found] == [second, first]
    assert {key: found[1][key] for key in ("name", "new", "user", "origin", "node", "comment")} == {
        "name": "MAX_ITEMS",
        "new": 30,
        "user": "eve",
        "origin": "cli",
        "node": "a",
        "comment": "Sale",
    }
    assert "old" not in found[1]
    assert found[0]["old"] == 30
    assert found[0]["changed_at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["NOTE"], ["NOTE"]),
        (["--by", "eve"], ["MAX_ITEMS"]),
        (["--origin", "admin"], []),
        (["--limit", "1"], ["TAX"]),
        (["--since", "2999-01-01"], []),
        (["--until", "2999-01-01", "NOTE", "TAX"], ["TAX", "NOTE"]),
    ],
)
def test_history_may_be_limited(words, names):
    put("MAX_ITEMS=30", "--user", "eve")
    put("NOTE=x", "--user", "bob")
    put("TAX=0.07", "--user", "bob")
    assert [each["name"] for each in run("history", *words, "--json").json] == names


def test_history_is_read_page_by_page():
    indexes = [put(f"MAX_ITEMS={number}") for number in range(4)]
    page = run("history", "--limit", "2", "--json").json
    assert [each["index"] for each in page] == indexes[:1:-1]
    page = run("history", "--limit", "2", "--before", page[-1]["index"], "--json").json
    assert [each["index"] for each in page] == indexes[1::-1]
    assert len(run("history", "--after", indexes[2]).lines) == 1


# -- putting back


def test_revert_undoes_one_change_as_a_new_one():
    put("MAX_ITEMS=30", "TAX=0.07")
    bad = put("MAX_ITEMS=99", "NOTE=x")
    put("SITE_NAME=Deli")
    ended = run("revert", bad)
    index = history.changes()[0].index
    assert ended.lines == [
        "MAX_ITEMS: 99 -> 30",
        "NOTE: x -> (not set)",
        f"Reverted {bad} (index {index})",
    ]
    assert (config.MAX_ITEMS, config.source("NOTE"), config.SITE_NAME) == (30, "default", "Deli")
    assert history.changes()[0].note.comment == f"Reverted {bad}"


def test_revert_of_what_was_changed_again_is_a_conflict_unless_forced():
    bad = put("MAX_ITEMS=30", "NOTE=x")
    put("MAX_ITEMS=40")
    ended = run("revert", bad)
    assert (ended.code, ended.out) == (5, "")
    assert ended.error.startswith("MAX_ITEMS was changed again since then; --force")
    assert (config.MAX_ITEMS, config.NOTE) == (40, "x")
    assert run("revert", bad, "--force").code == 0
    assert (config.MAX_ITEMS, config.NOTE) == (20, "")


def test_reset_can_be_reverted():
    put("MAX_ITEMS=30")
    index = run("reset", "MAX_ITEMS", "--json").json["index"]
    assert run("revert", index).code == 0
    assert config.MAX_ITEMS == 30


def test_restore_brings_everything_back_to_how_it_was():
    then = put("MAX_ITEMS=30", "TAX=0.07")
    put("MAX_ITEMS=40", "NOTE=x")
    run("reset", "TAX")
    shown = ["MAX_ITEMS: 40 -> 30", "TAX: (not set) -> 0.07", "NOTE: x -> (not set)"]
    ended = run("restore", then, "--dry-run")
    assert ended.lines == [*shown, "Nothing was changed: this is a dry run"]
    assert config.MAX_ITEMS == 40
    ended = run("restore", then)
    assert ended.lines[:3] == shown
    assert run("diff", then).code == 0
    assert run("restore", then).lines == ["Nothing to do"]


def test_value_that_would_be_refused_today_is_not_put_back(settings):
    then = put("MAX_ITEMS=90", "NOTE=x")
    put("MAX_ITEMS=30", "NOTE=y")
    redeclare(settings, MAX_ITEMS=Setting(20, choices=[(20, "few"), (30, "many")]), NOTE=("",))
    ended = run("restore", then)
    assert (ended.code, config.NOTE) == (1, "y")
    assert ended.error.startswith("MAX_ITEMS: ")


def test_name_that_nobody_declares_any_more_is_left_alone(settings):
    then = put("MAX_ITEMS=90", "NOTE=x")
    put("MAX_ITEMS=30", "NOTE=y")
    redeclare(settings, MAX_ITEMS=(20,))
    ended = run("restore", then)
    assert ended.lines[:2] == [
        "MAX_ITEMS: 30 -> 90",
        "NOTE: declared by no setting here, left alone",
    ]
    redeclare(settings, **SETTINGS)
    assert config.NOTE == "y"


def test_index_that_is_not_in_the_history_is_refused():
    put("MAX_ITEMS=90")
    for action in ("revert", "restore"):
        ended = run(action, 9999)
        assert (ended.code, "9999" in ended.error) == (1, True)


# -- scheduled changes


def test_schedule_shows_what_waits_and_cancel_takes_it_back():
    assert run("schedule").lines == ["Nothing is scheduled"]
    when = "2999-01-31T08:00:00+00:00"
    index = put("MAX_ITEMS=30", "NOTE=x", "--apply-at", when, "--user", "eve", "--comment", "Sale")
    assert run("schedule").lines == [
        f"{index}  at {when} by eve  # Sale",
        "    MAX_ITEMS = 30",
        "    NOTE = x",
    ]
    assert run("schedule", "--json").json == [
        {
            "id": index,
            "apply_at": when,
            "values": {"MAX_ITEMS": 30, "NOTE": "x"},
            "reset": [],
            "user": "eve",
            "comment": "Sale",
        }
    ]
    ended = run("cancel", index)
    assert (ended.code, ended.out.startswith(f"Cancelled {index} (index ")) == (0, True)
    assert run("schedule", "--json").json == []


def test_change_that_does_not_wait_cannot_be_cancelled():
    ended = run("cancel", 9999)
    assert (ended.code, ended.out) == (5, "")
    assert "9999" in ended.error


# -- stale


def test_stale_shows_what_nobody_declares_and_former_names(settings):
    put("NOTE=x", "MAX_ITEMS=30", "TAX=0.07")
    assert run("stale").lines == ["Nothing is stale"]
    redeclare(settings, PAGE_SIZE=Setting(20, renamed_from=("MAX_ITEMS",)), TAX=SETTINGS["TAX"])
    ended = run("stale")
    assert ended.code == 6
    assert ended.lines[0].startswith("NOTE: declared by no setting: ")
    assert ended.lines[1:] == ["MAX_ITEMS: the former name of PAGE_SIZE: 30"]
    assert run("stale", "--json").json == {
        "stale": ["NOTE"],
        "renamed": {"MAX_ITEMS": "PAGE_SIZE"},
    }


def test_prune_removes_it_as_one_entry_and_keeps_values_under_their_present_name(settings):
    put("NOTE=x", "MAX_ITEMS=30", "TAX=0.07")
    redeclare(settings, PAGE_SIZE=Setting(20, renamed_from=("MAX_ITEMS",)), TAX=SETTINGS["TAX"])
    assert config.PAGE_SIZE == 30
    ended = run("stale", "--prune", "--user", "eve")
    found = history.changes(limit=3)
    index = found[0].index
    assert ended.code == 0
    assert ended.lines[-1] == f"Removed NOTE, MAX_ITEMS (index {index})"
    assert {(each.name, each.index, each.note.user) for each in found} == {
        (name, index, "eve") for name in ("NOTE", "MAX_ITEMS", "PAGE_SIZE")
    }
    assert config.PAGE_SIZE == 30
    assert run("stale").code == 0


def test_prune_does_not_bring_back_the_value_of_a_former_name(settings):
    put("MAX_ITEMS=30", "TAX=0.07")
    redeclare(settings, TAX=SETTINGS["TAX"], PAGE_SIZE=Setting(20))
    put("PAGE_SIZE=40")
    redeclare(settings, TAX=SETTINGS["TAX"], PAGE_SIZE=Setting(20, renamed_from=("MAX_ITEMS",)))
    assert run("stale", "--prune").code == 0
    assert config.PAGE_SIZE == 40


# -- stubs


def test_stubs_are_python_that_names_every_setting_and_its_type(tmp_path):
    text = run("stubs").out
    tree = ast.parse(text)
    (declared,) = [each for each in tree.body if isinstance(each, ast.ClassDef)]
    types = {
        each.target.id: ast.unparse(each.annotation)
        for each in declared.body
        if hasattr(each, "target")
    }
    assert types.keys() == SETTINGS.keys()
    assert (types["MAX_ITEMS"], types["TAX"], types["PLANS"]) == (
        "int",
        "decimal.Decimal",
        "list[Any]",
    )
    path = tmp_path / "live.pyi"
    assert run("stubs", "--output", path).lines == ["Wrote the types of 7 settings"]
    assert path.read_text() == text


# -- somebody is faster


@pytest.fixture
def overtaken(monkeypatch):
    """Somebody changes MAX_ITEMS after a command has looked, and before it proposes."""
    real = writing.propose

    def late(*arguments, **options):
        real({"MAX_ITEMS": 77})
        return real(*arguments, **options)

    return lambda: monkeypatch.setattr(writing, "propose", late)


@pytest.mark.parametrize("action", ["revert", "restore", "import"])
def test_change_that_was_overtaken_meanwhile_is_refused_whole(action, overtaken, tmp_path):
    first = put("MAX_ITEMS=30", "NOTE=x")
    second = put("MAX_ITEMS=40", "NOTE=y")
    path = tmp_path / "file.json"
    run("export", "--output", path)
    run("reset", "NOTE", "MAX_ITEMS")
    if action == "revert":
        second = history.changes()[0].index
    overtaken()
    ended = run(action, {"revert": second, "restore": first, "import": path}[action])
    assert (ended.code, ended.out) == (5, "")
    assert "Somebody else has changed MAX_ITEMS" in ended.error
    assert (config.MAX_ITEMS, config.NOTE) == (77, "")
