"""Who is behind a member's id (DESIGN §2.11), and which protocol version it speaks."""

from dataclasses import replace

import pytest

from raft_config.core import Member, initial_configuration
from raft_config.core.effects import (
    Accepted,
    PeerRejected,
    Refusal,
    Refused,
    Reply,
    Send,
)
from raft_config.core.events import (
    AddLearner,
    Propose,
    Remove,
    Tick,
)
from raft_config.core.messages import (
    Rejected,
    Rejection,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)

from .build import (
    append_entries,
    candidate,
    follower,
    leader,
    members,
    messages_to,
    of_type,
    pre_candidate,
    success,
)


def boss(**more):
    """A leader whose term has committed, so that it may change the members."""
    return leader(**{"term": 2, "log": "1 2", "commit": 2, **more})


# -- incarnations (DESIGN §2.11)


def bound(incarnation="old", voters="abc", **more):
    every = [Member(each) for each in voters if each != "b"]
    every.append(Member("b", incarnation=incarnation, **more))
    return initial_configuration(every)


def test_first_contact_binds_a_member_to_its_incarnation_and_version():
    node = boss()
    node.receive("b", success(2, 2), incarnation="i", version=4)
    assert node.state.configuration == replace(bound("i", version=4), index=3)


def test_leader_binds_its_own_incarnation_and_version():
    node = boss(incarnation="i", version=3)
    node.step(Tick())
    assert node.state.configuration.by_id["a"] == Member("a", incarnation="i", version=3)


def test_leader_that_is_no_member_any_more_binds_nothing():
    node = boss(configuration=members("bc", index=2), incarnation="i", commit=1)
    node.receive("b", success(2, 2))
    assert node.state.configuration.by_id.keys() == {"b", "c"}


def test_contact_of_a_stranger_binds_nothing():
    node = boss()
    before = node.state
    node.receive("x", success(2, 2), incarnation="i")
    assert node.state is before


def test_binding_waits_for_a_change_under_way():
    node = boss()
    node.step(AddLearner("d"))
    node.receive("b", success(2, 2), incarnation="i")
    assert node.state.configuration.by_id["b"].incarnation == ""


def test_member_that_speaks_a_new_version_is_written_down():
    node = boss(configuration=bound())
    node.receive("b", success(2, 2), incarnation="old", version=2)
    assert node.state.configuration.by_id["b"].version == 2


def test_messages_name_the_incarnation_they_are_meant_for():
    node = boss(configuration=bound())
    (sent,) = [
        each.envelope
        for each in of_type(node.step(Propose((b"x",))), Send)
        if each.envelope.recipient == "b"
    ]
    assert sent.recipient_incarnation == "old"


@pytest.mark.parametrize(
    "message",
    [
        RequestVote(2, 9, 9),
        RequestPreVote(2, 9, 9),
        append_entries(2, terms="2"),
    ],
)
def test_wiped_node_refuses_what_was_meant_for_its_old_database(message):
    """It may have voted, and acknowledged entries, that it has forgotten."""
    node = follower(term=0, voters="", incarnation="new")
    before = node.state
    effects = node.receive("b", message, meant_for="old")
    assert messages_to(effects, "b") == [Rejected(0, Rejection.WRONG_INCARNATION)]
    assert node.state is before


@pytest.mark.parametrize("meant_for", ["", "mine"])
def test_message_for_this_incarnation_or_for_any_is_taken(meant_for):
    node = follower(term=1, log="1", incarnation="mine")
    effects = node.receive("b", append_entries(1, prev=(1, 1)), meant_for=meant_for)
    assert messages_to(effects, "b")[0].success


def test_answer_that_was_meant_for_another_incarnation_is_dropped():
    node = candidate(term=2, incarnation="new")
    before = node.state
    vote = RequestVoteResponse(2, vote_granted=True)
    assert node.receive("b", vote, meant_for="old") == []
    assert node.state is before


@pytest.mark.parametrize(
    "message", [success(2, 2), success(9, 2), RequestVoteResponse(2, vote_granted=True)]
)
def test_answer_of_a_wiped_node_with_the_old_id_is_refused(message):
    node = boss(configuration=bound())
    before = node.state
    effects = node.receive("b", message, incarnation="new")
    assert effects == [PeerRejected("b", "new")]
    assert node.state is before


def test_vote_of_a_wiped_node_with_the_old_id_elects_nobody():
    node = candidate(term=2, configuration=bound())
    effects = node.receive("b", RequestVoteResponse(2, vote_granted=True), incarnation="new")
    assert effects == [PeerRejected("b", "new")]
    assert node.role.name == "candidate"


def test_rejection_is_passed_on_as_news():
    node = pre_candidate(term=2)
    before = node.state
    effects = node.receive("b", Rejected(7, Rejection.WRONG_INCARNATION), incarnation="new")
    assert effects == [PeerRejected("b", "new")]
    assert node.state is before


@pytest.mark.parametrize("message", [RequestVote(1, 0, 0), RequestPreVote(1, 0, 0)])
def test_wiped_node_with_the_old_id_is_refused_votes(message):
    """It may have voted in this very term, for another: with its vote for itself that is two."""
    node = follower(term=1, configuration=bound())
    effects = node.receive("b", message, incarnation="new")
    answers = messages_to(effects, "b")
    assert not any(getattr(answer, "vote_granted", False) for answer in answers)
    assert node.state.voted_for is None


def test_member_added_again_is_given_the_vote_of_a_node_that_has_not_heard_of_it():
    """Its log holds the entry that added it; the voter's knowledge may be old (thesis §4.1)."""
    node = follower(term=1, log="1", configuration=bound())
    (answer,) = of_type(node.receive("b", RequestVote(2, 5, 1), incarnation="new"), Reply)
    assert answer.envelope.message.vote_granted
    assert answer.envelope.recipient_incarnation == "new"


def test_entries_of_a_member_added_again_are_taken_by_a_node_that_has_not_heard_of_it():
    """Or that node could never hear of it."""
    node = follower(term=1, log="1", configuration=bound())
    effects = node.receive("b", append_entries(2, prev=(1, 1), terms="2"), incarnation="new")
    assert messages_to(effects, "b")[0].success


def test_answer_from_before_a_removal_is_not_counted_after_the_node_was_added_again():
    """A late message of the old life vouches for entries that the new one does not have."""
    node = boss(voters="abcd", match={"b": 2, "c": 2, "d": 2})
    node.step(Remove("d"))
    node.receive("b", success(2, 3))
    node.receive("c", success(2, 3))
    assert node.state.commit_index == 3
    node.step(AddLearner("d"))
    node.receive("d", success(2, 0), incarnation="new")
    node.receive("b", success(2, 4))
    node.receive("d", success(2, 2), incarnation="old")
    assert node.role.progress["d"].match_index == 0


# -- versions (a release can add message fields and command kinds without a flag day)


def test_command_waits_until_every_member_speaks_its_version():
    found = initial_configuration([Member("a", version=2), Member("b", version=2), Member("c")])
    node = boss(configuration=found, version=2, match={"b": 2, "c": 2})
    assert node.step(Propose((b"x",), version=2)) == [Refused(Refusal.UNSUPPORTED, "a")]
    node.receive("c", success(2, 2), version=2)
    assert node.state.configuration.agreed_version == 2
    assert of_type(node.step(Propose((b"x",), version=2)), Accepted) == [Accepted(4, 2)]


def test_messages_carry_the_version_of_their_sender():
    node = boss(version=7)
    sent = of_type(node.step(Propose((b"x",))), Send)
    assert {each.envelope.version for each in sent} == {7}
