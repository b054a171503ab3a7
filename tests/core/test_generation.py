"""Lives of a cluster: a restored backup, or a cluster of survivors, is another one than before.

What was left behind may come back with a majority, a higher term and ids that both know. Neither
side may take anything in from the other.
"""

from dataclasses import replace

import pytest

from raft_config.core.effects import PeerRejected, Reply
from raft_config.core.messages import (
    InstallSnapshot,
    Rejected,
    Rejection,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)

from .build import (
    append_entries,
    candidate,
    follower,
    leader,
    members,
    messages_to,
    of_type,
    snapshot_meta,
    success,
)

NEW = replace(members("abc"), generation="new")
NOBODY = replace(members(""), members=())


@pytest.mark.parametrize(
    "message",
    [
        append_entries(9, terms="9", commit=1),
        RequestVote(9, 8, 8, transfer=True),
        RequestPreVote(9, 8, 8),
        TimeoutNow(9),
        InstallSnapshot(9, snapshot_meta(8, 8, b"old"), 0, b"old"),
    ],
    ids=lambda message: type(message).__name__,
)
@pytest.mark.parametrize(("own", "theirs"), [("new", ""), ("", "new"), ("new", "other")])
def test_nothing_is_taken_from_another_generation(message, own, theirs):
    """Not even a term: the answer's own is of no meaning there, either."""
    node = follower(term=2, log="1 2", configuration=replace(NEW, generation=own))
    before = node.state
    effects = node.receive("b", message, generation=theirs)
    assert messages_to(effects, "b") == [Rejected(2, Rejection.OTHER_GENERATION)]
    assert node.state == before


def test_answer_of_another_generation_is_not_counted_and_told():
    node = leader(term=2, log="1 2", configuration=NEW)
    effects = node.receive("b", success(2, 2), incarnation="i", generation="")
    assert effects == [PeerRejected("b", "i", Rejection.OTHER_GENERATION)]
    assert node.state.commit_index == 0


def test_higher_term_of_another_generation_deposes_nobody():
    node = leader(term=2, log="1 2", configuration=NEW)
    node.receive("b", Rejected(9, Rejection.OTHER_GENERATION), generation="")
    assert (node.state.current_term, node.state.is_leader) == (2, True)


def test_votes_of_another_generation_are_not_counted():
    node = candidate(term=2, configuration=NEW)
    node.receive("b", RequestVoteResponse(2, vote_granted=True), generation="")
    assert not node.state.is_leader
    node.receive("b", RequestVoteResponse(2, vote_granted=True), generation="new")
    assert node.state.is_leader


def test_messages_carry_the_generation_of_their_sender():
    node = follower(term=2, configuration=NEW)
    (answer,) = of_type(node.receive("b", append_entries(2), generation="new"), Reply)
    assert answer.envelope.generation == "new"


def test_newcomer_takes_over_the_generation_of_whoever_lets_it_in():
    node = follower(term=0, configuration=NOBODY)
    meta = snapshot_meta(3, 2, b"[]", replace(NEW, index=3))
    effects = node.receive("b", InstallSnapshot(2, meta, 0, b"[]"), generation="new")
    (answer,) = of_type(effects, Reply)
    assert answer.envelope.generation == "new"
    assert node.state.configuration.generation == "new"
    effects = node.receive("b", append_entries(3), generation="")
    assert messages_to(effects, "b") == [Rejected(2, Rejection.OTHER_GENERATION)]


def test_newcomer_that_was_told_its_generation_takes_no_other():
    """As one that joins anew, while the old leader goes on speaking to it."""
    node = follower(term=0, configuration=replace(NOBODY, generation="new"))
    effects = node.receive("b", append_entries(9, terms="9"), generation="")
    assert messages_to(effects, "b") == [Rejected(0, Rejection.OTHER_GENERATION)]
    assert node.state.last_log_index == 0
