"""`raft_config list|get|set|reset` on one node: what is done, what is refused, what is told."""

from __future__ import annotations

import datetime as dt
import getpass
import json
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from raft_config import config, history
from raft_config.exceptions import (
    EntryLostError,
    NotLeaderError,
    OutcomeUnknownError,
    UnavailableError,
)
from raft_config.management.cli import writing
from raft_config.schema import Setting

from .conftest import SETTINGS, run

VALUES = [
    ("SITE_NAME", "Käse & Co"),
    ("SITE_NAME", ""),
    ("SITE_NAME", "-5"),
    ("MAX_ITEMS", -30),
    ("TAX", Decimal("0.070")),
    ("OPEN", False),
    ("PLANS", [{"a": None, "b": [True, "ü"]}]),
    ("PAUSE", dt.timedelta(days=2, seconds=1, microseconds=5)),
    ("NOTE", "two\nlines\n"),
    ("NOTHING", None),
    ("OPENED_AT", dt.datetime(2030, 1, 31, 8, tzinfo=dt.timezone.utc)),
]


def call(*words):
    """As `run`, for what argparse refuses."""
    return call_command("raft_config", *words)


@pytest.fixture
def secret(settings):
    """A setting whose value must not be seen."""
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "SETTINGS": {**SETTINGS, "API_KEY": Setting("hidden-default", secret=True)},
    }


# -- list and get


def test_list_shows_every_setting_where_its_value_comes_from_and_nothing_over_two_lines():
    run("set", "NOTE=one\ntwo", "MAX_ITEMS=30")
    assert run("list").lines == [
        "SITE_NAME = Shop  (default)",
        "MAX_ITEMS = 30  (cluster)",
        "TAX = 0.19  (default)",
        "OPEN = true  (default)",
        "PLANS = []  (default)",
        "PAUSE = 00:05:00  (default)",
        r'NOTE = "one\ntwo"  (cluster)',
    ]


def test_list_may_be_limited_to_what_is_changed_and_to_a_group():
    run("set", "NOTE=one", "MAX_ITEMS=30")
    assert run("list", "--changed").lines == ["MAX_ITEMS = 30  (cluster)", "NOTE = one  (cluster)"]
    assert run("list", "--group", "Looks").lines == [
        "SITE_NAME = Shop  (default)",
        "NOTE = one  (cluster)",
    ]
    ended = run("list", "--group", "Look")
    assert (ended.code, ended.error) == (1, "There is no group Look. Groups are: Looks.")


def test_list_as_json_tells_scripts_everything_of_a_setting():
    index = run("set", "PAUSE", "00:10:00", "--json").json["index"]
    found = {each["name"]: each for each in run("list", "--json").json}
    assert found["PAUSE"] == {
        "name": "PAUSE",
        "value": 600_000_000,
        "default": 300_000_000,
        "type": "timedelta",
        "group": "",
        "source": "cluster",
        "index": index,
    }
    assert found["TAX"]["value"] == "0.19"
    assert (found["TAX"]["source"], found["TAX"]["index"]) == ("default", 0)


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_what_get_prints_set_takes_as_the_same_value(name, value, settings, stdin):
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "SETTINGS": {
            **SETTINGS,
            "NOTHING": Setting(None, type=int),
            "OPENED_AT": Setting(dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)),
        },
    }
    config.set(name, value)
    printed = run("get", name).out
    config.reset(name)
    stdin(printed)
    assert run("set", name, "-").code == 0
    assert config[name] == value


def test_get_asks_the_leader_when_told_to():
    run("set", "MAX_ITEMS", "30")
    assert run("get", "MAX_ITEMS", "--linearizable").lines == ["30"]


@pytest.mark.parametrize(
    "words", [("get", "MAX_ITEM"), ("set", "MAX_ITEM", "1"), ("reset", "MAX_ITEM")]
)
def test_unknown_name_is_refused_with_the_nearest_one(words):
    ended = run(*words)
    assert (ended.code, ended.out) == (1, "")
    assert ended.error == "There is no setting MAX_ITEM. Did you mean 'MAX_ITEMS'?"


# -- set and reset


def test_set_changes_one_setting_and_tells_the_index():
    ended = run("set", "MAX_ITEMS", "30")
    (change,) = history.changes()
    assert ended.lines == ["MAX_ITEMS = 30", f"Set (index {change.index})"]
    assert config.MAX_ITEMS == 30


def test_several_in_one_set_are_one_entry():
    told = run("set", "MAX_ITEMS=30", "SITE_NAME=a=b c", "--json").json
    assert told["values"] == {"MAX_ITEMS": 30, "SITE_NAME": "a=b c"}
    assert {each.index for each in history.changes()} == {told["index"]}


def test_one_wrong_value_of_several_changes_nothing_and_every_fault_is_told():
    ended = run("set", "SITE_NAME=Deli", "MAX_ITEMS=101")
    assert ended.code == 1
    assert ended.error == "MAX_ITEMS: Ensure this value is less than or equal to 100."
    assert config.SITE_NAME == "Shop"
    ended = run("set", "SITE_NAME=Deli", "MAX_ITEMS=many", "TAX=a lot")
    assert ended.error == "MAX_ITEMS: Enter a whole number. TAX: Enter a number."


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["MAX_ITEMS", "1", "2"], "NAME=VALUE for each of several"),
        (["MAX_ITEMS=1", "TAX"], "'TAX' is no NAME=VALUE"),
        (["MAX_ITEMS=1", "MAX_ITEMS=2"], "names a setting twice"),
        (["MAX_ITEMS=-", "TAX=-"], "Only one value"),
        (["MAX_ITEMS=1", "--expected-index", "x"], "--expected-index x is neither"),
        (["MAX_ITEMS=1", "--expected-index", "TAX=1"], "--expected-index TAX=1 is neither"),
        (["MAX_ITEMS=1", "TAX=1", "--expected-index", "1"], "say which"),
    ],
)
def test_words_that_mean_nothing_are_refused(words, problem, stdin):
    ended = run("set", *words)
    assert (ended.code, ended.out) == (1, "")
    assert problem in ended.error
    assert config.MAX_ITEMS == 20


def test_value_is_read_from_standard_input_without_its_last_line_end(stdin):
    stdin("one\ntwo\n")
    run("set", "NOTE", "-")
    assert config.NOTE == "one\ntwo"


def test_value_that_is_missing_is_not_taken_from_a_pipe_unasked(stdin):
    ended = run("set", "NOTE")
    assert (ended.code, ended.out) == (1, "")
    assert ended.error == "Give a value, or - to read it from standard input: set NOTE -."


def test_end_of_input_at_the_prompt_changes_nothing(stdin):
    stdin("", is_terminal=True)
    ended = run("set", "NOTE")
    assert (ended.code, ended.error) == (1, "Nothing was typed, so nothing was changed.")


def test_who_and_why_are_in_the_history():
    run("set", "MAX_ITEMS", "30", "--user", "eve", "--comment", "Sale begins")
    (change,) = history.changes()
    note = change.note
    assert (note.user, note.comment, note.origin, note.node) == ("eve", "Sale begins", "cli", "a")


def test_user_is_the_login_name_unless_told_otherwise(monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "bob")
    run("set", "MAX_ITEMS", "30")
    assert history.changes()[0].note.user == "bob"

    def nobody():
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr(getpass, "getuser", nobody)
    run("set", "MAX_ITEMS", "31")
    assert history.changes()[0].note.user == ""


def test_reset_goes_back_to_the_defaults_as_one_entry():
    run("set", "MAX_ITEMS=30", "TAX=0.07")
    ended = run("reset", "MAX_ITEMS", "TAX")
    index = history.changes()[0].index
    assert ended.lines == [f"Reset MAX_ITEMS, TAX (index {index})"]
    assert (20, Decimal("0.19")) == (config.MAX_ITEMS, config.TAX)
    assert config.source("TAX") == "default"


def test_same_request_id_has_one_effect():
    first = run("set", "MAX_ITEMS=30", "--request-id", "deploy-7", "--json").json
    run("set", "MAX_ITEMS=40")
    again = run("set", "MAX_ITEMS=30", "--request-id", "deploy-7", "--json").json
    assert again["index"] == first["index"]
    assert config.MAX_ITEMS == 40


def test_expected_index_that_is_no_longer_so_is_a_conflict():
    index = run("set", "MAX_ITEMS=30", "--expected-index", "0", "--json").json["index"]
    assert run("set", "MAX_ITEMS=31", "--expected-index", index).code == 0
    ended = run("set", "MAX_ITEMS=32", "TAX=0.07", "--expected-index", f"MAX_ITEMS={index}")
    assert (ended.code, ended.out) == (5, "")
    assert "Somebody else has changed MAX_ITEMS" in ended.error
    assert (31, Decimal("0.19")) == (config.MAX_ITEMS, config.TAX)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotLeaderError(None, 7), 3),
        (UnavailableError("Not stored: the leader is overloaded."), 3),
        (EntryLostError(5, 7), 3),
        (OutcomeUnknownError("deploy-7"), 4),
    ],
)
def test_exit_code_tells_what_became_of_a_change_and_the_message_what_to_do(
    error, code, monkeypatch
):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(writing, "propose", refuse)
    ended = run("set", "MAX_ITEMS=30")
    assert (ended.code, ended.error) == (code, str(error))


def test_interrupted_command_exits_as_a_shell_expects(monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "propose", interrupt)
    assert run("set", "MAX_ITEMS=30").code == 130


# -- when


def test_scheduled_change_waits_and_one_that_expires_is_in_force_at_once():
    ended = run("set", "MAX_ITEMS=30", "--apply-at", "2999-01-31T08:00Z")
    assert ended.lines[-1].startswith("Scheduled for 2999-01-31T08:00:00+00:00 (index ")
    assert config.MAX_ITEMS == 20
    ended = run("set", "TAX=0.07", "--expires-at", "+3h")
    assert ended.lines[-1].startswith("Set until ")
    assert Decimal("0.07") == config.TAX
    assert len(history.scheduled()) == 2


@pytest.mark.parametrize("text", ["tomorrow", "+3w", "2999-13-01T00:00", "+99999999999999d", ""])
def test_instant_that_is_none_is_refused_with_an_example(text):
    # By argparse, which exits with 2 when it is the command line, and raises here.
    with pytest.raises(CommandError, match=r"neither like 2030-01-31T08:00 nor like \+30m"):
        call("set", "MAX_ITEMS=30", f"--apply-at={text}")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "soon", "1e400"])
def test_timeout_that_is_no_duration_is_refused(text):
    with pytest.raises(CommandError, match="is no number of seconds above 0"):
        call("set", "MAX_ITEMS=30", f"--timeout={text}")


def test_instant_in_the_past_is_refused():
    ended = run("set", "MAX_ITEMS=30", "--apply-at", "2001-01-31T08:00Z")
    assert (ended.code, config.MAX_ITEMS) == (1, 20)
    assert "apply_at must be in the future" in ended.error


# -- secrets


def test_secret_on_the_command_line_is_refused_and_not_repeated(secret):
    for words in (["API_KEY", "hunter2"], ["API_KEY=hunter2"]):
        ended = run("set", *words)
        assert (ended.code, ended.out) == (1, "")
        assert "set API_KEY - <file" in ended.error
        assert "hunter2" not in ended.error


def test_secret_is_masked_wherever_it_is_shown(secret):
    for words in (["list"], ["get", "API_KEY"], ["list", "--json"], ["get", "API_KEY", "--json"]):
        out = run(*words).out
        assert "********" in out
        assert "hidden-default" not in out


def test_help_names_every_action(capsys):
    with pytest.raises(SystemExit):
        call("--help")
    printed = capsys.readouterr().out
    for action in ("list", "set", "import", "restore", "cancel", "stale"):
        assert f"  {action} " in printed


def test_json_is_one_line():
    assert json.loads(run("get", "MAX_ITEMS", "--json").out.strip())["value"] == 20
    assert len(run("list", "--json").lines) == 1
