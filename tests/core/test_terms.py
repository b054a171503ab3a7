"""A term can be raised by any member, but not in one stride so far that none comes after it."""

from dataclasses import replace

import pytest

from raft_config.core.effects import PeerRejected
from raft_config.core.messages import (
    AppendEntriesResponse,
    PreVoteResponse,
    Rejected,
    Rejection,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from raft_config.core.raft import MAX_TERM_JUMP

from .build import append_entries, candidate, follower, leader, members, messages_to

FURTHEST = 2 + MAX_TERM_JUMP
NOBODY = replace(members(""), members=())


@pytest.mark.parametrize(
    "message",
    [
        append_entries(FURTHEST + 1, terms="", commit=0),
        RequestVote(2**63 - 1, 8, 8, transfer=True),
        RequestPreVote(FURTHEST + 1, 8, 8),
        TimeoutNow(2**63 - 1),
    ],
    ids=lambda message: type(message).__name__,
)
def test_nothing_is_taken_from_a_term_too_far_ahead(message):
    node = follower(term=2, log="1 2")
    before = node.state
    effects = node.receive("b", message)
    assert messages_to(effects, "b") == [Rejected(2, Rejection.TERM_TOO_FAR)]
    assert node.state == before


@pytest.mark.parametrize(
    "message",
    [
        AppendEntriesResponse(FURTHEST + 1, success=False),
        RequestVoteResponse(2**63 - 1, vote_granted=False),
        PreVoteResponse(2**63 - 1, candidate_term=2, vote_granted=True),
        Rejected(2**63 - 1, Rejection.WRONG_INCARNATION),
    ],
    ids=lambda message: type(message).__name__,
)
@pytest.mark.parametrize("make", [leader, candidate])
def test_an_answer_from_a_term_too_far_ahead_deposes_nobody_and_is_told(make, message):
    node = make(term=2, log="1 2")
    before = node.state
    effects = node.receive("b", message, incarnation="i")
    assert effects == [PeerRejected("b", "i", Rejection.TERM_TOO_FAR)]
    assert node.state == before


def test_a_peer_that_was_left_behind_by_too_many_terms_is_told_of():
    node = leader(term=FURTHEST, log=[1, FURTHEST])
    effects = node.receive("b", Rejected(2, Rejection.TERM_TOO_FAR), incarnation="i")
    assert effects == [PeerRejected("b", "i", Rejection.TERM_TOO_FAR)]


def test_a_term_within_reach_is_followed():
    node = follower(term=2, log="1 2")
    node.receive("b", append_entries(FURTHEST, terms="", commit=0))
    assert node.state.current_term == FURTHEST


def test_a_newcomer_follows_whatever_term_its_cluster_has():
    node = follower(term=0, log="", configuration=NOBODY)
    node.receive("b", append_entries(FURTHEST + 1, terms="", commit=0))
    assert node.state.current_term == FURTHEST + 1
