"""What keeps a working leader from being disturbed, and a useless one from staying.

Pre-vote (thesis §9.6), check-quorum (§6.2), refusal of votes while a leader is heard (Raft §6),
and the deadlocks that these are known to make together.
"""

from dataclasses import replace

import pytest

from raft_config.core import next_deadline
from raft_config.core.effects import LeaderChanged, RoleChanged, Send
from raft_config.core.election import may_campaign
from raft_config.core.events import AllowLeadership, Drain, Tick
from raft_config.core.messages import (
    AppendEntries,
    PreVoteResponse,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)
from raft_config.core.state import Follower

from .build import (
    HEARTBEAT,
    NEXT_DEADLINE,
    NOW,
    RETRY,
    TIMEOUT,
    append_entries,
    candidate,
    follower,
    leader,
    messages_to,
    of_type,
    pre_candidate,
    reply,
    send,
    success,
)
from .cluster import QUICK, cluster, elect, others, values, write

# -- stickiness (§6)


def test_vote_is_refused_while_a_leader_is_heard_and_the_term_does_not_move():
    """If a server receives RequestVote within the minimum election timeout of hearing (§6)."""
    node = follower(term=2, log="1", leader_id="b")
    before = node.state
    effects = node.receive("c", RequestVote(9, 9, 9), now=NOW + TIMEOUT - 0.001)
    assert effects == [reply("c", RequestVoteResponse(2, vote_granted=False))]
    assert node.state is before


def test_vote_is_free_again_once_the_least_timeout_has_passed_in_silence():
    node = follower(term=2, log="1", leader_id="b", deadline=NOW + 2)
    node.receive("c", RequestVote(3, 1, 1), now=NOW + TIMEOUT)
    assert (node.state.current_term, node.state.voted_for) == (3, "c")


def test_working_leader_refuses_votes_and_keeps_its_term():
    node = leader(term=2, log="1 2")
    before = node.state
    effects = node.receive("c", RequestVote(9, 9, 9))
    assert messages_to(effects, "c", RequestVoteResponse) == [
        RequestVoteResponse(2, vote_granted=False)
    ]
    assert node.state is before


def test_vote_that_the_leader_itself_wants_is_granted_while_it_is_heard():
    """Leadership transfer (thesis §3.10) overrides the refusal."""
    node = follower(term=2, log="1", leader_id="b")
    node.receive("c", RequestVote(3, 1, 1, transfer=True))
    assert (node.state.current_term, node.state.voted_for) == (3, "c")


# -- pre-vote (thesis §9.6)


@pytest.mark.parametrize("term", [1, 2, 9])
@pytest.mark.parametrize("build", [follower, pre_candidate, candidate, leader])
def test_pre_vote_changes_neither_term_nor_vote_nor_anything(build, term):
    node = build(term=2, log="1 2")
    before = node.state
    node.receive("b", RequestPreVote(term, 9, 9))
    assert node.state is before


PRE_VOTES = [
    (follower(term=2, log="1"), 2, True, "no leader heard"),
    (follower(term=2, log="1"), 3, True, "of a later term"),
    (follower(term=2, log="1"), 1, False, "of an older term"),
    (follower(term=2, log="1", leader_id="b"), 2, False, "while a leader is heard"),
    (follower(term=2, log="1", leader_id="b", heard_at=NOW - TIMEOUT), 2, True, "no more heard"),
    (leader(term=2, log="1 2"), 9, False, "by a leader"),
    (candidate(term=2, log="1"), 2, True, "by a candidate"),
]


@pytest.mark.parametrize(
    ("node", "term", "granted"),
    [case[:3] for case in PRE_VOTES],
    ids=[case[3] for case in PRE_VOTES],
)
def test_pre_vote_is_granted_if_the_vote_would_be(node, term, granted):
    effects = node.receive("c", RequestPreVote(term, 9, 9))
    assert messages_to(effects, "c", PreVoteResponse) == [PreVoteResponse(2, term, granted)]


@pytest.mark.parametrize(
    ("sender", "response"),
    [
        ("b", PreVoteResponse(2, 2, vote_granted=False)),
        ("b", PreVoteResponse(1, 1, vote_granted=True)),
        ("d", PreVoteResponse(2, 2, vote_granted=True)),
    ],
    ids=["refused", "for an older term", "of a learner"],
)
def test_pre_vote_that_does_not_count_starts_no_election(sender, response):
    node = pre_candidate(term=2, learners="d")
    assert node.receive(sender, response) == []
    assert (node.role.name, node.state.current_term) == ("pre_candidate", 2)


def test_pre_vote_of_less_than_a_majority_starts_no_election():
    node = pre_candidate(term=2, voters="abcde")
    assert node.receive("b", PreVoteResponse(2, 2, vote_granted=True)) == []
    assert node.role.votes == {"a", "b"}


def test_pre_vote_that_comes_when_the_election_is_over_is_ignored():
    node = follower(term=2)
    before = node.state
    assert node.receive("b", PreVoteResponse(2, 2, vote_granted=True)) == []
    assert node.state is before


def test_pre_candidate_behind_the_others_takes_over_their_term_before_it_asks_again():
    node = pre_candidate(term=2)
    node.receive("b", PreVoteResponse(5, 2, vote_granted=False))
    assert (node.state.current_term, node.role) == (5, Follower(NOW + TIMEOUT))


def test_pre_candidate_that_hears_the_leader_again_follows_it():
    node = pre_candidate(term=2, log="1")
    node.receive("b", append_entries(2, prev=(1, 1)))
    assert node.role == Follower(NEXT_DEADLINE, "b", NOW)


# -- check-quorum (thesis §6.2)


def heartbeat(prev):
    return AppendEntries(2, prev, 2, (), 0)


def test_leader_sends_heartbeats_when_they_are_due_and_not_before():
    node = leader(term=2, log="1 2")
    before = node.state
    assert node.step(Tick(), now=NOW + HEARTBEAT - 0.001) == []
    assert node.state is before
    assert node.step(Tick(), now=NOW + HEARTBEAT) == [
        send("b", heartbeat(2)),
        send("c", heartbeat(2)),
    ]
    assert node.role.heartbeat_deadline == NOW + 2 * HEARTBEAT


def test_leader_that_hears_no_majority_for_an_election_timeout_steps_down():
    node = leader(term=2, log="1 2")
    assert node.step(Tick(), now=NOW + TIMEOUT) == [
        RoleChanged("follower", 2),
        LeaderChanged(None, 2),
    ]
    assert node.role == Follower(NOW + TIMEOUT + 1.5)
    assert (node.state.current_term, node.state.voted_for) == (2, "a")


def test_leader_that_hears_a_majority_leads_on():
    node = leader(term=2, log="1 2")
    node.receive("b", success(2, 2), now=NOW + 0.5)
    node.step(Tick(), now=NOW + 1.4)
    assert node.state.is_leader
    node.step(Tick(), now=NOW + 1.5)
    assert not node.state.is_leader


def test_leader_of_five_needs_two_others():
    node = leader(term=2, log="1 2", voters="abcde")
    node.receive("b", success(2, 2), now=NOW + 0.5)
    node.step(Tick(), now=NOW + TIMEOUT)
    assert not node.state.is_leader


def test_learner_does_not_keep_a_leader_in_office():
    node = leader(term=2, log="1 2", learners="d")
    node.receive("d", success(2, 2), now=NOW + 0.5)
    node.step(Tick(), now=NOW + TIMEOUT)
    assert not node.state.is_leader


def test_refusal_of_entries_is_contact_too():
    node = leader(term=2, log="1 2")
    node.receive("b", success(2, 0), now=NOW + 0.5)
    node.step(Tick(), now=NOW + TIMEOUT)
    assert node.state.is_leader


# -- an operator's wish, and a node that cannot be reached


STOPS = [AllowLeadership(allowed=False), Drain(drained=True)]


@pytest.mark.parametrize("stop", STOPS)
def test_leader_that_may_not_lead_any_more_steps_down(stop):
    node = leader(term=2, log="1 2")
    assert node.step(stop) == [RoleChanged("follower", 2), LeaderChanged(None, 2)]
    assert not may_campaign(node.state)


@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("build", [pre_candidate, candidate])
def test_candidate_that_may_not_lead_any_more_gives_up(build, stop):
    node = build(term=2)
    node.step(stop)
    assert node.role == Follower(NOW + TIMEOUT)
    assert not may_campaign(node.state)


@pytest.mark.parametrize(
    ("stop", "start"),
    [(STOPS[0], AllowLeadership(allowed=True)), (STOPS[1], Drain(drained=False))],
)
def test_permission_to_lead_that_is_there_already_changes_nothing(stop, start):
    node = follower()
    before = node.state
    assert node.step(start) == []
    assert node.state is before
    node.step(stop)
    assert node.role is before.role
    node.step(start)
    assert node.state == before


@pytest.mark.parametrize("other", [AllowLeadership(allowed=True), Drain(drained=False)])
def test_of_two_reasons_not_to_lead_the_end_of_one_leaves_the_other(other):
    node = follower()
    for stop in STOPS:
        node.step(stop)
    node.step(other)
    assert not may_campaign(node.state)


# -- clocks that jump (DESIGN §2.9)


def test_clock_put_forward_makes_a_follower_ask_at_once():
    node = follower(log="1", leader_id="b")
    effects = node.step(Tick(), now=NOW + 3600)
    assert messages_to(effects, "b", RequestPreVote) != []


def test_clock_put_back_does_not_postpone_an_election():
    """A deadline further away than the longest timeout was set by another clock."""
    node = follower(log="1", leader_id="b", deadline=NOW + 3600)
    effects = node.step(Tick())
    assert messages_to(effects, "b", RequestPreVote) != []


def test_clock_put_back_does_not_make_a_dead_leader_look_alive():
    node = follower(term=2, log="1", leader_id="b", heard_at=NOW + 3600)
    effects = node.receive("c", RequestPreVote(2, 1, 1))
    assert effects == [reply("c", PreVoteResponse(2, 2, vote_granted=True))]


def test_clock_put_back_does_not_postpone_a_heartbeat():
    node = leader(term=2, log="1 2", contact_at=NOW - 3600)
    effects = node.step(Tick(), now=NOW - 3600)
    assert messages_to(effects, "b", AppendEntries) == [heartbeat(2)]
    assert node.role.heartbeat_deadline == NOW - 3600 + HEARTBEAT


def test_clock_put_back_a_moment_does_not_depose_a_leader():
    """An ordinary correction of a few milliseconds is no silence of the peers."""
    node = leader(term=2, log="1 2")
    node.step(Tick(), now=NOW - 0.005)
    assert node.state.is_leader


def test_clock_put_forward_deposes_a_leader_that_may_have_slept():
    node = leader(term=2, log="1 2")
    node.step(Tick(), now=NOW + 3600)
    assert not node.state.is_leader


# -- when to tick again


def test_follower_wants_a_tick_at_its_election_deadline():
    assert next_deadline(follower(deadline=NOW + 0.7).state) == NOW + 0.7


def test_leader_wants_a_tick_at_its_next_heartbeat():
    """Retries and the end of a transfer wait for it: it is never far."""
    assert next_deadline(leader(term=2, log="1 2").state) == NOW + HEARTBEAT


def test_leader_alone_wants_no_tick():
    assert next_deadline(leader(term=2, log="1 2", voters="a").state) == float("inf")


@pytest.mark.parametrize("silent_seconds", [0.5, 5])
def test_tick_that_is_due_leaves_nothing_due(silent_seconds):
    """Or a driver that sleeps until next_deadline would not sleep at all beside a dead peer."""
    node = leader(term=2, log="1 2 2", match={"b": 3, "c": 2})
    progress = node.role.progress
    progress["c"] = replace(progress["c"], awaiting_deadline=NOW + RETRY)
    end = NOW + silent_seconds
    while (now := next_deadline(node.state)) < end:
        node.receive("b", success(2, 3), now=now)
        node.step(Tick(), now=now)
        assert next_deadline(node.state) > now


# -- the known deadlocks, in whole clusters


def test_candidate_of_a_higher_term_that_nobody_follows_is_taken_in():
    """Its peers refuse it, as they hear a leader, and it refuses that leader's term."""
    network = cluster("abc")
    boss = elect(network)
    lost = others(network, boss.node_id)[0]
    lost.storage.state = replace(
        lost.state, current_term=9, voted_for=lost.node_id, role=candidate(node_id="x").role
    )
    write(network, boss, "X", "1")
    boss = elect(network)
    assert boss.state.current_term > 9
    write(network, lost, "Y", "2")
    assert values(lost) == {"X": "1", "Y": "2"}


def test_leader_whose_followers_only_hear_each_other_gives_way():
    network = cluster("abc")
    old = elect(network)
    network.cut(old.node_id)
    rest = [node.node_id for node in others(network, old.node_id)]
    new = elect(network, rest)
    network.run(2 * QUICK.election_timeout_seconds)
    assert not old.is_leader
    assert new.is_leader
    assert old.state.current_term < new.state.current_term
    network.heal()
    assert elect(network) is new
    assert old.state.current_term == new.state.current_term


def test_node_that_was_cut_off_comes_back_without_an_election():
    """Pre-vote: the term did not rise while it was alone (thesis §9.6)."""
    network = cluster("abc")
    boss = elect(network)
    term = boss.state.current_term
    away = others(network, boss.node_id)[0]
    network.cut(away.node_id)
    network.run(10)
    assert away.state.current_term == term
    network.heal()
    network.run(2)
    assert (boss.is_leader, boss.state.current_term, away.state.leader_id) == (
        True,
        term,
        boss.node_id,
    )


def test_silent_peer_is_probed_with_each_heartbeat_and_not_with_each_step():
    """Or a busy leader floods whoever is down."""
    node = leader(term=2, log="1 2 2", commit=3, match={"b": 3, "c": 2})
    role = node.role
    node.storage.state = replace(
        node.state,
        role=replace(
            role, progress={**role.progress, "c": replace(role.progress["c"], contact_at=NOW - 5)}
        ),
    )
    effects = [each for _ in range(3) for each in node.receive("b", success(2, 3))]
    effects += node.step(Tick(), now=NOW + HEARTBEAT)
    sent = [each for each in of_type(effects, Send) if each.envelope.recipient == "c"]
    assert len(sent) == 1
