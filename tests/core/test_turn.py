"""A step in the making: what its rules see of each other, and what none of them may do."""

import pytest

from raft_config.core.messages import RequestVoteResponse
from raft_config.core.roles import become_follower, become_leader
from raft_config.core.turn import Turn
from raft_config.exceptions import InvariantViolatedError

from .build import JITTER, NOW, TIMEOUT, entries, follower, leader


def turn(node):
    return Turn(node.state, node.view, node.settings, NOW, JITTER)


def test_rules_see_the_log_as_it_will_be_once_the_step_is_stored():
    found = turn(follower(term=3, log="1 1 2 2", commit=1))
    found.append(entries("3 3", 3))
    assert [found.term_at(index) for index in range(6)] == [0, 1, 1, 3, 3, None]
    found.append(entries("4", 5))
    assert [found.term_at(index) for index in range(3, 7)] == [3, 3, 4, None]


@pytest.mark.parametrize("start", [1, 2, 3, 4, 5, 6])
def test_batch_follows_on_its_start_whether_stored_or_just_appended(start):
    found = turn(follower(term=3, log="1 1 2 2", commit=1))
    found.append(entries("3 3", 3))
    batch = found.entries_from(start)
    assert batch == entries("1 1 3 3")[start - 1 : start - 1 + len(batch)]
    assert bool(batch) is (start <= 4)


def test_nothing_committed_is_ever_replaced():
    """State Machine Safety (§5.4.3)."""
    with pytest.raises(InvariantViolatedError, match=r"Entry 2 .*commit_index is 2"):
        turn(follower(log="1 1", commit=2)).append(entries("2", 2))


def test_nothing_is_replaced_that_the_same_step_has_appended():
    found = turn(follower(log="1"))
    found.append(entries("1 1", 2))
    with pytest.raises(InvariantViolatedError, match=r"Entry 3 .*just appended: 3"):
        found.append(entries("2", 3))


def test_rule_of_a_leader_cannot_run_on_another():
    with pytest.raises(InvariantViolatedError, match="acted as leader"):
        _ = turn(follower()).leader


def test_answer_needs_a_request():
    with pytest.raises(InvariantViolatedError, match="no request"):
        turn(follower()).reply(RequestVoteResponse(1, vote_granted=True))


def test_figure_4_knows_no_way_to_lead_but_through_candidacy():
    with pytest.raises(InvariantViolatedError, match="A follower would become leader"):
        become_leader(turn(follower()))


def test_term_never_falls():
    with pytest.raises(InvariantViolatedError, match="from 5 to 4"):
        become_follower(turn(follower(term=5)), 4)


@pytest.mark.parametrize(
    ("instant", "recent"),
    [
        (None, False),
        (NOW, True),
        (NOW - TIMEOUT, False),
        (NOW - TIMEOUT + 0.01, True),
        (NOW + 9, False),
    ],
)
def test_instant_is_recent_within_an_election_timeout(instant, recent):
    assert turn(leader(term=1, log="1")).is_recent(instant) is recent


@pytest.mark.parametrize(
    ("deadline", "running"),
    [(NOW - 1, False), (NOW, False), (NOW + 1, True), (NOW + 2, True), (NOW + 2.01, False)],
)
def test_wait_runs_until_its_deadline_and_never_longer_than_its_length(deadline, running):
    """A deadline further away was set by a clock that has been put back (DESIGN §2.9)."""
    assert turn(follower()).is_running(deadline, 2.0) is running
