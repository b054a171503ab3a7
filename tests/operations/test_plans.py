"""What each operation would do to the quorum, in words, and what is refused."""

import pytest

from raft_config.core.configuration import Configuration, Member
from raft_config.operations.plans import Operation, View, heir, make_plan

URL = "http://{}.test/raft"


def view(voters="abc", learners="", *, up=None, match=None, last=10, **more):
    """A view of the leader a, who hears everybody that is not said to be down."""
    members = [Member(each, URL.format(each)) for each in voters]
    members += [Member(each, URL.format(each), voter=False) for each in learners]
    everybody = voters + learners
    return View(
        Configuration(tuple(sorted(members, key=lambda each: each.node_id)), 1),
        "a",
        last,
        frozenset(everybody if up is None else up),
        dict.fromkeys(everybody, last) | (match or {}),
        max_lag=5,
        **more,
    )


def plan(name, node_id="", address="", *, at=None, promote=True, **more):
    return make_plan(at or view(**more), Operation(name, node_id, address, promote))


def add(node_id="d", **more):
    return plan("add", node_id, URL.format(node_id), **more)


# -- in words


def test_plan_tells_voters_and_quorum_before_and_after():
    found = add()
    assert "3 voters, 2 needed; after: 4 voters, 3 needed; 4 of those are up." in found.text
    assert "An even number" in found.text
    assert not found.refusal


def test_plan_of_a_cluster_of_one_counts_one_as_one():
    assert (
        "1 voter, 1 needed; after: 2 voters, 2 needed; 2 of those are up."
        in add("b", voters="a").text
    )
    assert "The quorum stays: 1 voter, 1 needed; 1 is up." in plan("undrain", "a", voters="a").text


def test_plan_warns_when_one_more_loss_would_stop_changes():
    assert "One more loss then stops changes." in plan("remove", "c").text
    assert "One more loss" not in plan("remove", "d", voters="abcd").text


def test_learner_without_a_vote_leaves_the_quorum_as_it_is():
    text = add(promote=False).text
    assert "has no vote" in text
    assert "The quorum stays: 3 voters, 2 needed; 3 are up." in text


# -- removing


def test_removal_that_is_asked_for_again_is_found_done():
    """Whoever lost the answer, as of a leader that removed itself, is not told that it failed."""
    seen = view()
    after = seen.after(seen.configuration.without_member("c"))
    found = plan("remove", "c", at=after)
    assert (found.text, found.is_done) == ("Node c is removed already.", True)
    assert "There is no member d" in plan("remove", "d", at=after).refusal


def test_removal_that_would_lose_the_quorum_is_refused_and_cannot_be_forced():
    """Of three, one is down: without one of the other two nothing could be committed."""
    found = plan("remove", "b", up="ab")
    assert "2 voters, 2 needed; 1 of those is up." in found.refusal
    assert "Bring nodes back first" in found.refusal
    assert not found.may_force


def test_dead_node_may_be_removed():
    assert plan("remove", "c", up="ab").refusal == ""


def test_last_voter_is_not_removed():
    found = plan("remove", "a", voters="a", learners="b")
    assert "last voter" in found.refusal
    assert not found.may_force


def test_removal_of_the_leader_says_that_it_steps_down():
    assert "steps down" in plan("remove", "a").text


@pytest.mark.parametrize("name", ["promote", "remove", "set_url", "drain", "undrain", "snapshot"])
def test_stranger_is_refused_with_the_names_of_the_members(name):
    found = plan(name, "x", "http://x")
    assert found.refusal == "There is no member x; the members are a, b, c."


# -- promoting


def test_learner_that_has_caught_up_is_promoted():
    found = plan("promote", "d", learners="d", match={"d": 5})
    assert (found.refusal, found.is_done) == ("", False)


@pytest.mark.parametrize(("up", "match", "reason"), [("abc", 10, "answer"), ("abcd", 4, "lacks 6")])
def test_learner_that_lags_is_refused_but_may_be_forced(up, match, reason):
    found = plan("promote", "d", learners="d", up=up, match={"d": match})
    assert reason in found.refusal
    assert found.may_force


def test_learner_that_lags_cannot_be_forced_where_the_others_would_not_be_enough():
    found = plan("promote", "c", voters="ab", learners="c", up="ac", match={"c": 0})
    assert found.refusal
    assert not found.may_force


def test_promotion_that_would_lose_the_quorum_is_refused():
    found = plan("promote", "d", voters="abc", learners="d", up="ad")
    assert "too few" in found.refusal
    assert not found.may_force


# -- adding, moving


def test_url_of_another_member_is_refused_in_whatever_case():
    """One node under two ids would be two of the majority."""
    for name in ("add", "set_url"):
        found = plan(name, "d" if name == "add" else "c", "http://B.test/raft")
        assert "is the URL of node b" in found.refusal
        assert not found.may_force


def test_newcomer_that_does_not_answer_is_refused_for_good():
    found = add(at=view(problem="Node d was not found there."))
    assert "not found" in found.refusal
    assert not found.may_force


def test_move_to_where_nobody_answers_may_be_forced_while_the_others_are_enough():
    assert plan("set_url", "c", "http://n", at=view(problem="silence")).may_force
    assert not plan("set_url", "c", "http://n", at=view(up="ac", problem="silence")).may_force


def test_what_is_so_already_is_done():
    assert plan("add", "b", URL.format("b")).is_done
    assert plan("set_url", "b", URL.format("b")).is_done
    assert plan("promote", "b").is_done
    assert plan("transfer", "a").is_done


# -- leading


def test_leadership_goes_to_the_most_complete_voter_that_is_up_and_willing():
    found = view("abcde", match={"b": 9, "d": 8}, up="abcd", unwilling=frozenset("c"))
    assert heir(found, "a") == "b"
    assert "Node b takes over" in plan("transfer", at=found).text


@pytest.mark.parametrize(
    ("target", "more", "reason"),
    [
        ("d", {"learners": "d"}, "Promote it first"),
        ("c", {"up": "ab"}, "does not answer"),
        ("c", {"unwilling": frozenset("c")}, "is drained"),
        ("c", {"match": {"c": 1}}, "lacks 9 entries"),
        ("", {"up": "a"}, "leads on"),
    ],
)
def test_transfer_is_refused_to_who_could_not_lead(target, more, reason):
    found = plan("transfer", target, **more)
    assert reason in found.refusal
    assert not found.may_force


def test_drain_of_the_only_one_that_can_lead_is_refused():
    found = plan("drain", "a", unwilling=frozenset("b"), up="ab")
    assert "only one that can lead" in found.refusal
    assert not found.may_force


def test_drain_of_a_follower_may_be_forced_while_another_leads():
    assert plan("drain", "b", unwilling=frozenset("ac")).may_force
