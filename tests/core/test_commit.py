"""The commit rule (Raft §5.3, §5.4.2), and what becomes of a proposal (DESIGN §4)."""

from dataclasses import replace

import pytest

from raft_config.core.commit import Outcome, outcome_of
from raft_config.core.effects import Accepted, Append, Apply, Send, must_be_durable
from raft_config.core.events import (
    AllowLeadership,
    Applied,
    Propose,
    Read,
    Receive,
    TakeSnapshot,
    Tick,
)
from raft_config.core.messages import RequestPreVote, RequestVote, RequestVoteResponse
from raft_config.exceptions import InvariantViolatedError

from .build import (
    NOW,
    SETTINGS,
    TIMEOUT,
    append_entries,
    candidate,
    envelope,
    follower,
    leader,
    members,
    of_type,
    refusal,
    step_with,
    success,
)

# -- committing


def test_entry_of_the_term_commits_once_a_majority_stores_it():
    """An entry is committed once the leader ... has replicated it on a majority (§5.3)."""
    node = leader(term=2, log="1 2", voters="abcde")
    node.receive("b", success(2, 2))
    assert node.state.commit_index == 0
    effects = node.receive("c", success(2, 2))
    assert node.state.commit_index == 2
    assert of_type(effects, Apply) == [Apply(2)]


@pytest.mark.parametrize(
    ("voters", "acknowledging"), [("ab", "b"), ("abc", "b"), ("abcd", "bc"), ("abcde", "bc")]
)
def test_majority_is_more_than_half(voters, acknowledging):
    node = leader(term=2, log="1 2", voters=voters)
    for peer in acknowledging:
        assert node.state.commit_index == 0
        node.receive(peer, success(2, 2))
    assert node.state.commit_index == 2


def test_commit_of_an_entry_commits_all_before_it():
    """This also commits all preceding entries, of previous leaders too (§5.3)."""
    node = leader(term=3, log="1 2 3")
    effects = node.receive("b", success(3, 3))
    assert of_type(effects, Apply) == [Apply(3)]


def test_commit_stands_at_the_highest_index_a_majority_stores():
    node = leader(term=2, log="2 2 2 2 2", voters="abcde", match={"b": 5, "c": 1, "d": 1, "e": 1})
    node.receive("c", success(2, 3))
    assert node.state.commit_index == 3


def test_leader_does_not_commit_older_term_by_counting_replicas():
    """Only log entries from the leader's current term are committed by counting (§5.4.2)."""
    node = leader(term=4, log="1 2 4")
    assert of_type(node.receive("b", success(4, 2)), Apply) == []
    assert of_type(node.receive("c", success(4, 2)), Apply) == []
    assert node.state.commit_index == 0


def test_older_entry_after_commit_index_commits_with_the_new_commands_behind_it():
    node = leader(term=3, log="1 2 3", commit=1)
    node.step(Propose((b"x", b"y")))
    node.receive("b", success(3, 2))
    assert node.state.commit_index == 1
    node.receive("b", success(3, 5))
    assert node.state.commit_index == 5


def test_learner_is_not_counted():
    node = leader(term=2, log="1 2", learners="de")
    node.receive("d", success(2, 2))
    node.receive("e", success(2, 2))
    assert node.state.commit_index == 0


def test_leader_that_is_no_voter_does_not_count_itself():
    """It replicates log entries but does not count itself in majorities (thesis §4.2.2)."""
    node = leader(term=2, log="1 2 2", voters="", commit=2, configuration=members("bcd", index=3))
    node.receive("b", success(2, 3))
    assert node.state.commit_index == 2
    node.receive("c", success(2, 3))
    assert node.state.commit_index == 3


def test_node_alone_commits_what_it_stores_in_the_same_step():
    node = leader(term=2, log="2", voters="a", commit=1)
    effects = node.step(Propose((b"x",)))
    assert [type(each) for each in effects] == [Append, Accepted, Apply]
    assert node.state.commit_index == 2


def test_at_most_so_many_entries_are_applied_in_one_transaction():
    settings = replace(SETTINGS, max_apply_entries=2)
    node = follower(term=1, log="1 1 1 1 1", commit=5, applied=1, settings=settings)
    assert of_type(node.step(Tick()), Apply) == [Apply(3)]
    node.step(Applied(3))
    assert of_type(node.step(Tick()), Apply) == [Apply(5)]


@pytest.mark.parametrize("index", [1, 4])
def test_nothing_is_applied_twice_or_before_it_is_committed(index):
    """last_applied <= commit_index, and it never falls (§5.3, figure 2)."""
    node = follower(term=1, log="1 1 1 1", commit=3, applied=2)
    with pytest.raises(InvariantViolatedError, match=rf"through {index}, outside 2\.\.3"):
        node.step(Applied(index))


# -- accepted, then applied or lost or unknown

NODE = follower(term=3, log="1 1 2 3", commit=3, applied=2, compacted=1)


@pytest.mark.parametrize(
    ("index", "term", "expected"),
    [
        (2, 1, Outcome.APPLIED),
        (2, 2, Outcome.LOST),
        (3, 2, Outcome.PENDING),
        (3, 1, Outcome.LOST),
        (4, 3, Outcome.PENDING),
        (4, 2, Outcome.PENDING),
        (9, 3, Outcome.PENDING),
    ],
)
def test_outcome_is_certain_only_once_the_index_is_committed(index, term, expected):
    assert outcome_of(NODE.state, NODE.view, index, term) is expected


def test_outcome_of_an_entry_that_is_compacted_is_not_told_by_the_log():
    node = follower(term=2, log="1 1 1", commit=3, compacted=2)
    assert outcome_of(node.state, node.view, 1, 1) is Outcome.COMPACTED


# -- what must be durable before a message leaves (DESIGN §2.3, §2.6)


def durable(node, event, now=NOW):
    after, effects = step_with(node.state, event, node.view, now=now)
    assert after is not node.state
    return must_be_durable(node.state, after, effects)


def receive(message):
    return Receive(envelope("b", "a", message))


DURABLE = {
    "a new term": (follower(term=1, log="1"), receive(RequestVote(2, 0, 0))),
    "a vote": (follower(term=2, log="1"), receive(RequestVote(2, 1, 1))),
    "an own candidacy": (candidate(term=1, voters="a"), Tick()),
    "entries": (follower(term=1), receive(append_entries(1, terms="1"))),
    "a command": (leader(term=1, log="1"), Propose((b"x",))),
    "becoming leader": (candidate(term=2), receive(RequestVoteResponse(2, vote_granted=True))),
    "a snapshot": (follower(log="1 1", commit=2), TakeSnapshot()),
}
RELAXED = {
    "commit_index": (follower(log="1 1"), receive(append_entries(1, prev=(2, 1), commit=2))),
    "last_applied": (follower(log="1 1", commit=2, applied=1), Applied(2)),
    "a heartbeat": (follower(log="1"), receive(append_entries(1, prev=(1, 1)))),
    "progress": (leader(term=1, log="1 1", match={"b": 1}), receive(refusal(1, prev=1))),
    "a deadline": (follower(voters="b"), Tick()),
    "a read": (leader(term=1, log="1"), Read("r")),
    "stepping down": (leader(term=1, log="1"), AllowLeadership(allowed=False)),
    "asking first": (follower(), Tick()),
}


@pytest.mark.parametrize("what", DURABLE)
def test_promise_is_durable(what):
    node, event = DURABLE[what]
    assert durable(node, event, now=NOW + TIMEOUT)


@pytest.mark.parametrize("what", RELAXED)
def test_what_is_derived_again_may_be_lost(what):
    node, event = RELAXED[what]
    assert not durable(node, event, now=NOW + TIMEOUT if event == Tick() else NOW)


def test_leadership_is_durable_whatever_comes_with_it():
    """It survives the death of the process (DESIGN §2.5)."""
    before = candidate(term=2, log="2").state
    after = replace(before, role=leader(term=2, log="2").role)
    assert must_be_durable(before, after, [])
    assert not must_be_durable(after, before, [])


def test_message_that_changes_nothing_writes_nothing():
    node = follower(term=2, log="1", leader_id="b")
    after, effects = step_with(node.state, receive(RequestPreVote(2, 1, 1)), node.view)
    assert after is node.state
    assert not must_be_durable(node.state, after, effects)
    assert of_type(effects, Send) == []
