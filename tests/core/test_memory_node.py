"""The node and the network in memory: a cluster in ten lines, without Django."""

import contextlib
import json
from dataclasses import replace

import pytest

from raft_config.core import Member, RaftSettings
from raft_config.core.commit import Outcome
from raft_config.core.effects import (
    LeaderChanged,
    MembershipChanged,
    RoleChanged,
)
from raft_config.core.events import AddLearner, Applied, Propose, Remove, Tick
from raft_config.core.messages import (
    AppendEntries,
    AppendEntriesResponse,
    RequestVote,
    RequestVoteResponse,
)
from raft_config.exceptions import (
    InvalidCommandError,
    InvariantViolatedError,
    MembershipError,
    OutcomeUnknownError,
    ProposalError,
    UnavailableError,
    UnknownCommandError,
)
from raft_config.memory import MemoryNetwork, MemoryNode, MemoryStorage
from raft_config.state_machine import Answer

from .build import ListMachine, members
from .cluster import QUICK, add_node, cluster, elect, put, settle, values, write

# -- the node


def test_node_without_members_elects_itself_and_works():
    network = MemoryNetwork()
    node = network.add(MemoryNode("a", network))
    network.run_until(lambda: node.is_leader)
    ticket = node.propose(put("X", "1"))
    assert (ticket.is_done, ticket.result(), values(node)) == (True, Answer(2), {"X": "1"})


@pytest.mark.parametrize(
    "given", [["a", "b"], [Member("a"), Member("b")], lambda: ["b", "a"], "ab"]
)
def test_members_are_ids_or_values_or_a_provider_of_them(given):
    node = MemoryNode("a", MemoryNetwork(), members=given)
    assert node.state.configuration == members("ab")


def test_node_that_is_to_join_waits_until_it_is_added():
    network = MemoryNetwork()
    node = network.add(MemoryNode("a", network, members=[]))
    network.run(10)
    assert (node.state.current_term, node.state.leader_id) == (0, None)


def test_state_machine_is_the_users_choice():
    network = MemoryNetwork()
    node = network.add(MemoryNode("a", network, machine=ListMachine()))
    network.run_until(lambda: node.is_leader)
    ticket = node.propose(b"x", b"y")
    assert ticket.result() == 3
    assert node.storage.machine.applied == [[2, "x"], [3, "y"]]


def test_listener_learns_of_each_change():
    network, news = MemoryNetwork(), []
    node = network.add(MemoryNode("a", network, listener=lambda *each: news.append(each)))
    network.run_until(lambda: node.is_leader)
    assert news == [
        ("a", RoleChanged("leader", 1)),
        ("a", LeaderChanged("a", 1)),
        ("a", MembershipChanged(node.state.configuration)),
    ]


def test_tick_returns_the_instant_of_the_next_one():
    network = MemoryNetwork()
    timing = RaftSettings(election_timeout_seconds=1.0)
    node = MemoryNode("a", network, members="ab", settings=timing, jitter=lambda: 0.5)
    assert node.tick() == 0.5
    network.now = 0.5
    assert node.tick() == 2.0


@pytest.mark.parametrize(
    ("limits", "command", "error"),
    [
        ({"max_command_bytes": 2}, b"xxx", InvalidCommandError),
        ({"max_uncommitted_entries": 1}, b"x", UnavailableError),
    ],
)
def test_refusals_are_told_apart_by_who_is_at_fault(limits, command, error):
    network = cluster("abc", settings=replace(QUICK, **limits), machine=ListMachine())
    boss = elect(network)
    settle(network)
    with pytest.raises(error):
        boss.propose(command, command)


def test_proposal_of_nothing_is_refused_as_a_proposal():
    """MembershipError is for changes of the members."""
    network = cluster("a")
    boss = elect(network)
    with pytest.raises((ProposalError, InvalidCommandError)):
        boss.propose()


def test_change_of_members_that_must_wait_is_told_apart_from_one_that_cannot_be():
    network = cluster("abc")
    boss = elect(network)
    settle(network)
    boss.change_members(AddLearner("d"))
    with pytest.raises(UnavailableError, match="not committed yet"):
        boss.change_members(Remove("b"))
    alone = elect(cluster("a"))
    with pytest.raises(MembershipError, match="must keep a voter"):
        alone.change_members(Remove("a"))


def test_event_that_is_no_proposal_has_no_answer():
    node = MemoryNode("a", MemoryNetwork())
    with pytest.raises(InvariantViolatedError, match="neither accepted nor refused"):
        node._answer(node.handle(Tick()))


def test_votes_terms_and_entries_are_durable_before_the_message_that_depends_on_them():
    """Never send before the commit (DESIGN §2.5)."""
    network = cluster("abc")
    send_on, seen = network.send, set()

    def send(envelope):
        message, node = envelope.message, network.nodes[envelope.sender]
        seen.add(type(message))
        durable = node.storage.durable_state
        assert message.term <= durable.current_term
        if isinstance(message, RequestVote):
            assert durable.voted_for == envelope.sender
        if isinstance(message, RequestVoteResponse) and message.vote_granted:
            assert durable.voted_for == envelope.recipient
        if isinstance(message, AppendEntries) and message.entries:
            assert durable.last_log_index >= message.entries[-1].index
            assert durable.is_leader
        if isinstance(message, AppendEntriesResponse):
            assert durable.last_log_index >= message.match_index
        send_on(envelope)

    network.send = send
    boss = elect(network)
    write(network, boss, "X", "1")
    network.cut(boss.node_id)
    elect(network, {"a", "b", "c"} - {boss.node_id})
    assert seen >= {RequestVote, RequestVoteResponse, AppendEntries, AppendEntriesResponse}


# -- commands that cannot be applied


def halted_cluster(command):
    """A cluster with a committed command that no node can apply, between two that each can."""
    network = cluster("abc")
    boss = elect(network)
    write(network, boss, "X", "1")
    settle(network)
    boss.propose(command)
    boss.propose(put("Y", "2"))
    network.run(2)
    return network


def test_unknown_kind_of_command_stops_apply_and_is_not_skipped():
    network = halted_cluster(json.dumps({"kind": "rename"}).encode())
    for node in network.nodes.values():
        assert isinstance(node.storage.halted_by, UnknownCommandError)
        assert values(node) == {"X": "1"}
        assert node.state.last_applied < node.state.commit_index == node.state.last_log_index


def test_node_that_cannot_apply_still_votes_stores_and_leads():
    network = halted_cluster(json.dumps({"kind": "rename"}).encode())
    boss = elect(network)
    before = boss.state.commit_index
    boss.propose(put("Z", "3"))
    network.run(1)
    assert boss.state.commit_index == before + 1


def test_entry_that_cannot_be_applied_is_not_answered():
    network = cluster("a")
    boss = elect(network)
    ticket = boss.propose(json.dumps({"kind": "rename"}).encode())
    assert ticket.outcome is Outcome.PENDING
    with pytest.raises(OutcomeUnknownError):
        ticket.result()


def test_node_that_cannot_apply_may_be_upgraded_and_goes_on():
    network = cluster("a", machine=ListMachine())
    boss = elect(network)

    def too_new(index, command):
        raise UnknownCommandError("later")

    known, boss.storage.machine.apply = boss.storage.machine.apply, too_new
    boss.propose(b"x")
    assert isinstance(boss.storage.halted_by, UnknownCommandError)
    boss.storage.machine.apply = known
    boss.storage.halted_by = None
    boss.tick()
    assert boss.storage.machine.applied == [[2, "x"]]


def test_garbage_in_the_log_stops_apply_and_not_the_whole_cluster():
    """It was accepted and committed; that must not keep a leader from sending heartbeats."""
    network = halted_cluster(b"garbage")
    assert elect(network) is not None
    assert {str(values(node)) for node in network.nodes.values()} == {"{'X': '1'}"}


# -- tickets


def test_ticket_of_a_compacted_entry_does_not_guess():
    network = cluster("a", settings=replace(QUICK, snapshot_entries=2, trailing_entries=0))
    boss = elect(network)
    ticket = boss.propose(put("X", "1"))
    boss.propose(put("X", "2"))
    boss.propose(put("X", "3"))
    assert ticket.outcome is Outcome.COMPACTED
    with pytest.raises(OutcomeUnknownError, match="Retry with the same request id"):
        ticket.result()


def test_ticket_whose_answer_was_lost_in_a_power_cut_does_not_answer_none():
    """None is no answer of the state machine; the client must retry (DESIGN §4)."""
    network = cluster("a")
    boss = elect(network)
    ticket = boss.propose(put("X", "1"))
    boss.storage.crash(surviving=9)
    boss.tick()
    with contextlib.suppress(OutcomeUnknownError):
        assert ticket.result() == Answer(2)


# -- the network


def test_cut_separates_both_ways_until_it_is_healed():
    network = cluster("abcd")
    network.cut("a", "b")
    pairs = [("a", "b"), ("c", "d"), ("a", "c"), ("d", "b"), ("a", "x")]
    assert [network.is_connected(*each) for each in pairs] == [True, True, False, False, False]
    network.heal()
    assert network.is_connected("a", "c")


def test_message_to_nobody_is_lost():
    network = cluster("ab")
    del network.nodes["b"]
    network.run(3)
    assert not network.nodes["a"].is_leader


def test_condition_that_does_not_come_true_is_a_timeout():
    with pytest.raises(TimeoutError, match="within 2 s"):
        cluster("a").run_until(lambda: False, at_most_seconds=2)


def test_time_passes_as_told():
    network = MemoryNetwork()
    network.run(3)
    assert 3 <= network.now < 3 + 2 * network.tick_interval_seconds


def test_storage_begins_durable_and_empty():
    node = add_node(MemoryNetwork(), "a")
    assert isinstance(node.storage, MemoryStorage)
    assert node.storage.durable_state is node.state
    assert node.settings == QUICK != RaftSettings()
    assert node.handle(Propose((b"x",))) != []
    assert node.handle(Applied(0)) == []
