"""Linearizable reads without the log: ReadIndex (Raft §8, thesis §6.4)."""

from contextlib import suppress
from dataclasses import replace

import pytest

from raft_config.core.effects import (
    LeaderChanged,
    ReadAborted,
    ReadConfirmed,
    Refusal,
    Refused,
    RoleChanged,
)
from raft_config.core.events import AllowLeadership, Propose, Read, Remove, Tick
from raft_config.core.messages import AppendEntries, RequestVoteResponse

from .build import (
    HEARTBEAT,
    NOW,
    SETTINGS,
    TIMEOUT,
    append_entries,
    candidate,
    follower,
    leader,
    messages_to,
    of_type,
    refusal,
    send,
    success,
)
from .cluster import cluster, elect, others, write


def boss(**more):
    return leader(**{"term": 2, "log": "1 2", "commit": 2, **more})


def confirmed(effects):
    return [each.read_id for each in of_type(effects, ReadConfirmed)]


def test_read_begins_a_round_of_its_own_at_once():
    """It sends a round of heartbeats and waits for a majority to acknowledge (§6.4, step 3)."""
    message = AppendEntries(2, 2, 2, (), 2, "r1")
    assert boss().step(Read("r1")) == [send("b", message), send("c", message)]


def test_read_is_confirmed_by_a_majority_that_answers_its_round():
    node = boss(voters="abcde")
    node.step(Read("r1"))
    assert confirmed(node.receive("b", success(2, 2, read_id="r1"))) == []
    assert node.receive("c", success(2, 2, read_id="r1")) == [ReadConfirmed("r1", 2)]
    assert node.role.reads == ()


def test_round_is_echoed_by_the_follower():
    node = follower(term=2, log="1 2")
    message = append_entries(2, prev=(2, 2), read_id="r1")
    assert messages_to(node.receive("b", message), "b") == [success(2, 2, prev=2, read_id="r1")]


def test_answer_to_a_heartbeat_sent_before_the_read_proves_nothing():
    """A leader could have been deposed between that heartbeat and the read (§6.4)."""
    node = boss()
    node.step(Tick(), now=NOW + HEARTBEAT)
    node.step(Read("r1"))
    assert confirmed(node.receive("b", success(2, 2))) == []
    assert confirmed(node.receive("b", success(2, 2, read_id="r1"))) == ["r1"]


def test_read_without_an_id_of_its_own_is_not_confirmed_by_a_heartbeat_from_before_it():
    """An empty read_id is how a heartbeat says that no read waits for it."""
    node = boss()
    node.step(Tick(), now=NOW + HEARTBEAT)
    with suppress(ValueError):  # refused when it is made: as good
        node.step(Read(""))
    assert confirmed(node.receive("b", success(2, 2))) == []


def test_answer_to_an_earlier_round_proves_nothing_for_a_later_read():
    node = boss()
    node.step(Read("r1"))
    node.step(Read("r2"))
    assert confirmed(node.receive("b", success(2, 2, read_id="r1"))) == ["r1"]
    assert [read.read_id for read in node.role.reads] == ["r2"]


def test_answer_to_a_later_round_confirms_the_reads_that_began_before():
    node = boss()
    for read_id in ("r1", "r2", "r3"):
        node.step(Read(read_id))
    assert confirmed(node.receive("b", success(2, 2, read_id="r2"))) == ["r1", "r2"]


def test_confirmed_reads_are_counted_for_whoever_waits_in_another_process():
    node = boss()
    numbers = []
    for read_id in ("r1", "r2", "r3"):
        node.step(Read(read_id))
        numbers.append(node.role.begun_reads)
    assert (numbers, node.role.confirmed_reads) == ([1, 2, 3], 0)
    node.receive("b", success(2, 2, read_id="r2"))
    assert (node.role.begun_reads, node.role.confirmed_reads) == (3, 2)
    node.receive("c", success(2, 2, read_id="r3"))
    assert (node.role.begun_reads, node.role.confirmed_reads) == (3, 3)


def test_read_that_a_power_cut_took_back_counts_only_with_one_that_began_later():
    """What is saved relaxed may be lost, while the process that waits lives on."""
    node = boss()
    node.step(Read("r1"))
    node.receive("b", success(2, 2, read_id="r1"))
    before_the_cut = node.state
    node.step(Read("lost"))
    number = node.role.begun_reads
    node.storage.state = before_the_cut
    node.receive("b", success(2, 2, read_id="lost"))
    assert node.role.confirmed_reads < number
    node.step(Read("later"))
    node.receive("c", success(2, 2, read_id="later"))
    assert node.role.confirmed_reads >= number


def test_new_leader_counts_its_reads_anew():
    node = candidate(term=2, log="1 1")
    node.receive("b", RequestVoteResponse(2, vote_granted=True))
    assert (node.role.name, node.role.begun_reads) == ("leader", 0)


def test_retry_of_a_read_needs_a_fresh_round():
    node = boss()
    node.step(Read("r1"))
    first_round = success(2, 2, read_id="r1")
    node.receive("b", first_round)
    effects = node.step(Read("r1-again"))
    assert messages_to(effects, "b", AppendEntries)[0].read_id == "r1-again"
    assert confirmed(node.receive("b", first_round)) == []


def test_answer_that_arrives_twice_counts_once():
    node = boss(voters="abcde")
    node.step(Read("r1"))
    node.receive("b", success(2, 2, read_id="r1"))
    assert confirmed(node.receive("b", success(2, 2, read_id="r1"))) == []


@pytest.mark.parametrize("sender", ["d", "x"])
def test_answer_of_a_learner_or_a_stranger_proves_nothing(sender):
    node = boss(learners="d", match={"b": 2, "c": 2})
    node.step(Read("r1"))
    assert confirmed(node.receive(sender, success(2, 0, read_id="r1"))) == []


def test_answer_of_another_term_proves_nothing():
    node = boss()
    node.step(Read("r1"))
    assert confirmed(node.receive("b", success(1, 2, read_id="r1"))) == []


def test_refusal_of_entries_does_not_confirm_a_round():
    node = boss()
    node.step(Read("r1"))
    assert confirmed(node.receive("b", refusal(2, prev=2))) == []


def test_read_stands_at_the_last_index_of_the_log():
    """Not at commit_index, which a power cut may set back below an acknowledged write."""
    node = boss(log="1 2 2 2", commit=2)
    node.step(Read("r1"))
    effects = node.receive("b", success(2, 2, read_id="r1"))
    assert of_type(effects, ReadConfirmed) == [ReadConfirmed("r1", 4)]


def test_read_waits_for_the_first_commit_of_the_term():
    """The leader must have committed an entry of its term first (§6.4, step 1): its no-op."""
    node = leader(term=3, log="1 2 3", commit=1)
    node.step(Read("r1"))
    (found,) = of_type(node.receive("b", success(3, 2, read_id="r1")), ReadConfirmed)
    assert found.index >= node.role.first_index > node.state.commit_index


def test_read_on_a_node_alone_is_confirmed_at_once():
    assert boss(voters="a").step(Read("r1")) == [ReadConfirmed("r1", 2)]


def test_leader_that_is_removing_itself_does_not_count_itself():
    node = boss()
    node.step(Remove("a"))
    node.step(Read("r1"))
    assert confirmed(node.receive("b", success(2, 3, read_id="r1"))) == []


def test_reads_are_aborted_when_leadership_is_lost_to_a_higher_term():
    node = boss()
    node.step(Read("r1"))
    node.step(Read("r2"))
    assert node.receive("b", success(3, 0)) == [
        ReadAborted("r1"),
        ReadAborted("r2"),
        RoleChanged("follower", 3),
        LeaderChanged(None, 3),
    ]


@pytest.mark.parametrize("how", ["without a majority", "by the operator", "to another leader"])
def test_reads_are_aborted_however_leadership_is_lost(how):
    node = boss()
    node.step(Read("r1"))
    if how == "without a majority":
        effects = node.step(Tick(), now=NOW + TIMEOUT)
    elif how == "by the operator":
        effects = node.step(AllowLeadership(allowed=False))
    else:
        effects = node.receive("c", append_entries(3, prev=(2, 2)))
    assert ReadAborted("r1") in effects


REFUSED = [
    (follower(leader_id="b"), Refusal.NOT_LEADER, "b"),
    (follower(), Refusal.NOT_LEADER, None),
    (boss(settings=replace(SETTINGS, max_pending_reads=1)), Refusal.OVERLOADED, "a"),
]


@pytest.mark.parametrize(("node", "why", "leader_id"), REFUSED)
def test_read_that_cannot_be_served_is_refused(node, why, leader_id):
    if why is Refusal.OVERLOADED:
        node.step(Read("r0"))
    before = node.state
    assert node.step(Read("r1")) == [Refused(why, leader_id)]
    assert node.state is before


def test_read_carries_the_entries_that_a_peer_lacks():
    node = boss(log="1 2 2", match={"b": 2, "c": 3})
    (message,) = messages_to(node.step(Read("r1")), "b", AppendEntries)
    assert (len(message.entries), message.read_id) == (1, "r1")


def test_read_costs_one_message_to_each_peer_also_after_a_proposal():
    node = boss(match={"b": 2, "c": 2})
    node.step(Propose((b"x",)))
    effects = node.step(Read("r1"))
    assert messages_to(effects, "b") == [append_entries(2, prev=(2, 2), commit=2, read_id="r1")]


# -- whole clusters


def test_first_read_of_a_leader_that_was_paused_is_not_stale():
    """It was deposed in its sleep, and knows nothing of it (§8)."""
    network = cluster("abc")
    old = elect(network)
    write(network, old, "X", "1")
    paused = network.nodes.pop(old.node_id)
    rest = {node.node_id for node in others(network, old.node_id)}
    new = elect(network, rest)
    write(network, new, "X", "2")
    network.nodes[old.node_id] = paused
    assert paused.is_leader
    effects = paused.handle(Read("r1"))
    assert of_type(effects, ReadConfirmed) == []
    heard = []
    handle = paused.handle
    paused.handle = lambda event: heard.extend(handle(event)) or heard
    network.run_until(lambda: not paused.is_leader)
    assert ReadAborted("r1") in heard
    assert of_type(heard, ReadConfirmed) == []


def test_leader_cut_off_confirms_no_read():
    network = cluster("abc")
    old = elect(network)
    network.cut(old.node_id)
    heard = old.handle(Read("r1"))
    network.run(3)
    assert of_type(heard, ReadConfirmed) == []
    assert not old.is_leader
