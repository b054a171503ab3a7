"""Every session of docs/operations.md runs as it stands, on a node among peers."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from pathlib import Path

import pytest

from raft_config.operations.survey import describe

from ..cli.conftest import Stdin, run
from ..peers import eventually
from .conftest import let_take_over, newcomer

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "operations.md"
SESSION = re.compile(
    r"(?:^<!-- given: (?P<given>.*?) -->\n)?^```console\n(?P<lines>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
CHECK = doctest.OutputChecker()


def sessions():
    return [(each["given"] or "all is well", each["lines"]) for each in SESSION.finditer(text())]


def text():
    return PAGE.read_text()


def down(leader, peers, *names):
    peers.down = set(names)


def removed(leader, peers):
    peers.found["http://b.test/raft"] = "b"
    peers.facts["b"] = {"members": ("b", "c"), "leader_id": "b"}
    peers.answers["join"] = lambda **_: {"index": 12}


GIVEN = {
    "all is well": lambda *_: None,
    "c is well": lambda *_: None,
    "c is down": lambda leader, peers: lose(leader, peers, "c"),
    "b and c are down": lambda leader, peers: down(leader, peers, "b", "c"),
    "d waits to be let in": lambda _, peers: newcomer(peers),
    "b takes over": let_take_over,
    "this node was removed, and b leads": removed,
}


def lose(leader, peers, name):
    """The leader has noticed."""
    peers.down = {name}
    for _ in range(4):
        leader.clock.skipped += 0.3
        now = leader.clock()
        leader.tick()
        others = {"b", "c"} - {name}
        eventually(lambda now=now, others=others: others <= heard_since(leader, now))


def heard_since(leader, instant):
    progress = leader.state.role.progress
    return {each for each, known in progress.items() if known.contact_at >= instant}


@pytest.fixture
def page(leader, peers, tmp_path, monkeypatch):
    """A folder of its own, no terminal, and peers that agree with this node."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", Stdin(""))
    own = describe(leader)
    leader.journal.sample(leader.storage.load)
    common = {"signs_with": own.signs_with, "verifies": own.verifies}
    peers.facts = {each: dict(common) for each in "bc"}
    peers.answers["probe"] = lambda **_: {"address": "http://a.test/raft", "problem": ""}
    peers.answers["operate"] = lambda node_id, **_: {
        "text": f"Node {node_id} may lead again. The quorum stays: 3 voters, 2 needed; 3 are up.",
        "refusal": "",
        "may_force": False,
        "is_done": False,
        "index": 0,
    }
    return leader


@pytest.mark.parametrize("number", range(len(sessions())))
def test_session_prints_what_the_page_says(page, peers, number):
    given, lines = sessions()[number]
    GIVEN[given](page, peers)
    code = 0
    for each in re.split(r"^\$ ", lines, flags=re.MULTILINE)[1:]:
        command, _, expected = each.partition("\n")
        if command == "echo $?":
            printed = f"{code}\n"
        else:
            printed, code = type_in(page, peers, command)
        told = f"$ {command}\n{printed}\ninstead of\n{expected}"
        assert CHECK.check_output(expected, printed, doctest.ELLIPSIS), told


def type_in(page, peers, command):
    program, name, *words = shlex.split(command)
    assert program == "manage.py"
    if name == "raft_restore":
        run(words[0], command="raft_backup")
    if name == "raft_verify":
        run(command="raft_snapshot")
    if words[:1] == ["promote"]:
        eventually(lambda: page.tick() and page.state.role.progress["d"].match_index > 0)
    ended = run(*words, command=name)
    return ended.out + (f"CommandError: {ended.error}\n" if ended.error else ""), ended.code


def test_every_command_is_shown_and_every_row_of_the_reference_exists():
    from django.core.management import get_commands  # noqa: PLC0415

    own = {name for name, app in get_commands().items() if app == "raft_config"}
    shown = set(re.findall(r"\braft_[a-z]+", text()))
    operators = {each for each in own if each.startswith("raft_")} - {"raft_config"}
    assert operators <= shown
    assert {each for each in shown if each != "raft_config"} <= own


def test_there_are_sessions_to_run():
    assert len(sessions()) > 12
