"""The operator's commands: what each does, what it refuses, what it says, how it ends."""

import json
import os
import signal
import sys

import pytest

from raft_config import tasks
from raft_config.core.events import Drain

from ..cli.conftest import Stdin, run
from ..peers import eventually
from .conftest import let_take_over, newcomer

MOVED = "http://moved.test/raft"


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(""))


def members(*words):
    return run(*words, command="raft_members")


def test_members_are_listed_as_each_tells_of_itself(leader, peers):
    peers.down, peers.facts["b"] = {"c"}, {"drained": True}
    ended = members()
    rows = [line.split() for line in ended.lines[1:]]
    assert [(row[0], row[2]) for row in rows] == [
        ("a", "leader"),
        ("b", "drained"),
        ("c", "silent"),
    ]
    found = members("list", "--json").json["members"]
    assert [each["answers"] for each in found] == [True, True, False]
    assert "down" in found[2]["problem"]


def test_learner_is_added_and_promoted(leader, peers):
    newcomer(peers)
    ended = members("add", "d", "http://d.test/raft/", "--learner", "--yes")
    assert ended.code == 0
    assert "has no vote" in ended.out
    assert "Done (index" in ended.out
    member = leader.state.configuration.by_id["d"]
    assert (member.address, member.promote) == ("http://d.test/raft", False)
    eventually(lambda: leader.tick() and leader.state.role.progress["d"].match_index > 0)
    assert members("promote", "d", "--yes").code == 0
    assert leader.state.configuration.by_id["d"].voter


def test_member_is_moved_and_removed(leader):
    assert members("set-url", "c", MOVED, "--yes").code == 0
    assert leader.state.configuration.by_id["c"].address == MOVED
    ended = members("remove", "c", "--yes", "--json")
    assert ended.json["done"]
    assert "after: 2 voters" in ended.json["text"]
    assert "c" not in leader.state.configuration.by_id


def test_what_is_so_already_is_told_and_ends_well(leader):
    ended = members("set-url", "c", "http://c.test/raft")
    assert (ended.code, ended.lines) == (0, ["Node c is at http://c.test/raft already."])


def test_refusal_ends_with_1_and_says_why(leader):
    ended = members("remove", "x", "--yes")
    assert ended.code == 1
    assert ended.error == "Refused: There is no member x; the members are a, b, c."


def test_refusal_names_force_where_it_is_safe(leader, peers):
    peers.down = {"c"}
    ended = members("set-url", "c", MOVED, "--yes")
    assert ended.code == 1
    assert ended.error.endswith("It can be forced: --force.")
    assert members("set-url", "c", MOVED, "--yes", "--force").code == 0
    assert leader.state.configuration.by_id["c"].address == MOVED


@pytest.mark.parametrize("answer", ["n", "", "yess"])
def test_nothing_is_done_unless_a_person_agrees(leader, terminal, answer):
    terminal(answer)
    ended = members("remove", "c")
    assert (ended.code, ended.error) == (2, "Nothing was done.")
    assert "c" in leader.state.configuration.by_id
    terminal("y")
    assert members("remove", "c").code == 0


def test_script_has_to_say_yes(leader):
    ended = members("remove", "c")
    assert ended.code == 2
    assert ended.error.endswith("give --yes.")
    assert "c" in leader.state.configuration.by_id


@pytest.mark.parametrize("words", [("raft_members", "remove", "c"), ("raft_transfer", "b")])
def test_without_a_leader_the_exit_code_says_try_again_and_the_text_who_is_missing(
    node, peers, words
):
    peers.down = {"b", "c"}
    command, *rest = words
    ended = run(*rest, "--yes", "--timeout", "0.2", command=command)
    assert ended.code == 3
    assert ended.error.startswith("No leader is known here: 1 of 3 voters up")
    assert "raft_doctor" in ended.error


def test_leadership_is_transferred(leader, peers):
    let_take_over(leader, peers, "c")
    ended = run("c", "--yes", command="raft_transfer")
    assert ended.code == 0
    assert "Node c takes over from node a" in ended.out
    assert leader.state.leader_id == "c"


def test_transfer_to_a_silent_node_is_refused(leader, peers):
    peers.down = {"b"}
    ended = run("b", "--yes", command="raft_transfer")
    assert (ended.code, ended.error) == (1, "Refused: Node b does not answer; start it first.")


def test_transfer_that_nobody_takes_up_ends_with_3(leader):
    ended = run("b", "--yes", "--timeout", "0.2", command="raft_transfer")
    assert ended.code == 3
    assert "leads on" in ended.error


def test_node_is_drained_and_let_lead_again(leader, peers):
    let_take_over(leader, peers)
    ended = run("--yes", command="raft_drain")
    assert ended.code == 0
    assert "Nodes that can lead then: b, c." in ended.out
    assert (leader.state.drained, leader.state.leader_id) == (True, "b")
    assert run("--off", "--yes", "--json", command="raft_drain").json["done"]
    assert not leader.state.drained


def test_drain_that_would_leave_nobody_to_lead_is_refused(leader, peers):
    peers.facts = {"b": {"drained": True}, "c": {"drained": True}}
    ended = run("--yes", command="raft_drain")
    assert ended.code == 1
    assert "only one that can lead" in ended.error
    assert not leader.state.drained


def test_snapshot_is_taken(leader):
    ended = run("--json", command="raft_snapshot")
    assert ended.json["done"]
    assert leader.state.snapshot_index == leader.state.last_applied > 0


def test_snapshot_of_a_stranger_is_refused(leader):
    ended = run("x", command="raft_snapshot")
    assert (ended.code, "no member x" in ended.error) == (1, True)


# -- drivers that start and end


def test_raft_tick_ends_a_drain_and_hands_over_when_it_is_told_to_stop(leader, peers, monkeypatch):
    let_take_over(leader, peers)
    leader.take(Drain(drained=True))
    leader.clock.skipped += 10.0
    seen = []

    def run_for(_seconds):
        seen.append(leader.state.drained)
        leader.tick()
        if eventually(lambda: leader.state.is_leader):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(leader, "run_for", run_for)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert run(command="raft_tick").code == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen[0] is False
    assert (leader.state.leader_id, leader.state.drained) == ("b", True)


def test_worker_of_the_nodes_queue_hands_over_when_it_is_told_to_stop(leader, peers):
    let_take_over(leader, peers)
    handover = tasks.Handover()
    leader.take(Drain(drained=False))
    handover.begin({"raft.a", "celery"})
    handover.end().join(20)
    assert (leader.state.leader_id, leader.state.drained) == ("b", True)
    handover.begin({"raft.a"})
    assert not leader.state.drained


def test_worker_of_other_queues_leaves_the_node_alone(leader):
    leader.take(Drain(drained=True))
    handover = tasks.Handover()
    handover.begin({"celery", "raft.b"})
    assert handover.end() is None
    assert leader.state.drained


def test_json_stands_alone_on_standard_output(leader):
    ended = members("remove", "c", "--yes", "--json")
    assert json.loads(ended.out)["done"]
