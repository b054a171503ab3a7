"""Changes of the members: Raft §6 as the thesis (§4) simplified it, one server at a time."""

from dataclasses import replace

import pytest

from raft_config.core import Configuration, Member, initial_configuration
from raft_config.core.configuration import REMEMBERED_REMOVALS
from raft_config.core.effects import (
    Accepted,
    Append,
    LeaderChanged,
    MembershipChanged,
    Refusal,
    Refused,
    RoleChanged,
    Send,
)
from raft_config.core.events import (
    AddLearner,
    ChangeAddress,
    Promote,
    Propose,
    Remove,
    Tick,
    TransferLeadership,
)
from raft_config.core.messages import (
    PreVoteResponse,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)

from .build import (
    NOW,
    SETTINGS,
    TIMEOUT,
    append_entries,
    candidate,
    entry,
    follower,
    leader,
    members,
    messages_to,
    of_type,
    reply,
    success,
)


def boss(**more):
    """A leader whose term has committed, so that it may change the members."""
    return leader(**{"term": 2, "log": "1 2", "commit": 2, **more})


# -- the value


def test_initial_members_are_the_same_in_whatever_order_they_are_given():
    given = [Member("b"), Member("a")]
    assert initial_configuration(given) == initial_configuration(reversed(given))


def test_only_voters_make_a_majority():
    found = members("abc", learners="de")
    assert found.majority == 2
    assert found.is_majority("ab")
    assert not found.is_majority("ade")
    assert not found.is_majority("axyz")


def test_nobody_is_a_majority_of_no_members():
    assert not Configuration().is_majority([])
    assert Configuration().agreed_version == 1


def test_agreed_version_is_the_one_that_every_member_speaks_also_a_learner():
    found = Configuration((Member("a", version=3), Member("b", voter=False, version=2)))
    assert found.agreed_version == 2


def test_removed_ids_are_remembered_up_to_a_limit_and_forgotten_when_added_again():
    found = members("a")
    for number in range(REMEMBERED_REMOVALS + 1):
        found = found.with_member(Member(f"n{number}")).without_member(f"n{number}")
    assert len(found.removed) == REMEMBERED_REMOVALS
    assert found.removed[0] == "n1"
    assert "n5" not in found.with_member(Member("n5")).removed


# -- §6, thesis §4.1: through the log, and at once


def test_new_configuration_counts_as_soon_as_it_is_in_the_log():
    """A server always uses the latest configuration in its log, committed or not (§6)."""
    node = boss()
    effects = node.step(AddLearner("d", "http://d"))
    added = Member("d", "http://d", voter=False)
    changed = replace(members("abc").with_member(added), index=3)
    assert effects[:2] == [Append((entry(3, 2, configuration=changed),)), Accepted(3, 2)]
    assert effects[-1] == MembershipChanged(changed)
    assert (node.state.configuration, node.state.commit_index) == (changed, 2)
    assert set(node.role.progress) == {"b", "c", "d"}


def test_follower_takes_over_a_configuration_before_it_is_committed():
    node = follower(term=1)
    change = members("abcd", index=1)
    message = replace(append_entries(1), entries=(entry(1, 1, configuration=change),))
    effects = node.receive("b", message)
    assert MembershipChanged(change) in effects
    assert (node.state.configuration, node.state.previous_configuration) == (change, members())


def test_configuration_that_is_truncated_gives_way_to_the_one_before():
    """A server must be prepared to fall back to its previous configuration (thesis §4.1)."""
    old, new = members("abc", index=1), members("abcd", index=3)
    node = follower(term=2, log="1 1 2", commit=2, configuration=new, previous=old)
    effects = node.receive("b", append_entries(3, prev=(2, 1), terms="3"))
    assert MembershipChanged(old) in effects
    assert node.state.configuration == node.state.previous_configuration == old


def test_configuration_that_replaces_a_truncated_one_follows_the_one_before_that():
    old, lost, new = (members(each, index=at) for each, at in (("abc", 1), ("abcd", 3), ("ab", 4)))
    node = follower(term=2, log="1 1 2", commit=2, configuration=lost, previous=old)
    later = (entry(3, 3), entry(4, 3, configuration=new))
    node.receive("b", replace(append_entries(3, prev=(2, 1)), entries=later))
    assert (node.state.configuration, node.state.previous_configuration) == (new, old)


def test_two_configurations_of_one_batch_leave_the_last_two():
    first, second = members("abcd", index=1), members("abcde", index=2)
    both = (entry(1, 1, configuration=first), entry(2, 1, configuration=second))
    node = follower(term=1)
    node.receive("b", replace(append_entries(1), entries=both))
    assert (node.state.configuration, node.state.previous_configuration) == (second, first)


# -- one at a time, and none before the term's first commit


def test_change_waits_for_the_one_before_it():
    """A leader must not begin a change before the previous one has committed (thesis §4.1)."""
    node = boss()
    node.step(AddLearner("d"))
    effects = node.step(AddLearner("e"))
    assert effects == [Refused(Refusal.CHANGE_PENDING, "a")]
    node.receive("b", success(2, 3))
    assert of_type(node.step(AddLearner("e")), Accepted) == [Accepted(4, 2)]


def test_change_waits_for_the_first_commit_of_the_term():
    """Or two leaders could build on different configurations (raft-dev, July 2015)."""
    node = boss(commit=1)
    assert node.step(Remove("c")) == [Refused(Refusal.CHANGE_PENDING, "a")]
    node.receive("b", success(2, 2))
    assert of_type(node.step(Remove("c")), Accepted) == [Accepted(3, 2)]


def test_configuration_of_an_older_term_that_is_not_committed_counts_as_pending():
    node = leader(term=2, log="1 1 2", commit=1, configuration=members("abc", index=2))
    assert node.step(Remove("c")) == [Refused(Refusal.CHANGE_PENDING, "a")]


REFUSED = [
    (follower(leader_id="b"), AddLearner("d"), Refusal.NOT_LEADER, "b"),
    (boss(), AddLearner("b"), Refusal.ALREADY_MEMBER, "a"),
    (boss(), Promote("x"), Refusal.UNKNOWN_MEMBER, "a"),
    (boss(), Promote("b"), Refusal.NOTHING_NEW, "a"),
    (boss(), Remove("x"), Refusal.UNKNOWN_MEMBER, "a"),
    (boss(voters="a", learners="d"), Remove("a"), Refusal.LAST_VOTER, "a"),
    (boss(), ChangeAddress("x", "http://x"), Refusal.UNKNOWN_MEMBER, "a"),
    (boss(), ChangeAddress("b", ""), Refusal.NOTHING_NEW, "a"),
]


@pytest.mark.parametrize(("node", "event", "why", "leader_id"), REFUSED)
def test_change_that_is_refused_stores_and_sends_nothing(node, event, why, leader_id):
    before = node.state
    assert node.step(event) == [Refused(why, leader_id)]
    assert node.state is before


def test_change_is_refused_during_a_transfer():
    node = boss()
    node.step(TransferLeadership("b"))
    assert of_type(node.step(Remove("c")), Refused) == [Refused(Refusal.TRANSFERRING, "a")]


# -- each change


def test_member_moves_without_another_change():
    node = boss()
    node.step(ChangeAddress("b", "http://new"))
    assert node.state.configuration.by_id["b"] == Member("b", "http://new")


def test_learner_is_made_a_voter_on_request_caught_up_or_not():
    node = boss(learners="d")
    node.step(Promote("d"))
    assert node.state.configuration.voters == {*"abcd"}


def test_removed_peer_is_sent_nothing_more_and_remembered():
    node = boss()
    effects = node.step(Remove("c"))
    assert {each.envelope.recipient for each in of_type(effects, Send)} == {"b"}
    assert node.state.configuration.removed == ("c",)


def test_removed_peer_counts_no_more_at_once():
    node = boss(voters="abcd")
    node.step(Remove("d"))
    node.receive("d", success(2, 3))
    assert node.state.commit_index == 2
    node.receive("b", success(2, 3))
    assert node.state.commit_index == 3


# -- learners (thesis §4.2.1)


def test_learner_that_has_caught_up_is_promoted():
    """The leader waits until the new server has caught up, then gives it its vote."""
    node = boss(learners="d")
    effects = node.receive("d", success(2, 2))
    promoted = replace(members("abcd"), index=3)
    assert effects[0] == Append((entry(3, 2, configuration=promoted),))
    assert node.state.configuration == promoted


ADDED = members("abc", "d", index=3)


@pytest.mark.parametrize(("match", "promoted"), [(2, False), (3, True)])
def test_learner_is_promoted_once_it_stores_what_was_there_when_it_was_added(match, promoted):
    node = boss(log="1 2 2 2", commit=4, configuration=ADDED)
    node.receive("d", success(2, match))
    assert ("d" in node.state.configuration.voters) is promoted


@pytest.mark.parametrize(("match", "promoted"), [(3, False), (4, True)])
def test_learner_that_lacks_more_than_a_batch_is_not_promoted(match, promoted):
    """A voter far behind would make the next majority wait for it (§4.2.1)."""
    limits = replace(SETTINGS, max_batch_entries=2)
    node = boss(log="1 2 2 2 2 2", commit=6, configuration=ADDED, settings=limits)
    node.receive("d", success(2, match))
    assert ("d" in node.state.configuration.voters) is promoted


def test_learner_that_is_silent_is_not_promoted():
    node = boss(learners="d", match={"b": 2, "c": 2, "d": 2}, contact_at=NOW - TIMEOUT)
    node.receive("b", success(2, 2))
    assert node.state.configuration.voters == {*"abc"}


def test_learner_that_stores_nothing_yet_is_not_promoted():
    node = boss(learners="d")
    node.receive("d", success(2, 0))
    assert node.state.configuration.voters == {*"abc"}


def test_learner_that_is_to_stay_one_is_not_promoted():
    keep = members().with_member(Member("d", voter=False, promote=False))
    node = boss(configuration=keep)
    node.receive("d", success(2, 2))
    assert node.state.configuration is keep


def test_learner_one_round_trip_behind_steady_writes_is_promoted_in_the_end():
    """A round replicates what was there when it began; a short last one is enough (§4.2.1)."""
    node = boss(learners="d", match={"b": 2, "c": 2, "d": 1})
    under_way = 1
    for _ in range(50):
        effects = node.step(Propose((b"x",)))
        effects += node.receive("b", success(2, node.state.last_log_index))
        effects += node.receive("d", success(2, under_way))
        under_way = messages_to(effects, "d")[-1].entries[-1].index
    assert "d" in node.state.configuration.voters


def test_learners_are_promoted_one_by_one():
    node = boss(learners="de", match={"d": 2, "e": 2, "b": 2, "c": 2})
    node.step(Tick())
    assert node.state.configuration.voters == {*"abcd"}
    node.receive("b", success(2, 3))
    node.receive("c", success(2, 3))
    node.receive("e", success(2, 3))
    assert node.state.configuration.voters == {*"abcde"}


def test_promotion_waits_for_the_end_of_a_transfer():
    node = boss(learners="d")
    node.step(TransferLeadership("b"))
    node.receive("d", success(2, 2))
    assert node.state.configuration.voters == {*"abc"}


def test_newcomer_counts_as_silent_until_it_answers_and_is_brought_up_from_the_start():
    node = boss(match={"b": 2, "c": 2})
    effects = node.step(AddLearner("d"))
    (first,) = messages_to(effects, "d")
    assert first.prev_log_index == 2
    newcomer = follower(node_id="d", term=0, voters="")
    answer = messages_to(newcomer.receive("a", first), "a")[0]
    sent = messages_to(node.receive("d", answer), "d")
    assert [each.index for each in sent[0].entries] == [1, 2, 3]


def test_follower_that_learns_of_its_promotion_may_campaign():
    node = follower(voters="bc", learners="a", configuration=members("abc", index=1), log="1")
    assert of_type(node.step(Tick(), now=NOW + TIMEOUT), Send) != []


# -- removal (thesis §4.2.2, §4.2.3)


def test_leader_that_removes_itself_leads_until_that_is_committed():
    """A leader that is not in its new configuration steps down once it commits (§6)."""
    node = boss()
    node.step(Remove("a"))
    assert node.state.is_leader
    assert of_type(node.step(Propose((b"x",))), Accepted) == [Accepted(4, 2)]
    node.receive("b", success(2, 4))
    assert node.state.is_leader
    assert node.state.commit_index == 2
    effects = node.receive("c", success(2, 4))
    assert node.state.commit_index == 4
    assert effects[-2:] == [RoleChanged("follower", 2), LeaderChanged(None, 2)]


def test_leader_that_removed_itself_tells_of_the_commit_before_it_steps_down():
    node = boss()
    node.step(Remove("a"))
    node.receive("b", success(2, 3))
    effects = node.receive("c", success(2, 3))
    assert not node.state.is_leader
    assert {message.leader_commit for message in messages_to(effects, "b")} == {3}


def test_node_that_is_not_in_its_own_uncommitted_configuration_may_campaign():
    """It might still be needed until that entry is committed (thesis §4.2.2)."""
    gone, before = members("bc", index=2), members("abc", index=1)
    node = follower(log="1 1", commit=1, configuration=gone, previous=before)
    effects = node.step(Tick(), now=NOW + TIMEOUT)
    assert {each.envelope.recipient for each in of_type(effects, Send)} == {"b", "c"}


def test_candidate_outside_its_own_configuration_does_not_count_its_own_vote():
    gone, before = members("bc", index=2), members("abc", index=1)
    node = candidate(term=2, log="1 1", commit=1, configuration=gone, previous=before)
    node.receive("b", RequestVoteResponse(2, vote_granted=True))
    assert node.role.name == "candidate"
    node.receive("c", RequestVoteResponse(2, vote_granted=True))
    assert node.state.is_leader


def test_node_whose_removal_is_committed_campaigns_no_more():
    gone, before = members("bc", index=2), members("abc", index=1)
    node = follower(log="1 1", commit=2, configuration=gone, previous=before)
    assert of_type(node.step(Tick(), now=NOW + TIMEOUT), Send) == []


REMOVED = members("ab", index=2).with_member(Member("x")).without_member("x")


@pytest.mark.parametrize(("commit", "told"), [(2, True), (1, False)])
def test_removed_node_is_told_so_once_that_is_committed(commit, told):
    node = follower(log="1 1", commit=commit, configuration=REMOVED, leader_id="b")
    effects = node.receive("x", RequestPreVote(1, 1, 1))
    assert effects[0] == reply("x", PreVoteResponse(1, 1, vote_granted=False, removed=told))


def test_removed_node_does_not_disturb_a_working_leader():
    """Servers disregard RequestVote when they believe a current leader exists (§6)."""
    node = boss(configuration=REMOVED)
    before = node.state
    node.receive("x", RequestVote(99, 99, 99))
    assert node.state is before


def test_removed_node_cannot_win_against_a_log_that_holds_its_removal():
    node = follower(term=1, log="1 1", commit=2, configuration=REMOVED)
    node.receive("x", RequestVote(2, 1, 1))
    assert node.state.voted_for is None
