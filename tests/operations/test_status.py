"""raft_status: the same sentence and exit code from any node, whoever is down."""

import json
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from raft_config import asking, status
from raft_config.management.commands import raft_status

from ..peers import URLS, append, elect, eventually, from_peer


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch):
    """Each look asks, so that no test is told what another one heard."""
    monkeypatch.setattr(asking, "ASKED_ANEW_SECONDS", 0.0)


def drive(node):
    """A driver has left a sample."""
    node.journal.sample(node.storage.load)


@pytest.fixture
def driven(leader):
    drive(leader)
    return leader


@pytest.fixture
def follower(node, peers):
    """Node a hears b, which leads and hears everybody."""
    node.receive(from_peer(node, append(4)))
    drive(node)
    peers.facts["b"] = {"role": "leader", "term": 4, "leader_id": "b", "up": ("a", "b", "c")}
    return node


def shown(*options):
    """What it prints, and its exit code."""
    out = StringIO()
    try:
        call_command("raft_status", *options, stdout=out)
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


def test_status_of_a_leader_shows_how_far_each_member_is(driven, peers):
    last = driven.state.last_log_index
    peers.facts["b"] = {"last_log_index": last, "last_applied": last}
    peers.facts["c"] = {"last_log_index": last - 1, "last_applied": last - 1}
    text, code = shown()
    assert (code, text.count("!")) == (0, 0), text
    head, log, *_ = lines = text.splitlines()
    assert head.startswith("Node a is leader in term 1. 3 of 3 voters up")
    assert log == f"Log: last {last}, committed {last}, applied {last}, snapshot 0"
    rows = {line.split()[0]: line.split() for line in lines[3:]}
    assert rows["*a"][:3] == ["*a", "leader", str(last)]
    assert rows["b"][1:] == ["voter", str(last), "0", "up", URLS["b"]]
    assert rows["c"][1:] == ["voter", str(last - 1), "1", "up", URLS["c"]]


def test_member_that_a_leader_has_not_heard_yet_is_behind_by_nobody_knows_what(node, peers):
    """A new leader takes its peers to store nothing: that is a guess, and no figure."""
    peers.down = {"c"}
    elect(node)
    drive(node)
    text, _ = shown()
    row = next(line for line in text.splitlines() if line.strip().startswith("c "))
    assert row.split()[1:3] == ["voter", "down"], text
    found = {each.node_id: each for each in status.read().members}["c"]
    assert (found.match_index, found.lag_entries) == (None, None)
    assert found.last_contact_seconds is not None


def test_follower_tells_what_the_leader_hears(follower):
    text, code = shown()
    assert code == 0, text
    assert text.startswith("Node a is follower in term 4. 3 of 3 voters up: 1 more may be lost")


@pytest.mark.parametrize(
    ("down", "code", "says"),
    [
        ("c", 1, "2 of 3 up: one more loss stops writes."),
        ("bc", 3, "1 of 3 voters up: no change can be made until more are back."),
    ],
)
def test_follower_tells_of_losses_as_the_leader_would(follower, peers, down, code, says):
    peers.facts["b"]["up"] = tuple(set("abc") - set(down))
    peers.down = set(down)
    follower.clock.skipped += 1.0  # what was heard before that is long ago
    text, ended = shown()
    assert (ended, says in text) == (code, True), text
    for each in down:
        assert f"! Node {each} does not answer" in text


@pytest.mark.parametrize(
    ("down", "code", "says"),
    [
        ({"c"}, 1, "2 of 3 up: one more loss stops writes."),
        ({"b", "c"}, 3, "1 of 3 voters up: no change can be made until more are back."),
    ],
)
def test_leader_tells_how_many_more_may_be_lost(driven, peers, down, code, says):
    peers.down = down

    def tells():
        driven.clock.skipped += 0.3
        if len(down) == 1:  # without a majority the leader would step down
            driven.tick()
        text, ended = shown()
        return ended == code and says in text

    eventually(tells)


def test_status_without_a_leader_exits_with_3(node):
    text, code = shown()
    assert code == 3
    assert "3 of 3 voters up, but nobody leads yet." in text


def test_status_names_what_is_wrong_with_a_remedy(driven, peers):
    peers.facts["b"] = {"drained": True}
    peers.facts["c"] = {"is_driven": False}
    text, code = shown()
    assert code == 1
    assert "! Node b is drained: it will not lead until that is ended." in text
    assert "! Node c is not driven: start its Celery worker and beat, or raft_tick." in text


def test_status_for_scripts_is_one_line_of_json(follower, peers):
    peers.down = {"c"}
    text, _ = shown("--json")
    assert text.count("\n") == 1
    found = json.loads(text)
    assert (found["node_id"], found["role"], found["health"]) == ("a", "follower", "degraded")
    assert (found["leader_id"], len(found["warnings"])) == ("b", 1)
    told = {each["node_id"]: (each["is_up"], each["answers"]) for each in found["members"]}
    assert told == {"a": (True, True), "b": (True, True), "c": (True, False)}


def test_status_says_why_nothing_more_is_applied(driven):
    driven.storage.halt("Upgrade this node.")
    assert "! This node has stopped applying changes. Upgrade this node." in shown()[0]


def test_status_is_shown_again_until_ctrl_c(driven, monkeypatch):
    left = [1, 1]

    def sleep(_):
        if not left:
            raise KeyboardInterrupt
        left.pop()

    # Its own module alone: the threads of this process sleep, too.
    monkeypatch.setattr(raft_status, "time", SimpleNamespace(sleep=sleep))
    assert shown("--watch", "--json")[0].count("\n") == 3
