"""What a process remembers of its node, and how seldom it stores it."""

import pytest
from django.db import DatabaseError

from raft_config import measures
from raft_config.core.configuration import Configuration, Member
from raft_config.core.effects import (
    Accepted,
    Compact,
    LeaderChanged,
    MembershipChanged,
    PeerRejected,
    Removed,
    RoleChanged,
)
from raft_config.core.state import Leader, Progress
from raft_config.exceptions import ConflictError, UnavailableError
from raft_config.journal import REPEATED_SECONDS, Journal, lag_of
from raft_config.models import Event, Sample
from raft_config.storage.rings import SAMPLE_SECONDS

from .storage.helpers import state_of, statements

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def journal(clock):
    return Journal("default", clock)


MEMBERS = Configuration((Member("a"), Member("b", voter=False)))


@pytest.mark.parametrize(
    ("effect", "expected"),
    [
        (RoleChanged("candidate", 4), ("election", 4, "a", "")),
        (LeaderChanged("b", 4), ("leader", 4, "b", "")),
        (LeaderChanged(None, 5), ("no leader", 5, "", "")),
        (MembershipChanged(MEMBERS), ("members", 3, "", "a, b (learner)")),
        (Compact(9, 3, MEMBERS, 5), ("snapshot", 3, "", "9")),
        (PeerRejected("c", "x"), ("refused", 0, "c", "wrong_incarnation")),
        (Removed("b"), ("removed", 0, "b", "")),
    ],
)
def test_news_of_the_core_become_events(journal, effect, expected):
    journal.tell(effect, "a", 3)
    event = Event.objects.get()
    assert (event.kind, event.term, event.subject, event.detail) == expected
    assert event.at == 1000.0


@pytest.mark.parametrize("effect", [RoleChanged("follower", 4), Accepted(1, 1)])
def test_what_is_no_news_is_no_event(journal, effect):
    with statements() as found:
        journal.tell(effect, "a", 3)
    assert found == []


def test_peer_that_keeps_knocking_is_one_event_a_minute(journal, clock):
    for _ in range(100):
        journal.tell(PeerRejected("c", "x"), "a", 3)
        journal.tell(PeerRejected("d", "x"), "a", 3)
    assert Event.objects.count() == 2
    clock.now += REPEATED_SECONDS
    journal.tell(PeerRejected("c", "x"), "a", 3)
    assert Event.objects.count() == 3


def test_event_that_cannot_be_stored_stops_nothing(journal, monkeypatch):
    def fail(*_, **__):
        raise DatabaseError("full")

    monkeypatch.setattr(journal.rings, "note", fail)
    monkeypatch.setattr(journal.rings, "measure", fail)
    journal.note("leader")
    with journal.timed_write():
        pass


def test_writes_cost_one_commit_in_ten_seconds(journal, clock):
    with statements() as found:
        for _ in range(1000):
            with journal.timed_write():
                pass
            clock.now += SAMPLE_SECONDS / 1000
    assert found.count("UPDATE sample") == 1
    clock.now += SAMPLE_SECONDS
    with journal.timed_write():
        pass
    assert sum(Sample.objects.values_list("writes", flat=True)) == 1001


def test_tail_is_stored_when_the_page_asks_for_it(journal):
    for _ in range(3):
        with journal.timed_write():
            pass
    assert Sample.objects.get().writes == 1
    journal.flush(is_asked=True)
    assert Sample.objects.get().writes == 3


@pytest.mark.parametrize(
    ("error", "failed"), [(UnavailableError("later"), 1), (ConflictError(["X"]), 0)]
)
def test_write_that_was_refused_for_what_it_says_did_not_fail(journal, error, failed):
    with pytest.raises(type(error)), journal.timed_write():
        raise error
    assert (Sample.objects.get().writes, Sample.objects.get().failed_writes) == (1, failed)


def test_lateness_of_the_driver_is_what_it_had_planned_against_the_clock(journal, clock):
    for now in (50.0, 50.25, 53.45):
        journal.driven(now, wait_seconds=0.2)
    journal.sample(state_of)
    found = Sample.objects.get()
    assert found.lateness_seconds == pytest.approx(3.0)
    assert found.late_ticks == 1


def test_driver_is_known_before_the_first_term(journal, clock):
    with journal.timed_write():
        pass
    assert journal.rings.last_driven(clock()) is None
    clock.now += 30
    journal.sample(state_of)
    assert journal.rings.last_driven(clock()) == Sample.objects.last().at


def test_driver_loads_the_state_once_in_ten_seconds(journal, clock):
    loaded = []

    def load():
        loaded.append(clock())
        return state_of(current_term=3, commit_index=0)

    for _ in range(200):
        journal.sample(load)
        clock.now += 0.1
    assert len(loaded) == 2
    assert Sample.objects.first().term == 3


def test_clock_that_was_set_back_does_not_stop_the_samples(journal, clock):
    journal.sample(state_of)
    clock.now -= 500.0
    journal.sample(state_of)
    assert Sample.objects.count() == 2


def test_lag_of_a_leader_is_that_of_the_slowest_member_that_it_has_heard():
    heard = {"b": Progress(9, 8, version=1), "c": Progress(4, 3, version=1)}
    role = Leader(1, 0.0, {**heard, "d": Progress(11)})
    assert lag_of(state_of(role=role, last_log_index=10)) == 7
    assert lag_of(state_of(commit_index=5, last_applied=4)) == 1


def test_write_is_told_to_prometheus_with_its_outcome(journal):
    def count(outcome):
        name, labels = "raft_config_write_seconds_count", {"outcome": outcome}
        return measures.REGISTRY.get_sample_value(name, labels) or 0

    before = count("UnavailableError")
    with pytest.raises(UnavailableError), journal.timed_write():
        raise UnavailableError("later")
    assert count("UnavailableError") == before + 1


def test_members_are_told_anew_only_when_somebody_comes_goes_or_gets_a_vote(journal):
    for members in (
        (Member("a"), Member("b", "http://b")),
        (Member("a"), Member("b", "http://c")),
        (Member("a"), Member("b", "http://c", voter=False)),
    ):
        journal.tell(MembershipChanged(Configuration(members)), "a", 1)
    told = list(Event.objects.order_by("id").values_list("detail", flat=True))
    assert told == ["a, b", "a, b (learner)"]
