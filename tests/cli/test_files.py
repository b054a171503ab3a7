"""`raft_config diff|export|import` on one node."""

from __future__ import annotations

import json

import pytest

from raft_config import config, history
from raft_config.models import StoredValue
from raft_config.schema import Setting

from .conftest import SETTINGS, run


@pytest.fixture
def file(tmp_path):
    """A function that writes a file as `export` would, and returns its path."""

    def write(**values):
        path = tmp_path / "settings.json"
        settings = {name: {"type": kind, "value": raw} for name, (kind, raw) in values.items()}
        path.write_text(json.dumps({"format": 1, "settings": settings}))
        return str(path)

    return write


# -- diff


def test_diff_from_the_defaults_exits_with_6_if_anything_differs():
    ended = run("diff")
    assert (ended.code, ended.out) == (0, "")
    run("set", "MAX_ITEMS=30")
    ended = run("diff")
    assert (ended.code, ended.lines) == (6, ["MAX_ITEMS: 20 -> 30"])


def test_diff_with_a_file_tells_what_it_would_take_to_be_like_it(file):
    run("set", "MAX_ITEMS=30", "NOTE=kept", "TAX=0.07")
    path = file(MAX_ITEMS=("int", 40), NOTE=("text", "kept"), SITE_NAME=("text", "Deli"))
    ended = run("diff", path)
    assert (ended.code, sorted(ended.lines)) == (
        6,
        ["MAX_ITEMS: 30 -> 40", "SITE_NAME: (not set) -> Deli", "TAX: 0.07 -> (not set)"],
    )
    assert run("diff", path, "--json").json == {
        "MAX_ITEMS": {"from": 30, "to": 40},
        "SITE_NAME": {"to": "Deli"},
        "TAX": {"from": "0.07"},
    }
    assert run("diff", file(NOTE=("text", "kept"))).code == 6
    run("import", file(NOTE=("text", "kept")), "--prune")
    assert run("diff", file(NOTE=("text", "kept"))).code == 0


def test_diff_between_indexes_and_from_one_until_now():
    first = run("set", "MAX_ITEMS=30", "--json").json["index"]
    second = run("set", "MAX_ITEMS=40", "NOTE=new", "--json").json["index"]
    run("reset", "MAX_ITEMS")
    assert run("diff", first, second).lines == ["MAX_ITEMS: 30 -> 40", "NOTE: (not set) -> new"]
    assert run("diff", first).lines == ["MAX_ITEMS: 30 -> (not set)", "NOTE: (not set) -> new"]
    assert run("diff", second, second).code == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["1", "2", "3"], "or two indexes"),
        (["1", "settings.json"], "or two indexes"),
        (["nowhere.json"], "nowhere.json cannot be read"),
        (["9999"], "9999"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("diff", *words)
    assert (ended.code, ended.out) == (1, "")
    assert problem in ended.error


# -- export


def test_export_and_import_bring_the_settings_of_one_node_to_another(tmp_path, stdin):
    run("set", "MAX_ITEMS=30", "NOTE=a\nb", "PLANS=[1]")
    text = run("export").out
    assert text.endswith("}\n")
    run("reset", "MAX_ITEMS", "NOTE", "PLANS")
    stdin(text)
    assert run("import", "-").code == 0
    assert (config.MAX_ITEMS, config.NOTE, config.PLANS) == (30, "a\nb", [1])


def test_export_of_names_into_a_file(tmp_path):
    index = run("set", "MAX_ITEMS=30", "NOTE=x", "--json").json["index"]
    path = tmp_path / "out.json"
    assert run("export", "NOTE", "--output", path).lines == [f"1 settings as of index {index}"]
    assert json.loads(path.read_text())["settings"] == {"NOTE": {"type": "text", "value": "x"}}


def test_export_refuses_a_name_that_is_not_declared_and_a_file_that_cannot_be_written(tmp_path):
    assert run("export", "NOTES").error == "There is no setting NOTES. Did you mean 'NOTE'?"
    ended = run("export", "--output", tmp_path / "nowhere" / "out.json")
    assert (ended.code, "cannot be written" in ended.error) == (1, True)


def test_export_with_secrets_is_for_its_owner_only(tmp_path):
    path = tmp_path / "out.json"
    path.touch(mode=0o644)
    run("export", "--with-secrets", "--output", path)
    assert path.stat().st_mode & 0o077 == 0


# -- import


def test_import_shows_what_it_changes_and_is_one_entry(file):
    run("set", "TAX=0.07")
    path = file(MAX_ITEMS=("int", 30), NOTE=("text", "x"), COLOR=("text", "red"))
    ended = run("import", path, "--comment", "From staging", "--user", "eve")
    index = history.changes()[0].index
    assert ended.lines == [
        "MAX_ITEMS: (not set) -> 30",
        "NOTE: (not set) -> x",
        "COLOR: declared by no setting here, left alone",
        f"Imported (index {index})",
    ]
    found = history.changes(limit=2)
    assert {(each.name, each.index) for each in found} == {("MAX_ITEMS", index), ("NOTE", index)}
    note = found[0].note
    assert (note.user, note.origin, note.comment) == ("eve", "import", "From staging")
    assert config.source("TAX") == "cluster"


def test_import_with_prune_resets_what_the_file_does_not_name(file):
    run("set", "TAX=0.07", "MAX_ITEMS=30")
    told = run("import", file(MAX_ITEMS=("int", 30)), "--prune", "--json").json
    assert told["changes"] == {"TAX": {"from": "0.07"}}
    assert (config.source("TAX"), config.MAX_ITEMS) == ("default", 30)


def test_dry_run_shows_the_same_and_changes_nothing(file):
    path = file(MAX_ITEMS=("int", 30))
    ended = run("import", path, "--dry-run")
    assert ended.lines == [
        "MAX_ITEMS: (not set) -> 30",
        "Nothing was changed: this is a dry run",
    ]
    assert run("import", path, "--dry-run", "--json").json == {
        "changes": {"MAX_ITEMS": {"to": 30}},
        "unknown": [],
        "index": None,
    }
    assert history.changes() == []


def test_import_of_what_is_set_already_is_no_entry(file):
    run("set", "MAX_ITEMS=30")
    ended = run("import", file(MAX_ITEMS=("int", 30)))
    assert (ended.code, ended.lines) == (0, ["Nothing to do"])
    assert len(history.changes()) == 1


def test_file_with_one_wrong_value_is_refused_whole(file):
    ended = run("import", file(MAX_ITEMS=("int", 101), NOTE=("text", "x"), TAX=("int", "1")))
    assert (ended.code, ended.out) == (1, "")
    assert ended.error.startswith("Nothing was imported: MAX_ITEMS: Ensure this value is less")
    assert "TAX: " in ended.error
    assert config.NOTE == ""


def test_file_that_is_no_text_or_no_json_is_refused(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(b"\xff")
    assert "cannot be read" in run("import", path).error
    path.write_text("{")
    assert run("import", path).error == "Nothing was imported: the file is no JSON."


# -- what is stored and not declared


def test_diff_shows_names_that_nobody_declares_any_more(settings):
    first = run("set", "MAX_ITEMS=30", "--json").json["index"]
    second = run("set", "NOTE=x", "--json").json["index"]
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "SETTINGS": {"MAX_ITEMS": SETTINGS["MAX_ITEMS"]},
    }
    assert run("diff", first, second, "--json").json == {"NOTE": {"to": "x"}}
    assert len(run("diff", first, second).lines) == 1


def test_value_that_this_release_cannot_read_is_shown_as_it_is_stored(settings, file):
    run("set", "NOTE=x")
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {"NOTE": Setting(5)}}
    assert StoredValue.objects.get().text == '{"type":"text","value":"x"}'
    assert run("diff", file(NOTE=("int", 6)), "--json").json["NOTE"]["to"] == 6
