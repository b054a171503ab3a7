"""RequestVote as the paper states it: Raft §5.2, §5.4.1 and figure 2."""

import pytest

from raft_config.core.messages import (
    PreVoteResponse,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)
from raft_config.core.state import Follower

from .build import (
    NEXT_DEADLINE,
    NOW,
    candidate,
    follower,
    leader,
    messages_to,
    pre_candidate,
    reply,
)

# -- §5.2, §5.4.1, figure 2: RequestVote


def test_vote_is_granted_stored_and_restarts_the_election_timer():
    node = follower(term=1, log="1")
    effects = node.receive("b", RequestVote(2, 1, 1))
    assert effects == [reply("b", RequestVoteResponse(2, vote_granted=True))]
    assert (node.state.current_term, node.state.voted_for) == (2, "b")
    assert node.role == Follower(NEXT_DEADLINE)


def test_second_candidate_of_a_term_gets_no_vote():
    """At most one candidate in a given term, first come first served (§5.2)."""
    node = follower(term=2, voted_for="b", log="1")
    before = node.state
    effects = node.receive("c", RequestVote(2, 9, 2))
    assert effects == [reply("c", RequestVoteResponse(2, vote_granted=False))]
    assert node.state is before


def test_vote_asked_for_twice_is_given_twice_to_the_same_candidate():
    """If votedFor is null or candidateId (figure 2): the first answer may have been lost."""
    node = follower(term=2, voted_for="b", log="1")
    before = node.state
    effects = node.receive("b", RequestVote(2, 1, 1))
    assert effects == [reply("b", RequestVoteResponse(2, vote_granted=True))]
    assert node.state is before


def test_candidate_of_an_older_term_is_refused_and_told_the_term():
    """Reply false if term < currentTerm (figure 2)."""
    node = follower(term=5, log="1")
    before = node.state
    effects = node.receive("b", RequestVote(4, 9, 4))
    assert effects == [reply("b", RequestVoteResponse(5, vote_granted=False))]
    assert node.state is before


@pytest.mark.parametrize("build", [candidate, leader])
def test_node_that_voted_for_itself_votes_for_nobody_else_in_that_term(build):
    node = build(term=2, log="1 2")
    before = node.state
    effects = node.receive("b", RequestVote(2, 9, 2))
    assert messages_to(effects, "b", RequestVoteResponse) == [
        RequestVoteResponse(2, vote_granted=False)
    ]
    assert node.state is before


UP_TO_DATE = [
    (3, 2, True, "equal logs"),
    (4, 2, True, "longer in the same last term"),
    (2, 2, False, "shorter in the same last term"),
    (1, 3, True, "shorter, but of a later last term"),
    (9, 1, False, "longer, but of an earlier last term"),
    (0, 0, False, "empty"),
]


@pytest.mark.parametrize(
    ("last_index", "last_term", "granted"),
    [case[:3] for case in UP_TO_DATE],
    ids=[case[3] for case in UP_TO_DATE],
)
class TestUpToDate:
    """Of two logs the one with the later last term, then the longer one, is more so (§5.4.1)."""

    def test_vote_needs_a_log_as_complete_as_ones_own(self, last_index, last_term, granted):
        node = follower(term=2, log="1 1 2")
        effects = node.receive("b", RequestVote(3, last_index, last_term))
        assert effects == [reply("b", RequestVoteResponse(3, granted))]
        assert node.state.voted_for == ("b" if granted else None)

    def test_pre_vote_needs_the_same(self, last_index, last_term, granted):
        node = follower(term=2, log="1 1 2")
        effects = node.receive("b", RequestPreVote(2, last_index, last_term))
        assert effects == [reply("b", PreVoteResponse(2, 2, granted))]


def test_higher_term_with_a_stale_log_is_refused_the_vote_yet_updates_the_term():
    node = leader(term=2, log="1 2 2")
    node.receive("b", RequestVote(7, 1, 1, transfer=True))
    assert (node.state.current_term, node.state.voted_for, node.role.name) == (7, None, "follower")
    again = follower(term=2, log="1 2 2")
    effects = again.receive("b", RequestVote(7, 1, 1))
    assert effects == [reply("b", RequestVoteResponse(7, vote_granted=False))]
    assert (again.state.current_term, again.state.voted_for) == (7, None)


def test_election_timer_runs_on_when_a_vote_is_refused():
    """Only granting a vote, or hearing a leader, restarts it (figure 2)."""
    node = follower(term=2, log="1 2", deadline=NOW + 0.2)
    node.receive("b", RequestVote(3, 1, 1))
    assert node.role == Follower(NOW + 0.2)


def test_candidate_that_votes_for_a_later_one_waits_as_follower():
    node = candidate(term=2, log="1")
    node.receive("b", RequestVote(3, 1, 1))
    assert node.role == Follower(NEXT_DEADLINE)
    assert node.state.voted_for == "b"


def test_pre_candidate_may_still_vote_in_its_present_term():
    node = pre_candidate(term=2, log="1")
    node.receive("b", RequestVote(2, 1, 1))
    assert (node.role, node.state.voted_for) == (Follower(NEXT_DEADLINE), "b")


def test_follower_of_a_leader_does_not_vote_for_another_candidate_of_that_term():
    """The term has its leader (§5.2); a vote would only make this node forget who it is."""
    node = follower(term=2, log="1", leader_id="c")
    effects = node.receive("b", RequestVote(2, 1, 1))
    assert effects == [reply("b", RequestVoteResponse(2, vote_granted=False))]
    assert node.state.leader_id == "c"
