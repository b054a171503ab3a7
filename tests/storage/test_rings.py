"""What a node remembers of itself: bounded, relaxed, and in few statements."""

import pytest

from raft_config.models import Event, Sample
from raft_config.storage.rings import KEPT_EVENTS, SAMPLE_SECONDS, SAMPLES, Measured, Rings

from .helpers import IS_SQLITE, statements

pytestmark = pytest.mark.django_db(transaction=True)

RELAXED = (
    ["PRAGMA synchronous=NORMAL", "BEGIN IMMEDIATE", "PRAGMA synchronous=FULL"]
    if IS_SQLITE
    else ["SET LOCAL synchronous_commit TO OFF"]
)
HOUR = SAMPLES * SAMPLE_SECONDS


@pytest.fixture
def rings():
    return Rings("default")


def test_events_come_newest_first_and_the_oldest_are_forgotten(rings):
    Event.objects.bulk_create(Event(at=float(each), kind="leader") for each in range(KEPT_EVENTS))
    rings.note(9000.0, "election", term=7, subject="a" * 300, detail="b" * 2000, user="ada")
    newest, *others = rings.events(KEPT_EVENTS + 5)
    assert (newest.kind, newest.term, newest.user) == ("election", 7, "ada")
    assert (len(newest.subject), len(newest.detail)) == (255, 1000)
    assert [each.at for each in others[-1:]] == [1.0]
    assert len(others) == KEPT_EVENTS - 1


def test_event_is_one_relaxed_commit(rings):
    with statements() as found:
        rings.note(1.0, "leader")
    assert found == ["INSERT event", "DELETE event"]
    assert found.frame == RELAXED


def test_what_processes_measure_in_the_same_seconds_is_added_up(rings):
    rings.measure(101.0, Measured(commit_index=7, writes=2, write_seconds=0.5, slowest_seconds=0.4))
    rings.measure(109.9, Measured(commit_index=5, writes=1, write_seconds=0.1, slowest_seconds=0.1))
    (only,) = rings.samples(110.0)
    assert (only.at, only.commit_index, only.writes) == (100.0, 7, 3)
    assert (only.write_seconds, only.slowest_seconds) == (pytest.approx(0.6), 0.4)


def test_slot_is_written_over_an_hour_later_so_that_the_table_never_grows(rings):
    for at in (100.0, 110.0, 100.0 + HOUR):
        rings.measure(at, Measured(writes=1))
    assert Sample.objects.count() == 2
    assert [(each.at, each.writes) for each in rings.samples(105.0 + HOUR)] == [
        (110.0, 1),
        (100.0 + HOUR, 1),
    ]


def test_samples_older_than_an_hour_or_from_the_future_are_not_told(rings):
    for at in (100.0, 110.0, 120.0):
        rings.measure(at, Measured(writes=1))
    assert [each.at for each in rings.samples(119.0)] == [100.0, 110.0]
    assert rings.samples(200.0 + HOUR) == []


def test_sample_is_one_relaxed_commit(rings):
    rings.measure(100.0, Measured())
    with statements() as found:
        rings.measure(101.0, Measured(writes=1))
    assert found == ["SELECT sample", "UPDATE sample"]
    assert found.frame == RELAXED


def test_leader_since_is_when_that_was_learned(rings):
    rings.note(5.0, "leader", term=2, subject="b")
    rings.note(6.0, "leader", term=3, subject="c")
    rings.note(7.0, "election", term=3, subject="c")
    assert [rings.leader_since("b", term) for term in (2, 3, 4)] == [5.0, 6.0, None]


def test_it_is_known_since_when_nobody_leads(rings):
    assert rings.leader_since(None, 3) is None
    for at in (5.0, 8.0):
        rings.note(at, "no leader", term=2)
    rings.note(9.0, "election", term=3, subject="c")
    assert rings.leader_since(None, 3) == 8.0


def test_disagreement_lasts_until_a_comparison_finds_the_nodes_equal(rings):
    told = [rings.disagreement()]
    for kind in ("disagreement", "leader", "agreement"):
        rings.note(5.0, kind, subject="c")
        told.append(rings.disagreement())
    assert told == ["", "c", "c", ""]
