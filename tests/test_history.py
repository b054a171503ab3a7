"""What was changed: read from the tables that the state machine writes, and put back from there."""

from datetime import datetime, timedelta, timezone

import pytest

from raft_config import history
from raft_config.core.log import Entry
from raft_config.exceptions import HistoryUnavailableError
from raft_config.models import Node
from raft_config.state_machine import (
    HISTORY_ENTRIES,
    Command,
    FireSchedule,
    Note,
    Scheduled,
    encode_command,
)
from raft_config.storage import DatabaseStorage
from raft_config.storage.machine import DatabaseMachine

from .storage.helpers import state_of, statements, storage_of

pytestmark = pytest.mark.django_db(transaction=True)

T0 = datetime(2026, 1, 1, tzinfo=timezone.utc)


def note(minute=0, **more):
    return Note((T0 + timedelta(minutes=minute)).timestamp(), **more)


@pytest.fixture
def storage() -> DatabaseStorage:
    return storage_of(state_of())


@pytest.fixture
def do(storage):
    """Applies commands, each at the next index or at the one given."""

    def do(*commands, at=None):
        for command in commands:
            index = at or storage.version() + 1
            outcome = DatabaseMachine("default").apply([Entry(index, 1, encode_command(command))])
            assert (outcome.applied, outcome.problem) == (1, None)
            Node.objects.update(commit_index=index, last_applied=index, last_log_index=index)

    return do


def put(values=None, reset=(), **more):
    put.count += 1
    return Command(f"r{put.count}", values or {}, reset, **more)


put.count = 0


def told(changes):
    return [(each.index, each.name, each.old, each.new) for each in changes]


def test_each_changed_setting_is_told_newest_entry_first(do):
    do(put({"X": "1", "Y": "2"}), put({"X": "3"}, reset=("Y", "Z")))
    assert told(history.changes()) == [
        (2, "X", "1", "3"),
        (2, "Y", "2", None),
        (1, "X", None, "1"),
        (1, "Y", None, "2"),
    ]


def test_change_tells_who_made_it_when_from_where_and_why(do):
    noted = note(3, user="ann", origin="api", node="b", comment="because")
    do(put({"X": "1"}, note=noted))
    assert history.changes()[0].note == noted


@pytest.fixture
def several(do):
    do(
        put({"X": "1"}, note=note(1, user="ann", origin="api", comment="Sale begins")),
        put({"Y": "2"}, note=note(2, user="bob", origin="cli")),
        put({"X": "3"}, note=note(3, user="ann", origin="cli", comment="over")),
    )


@pytest.mark.parametrize(
    ("asked", "indexes"),
    [
        ({}, [3, 2, 1]),
        ({"names": ["X"]}, [3, 1]),
        ({"names": []}, []),
        ({"user": "ann"}, [3, 1]),
        ({"user": "ann", "origin": "cli"}, [3]),
        ({"since": T0 + timedelta(minutes=2)}, [3, 2]),
        ({"until": T0 + timedelta(minutes=2)}, [1]),
        ({"text": "sale"}, [1]),
        ({"text": "y"}, [2]),
        ({"text": "3"}, []),
        ({"before_index": 3}, [2, 1]),
        ({"after_index": 1}, [3, 2]),
        ({"limit": 2}, [3, 2]),
        ({"limit": 1, "before_index": 3, "names": ["X"]}, [1]),
    ],
)
def test_history_is_filtered(several, asked, indexes):
    assert [each.index for each in history.changes(**asked)] == indexes


def test_page_does_not_end_within_an_entry(do):
    do(put({"X": "1"}), put({"X": "2", "Y": "2", "Z": "2"}), put({"X": "3"}))
    page = history.changes(limit=2)
    assert [(each.index, each.name) for each in page] == [(3, "X"), (2, "X"), (2, "Y"), (2, "Z")]
    assert [each.index for each in history.changes(limit=2, before_index=2)] == [1]


def test_last_change_of_each_name(several, do):
    do(put(reset=("Y",)))
    assert told(history.latest().values()) == [(4, "Y", "2", None), (3, "X", "1", "3")]
    assert history.latest(["X", "unknown"]).keys() == {"X"}


# -- points in time


def test_texts_at_each_index_are_those_that_were_set_after_it(do):
    do(put({"X": "1"}), put({"X": "2", "Y": "2"}), put(reset=("X",)), put({"X": "4"}))
    assert [history.texts_at(index) for index in range(5)] == [
        {},
        {"X": "1"},
        {"X": "2", "Y": "2"},
        {"Y": "2"},
        {"X": "4", "Y": "2"},
    ]


def test_difference_of_two_points_in_either_direction(do):
    do(put({"X": "1", "Y": "1"}), put({"X": "2"}), put({"Z": "3"}, reset=("Y",)))
    assert history.difference(1, 3) == {"X": ("1", "2"), "Y": ("1", None), "Z": (None, "3")}
    assert history.difference(3, 1) == {"X": ("2", "1"), "Y": (None, "1"), "Z": ("3", None)}


def test_undoing_puts_back_what_one_entry_changed_and_expects_what_is_set_now(do):
    do(put({"X": "1", "Y": "1"}), put({"X": "2", "Y": "2", "Z": "2"}), put({"X": "3"}))
    assert history.undoing(2) == ({"X": "1", "Y": "1"}, ("Z",), {"X": 3, "Y": 2, "Z": 2})


def test_undoing_of_a_reset_expects_that_it_is_not_set(do):
    do(put({"X": "1"}), put(reset=("X",)))
    assert history.undoing(2) == ({"X": "1"}, (), {"X": 0})


def test_nothing_is_to_be_undone_where_it_is_so_already(do):
    do(put({"X": "1"}), put({"X": "2"}), put({"X": "1"}), put(expected={"X": 3}))
    assert history.undoing(2) == ({}, (), {})
    assert history.undoing(4) == ({}, (), {})


def test_restoring_brings_everything_back(do):
    do(put({"X": "1", "Y": "1", "Q": "1"}), put({"X": "2", "Z": "2"}), put(reset=("Y",)))
    texts, reset, expected = history.restoring(1)
    assert (texts, reset, expected) == (
        {"X": "1", "Y": "1"},
        ("Z",),
        {"X": 2, "Y": 0, "Z": 2},
    )
    do(put(texts, reset, expected=expected))
    assert history.texts_at(4) == history.texts_at(1)


@pytest.mark.parametrize("ask", [history.texts_at, history.restoring, history.undoing])
def test_what_has_not_happened_yet_is_not_told(do, ask):
    do(put({"X": "1"}))
    with pytest.raises(HistoryUnavailableError, match="index from 0 to 1"):
        ask(2)


@pytest.mark.parametrize("ask", [history.texts_at, history.restoring, history.undoing])
def test_what_is_forgotten_is_not_told(do, ask):
    do(put({"X": "1"}), put({"X": "2"}))
    do(put({"X": "3"}), at=HISTORY_ENTRIES + 2)
    assert history.oldest_index() == 2
    assert told(history.changes()) == [(HISTORY_ENTRIES + 2, "X", "2", "3")]
    assert history.texts_at(2) == {"X": "2"}
    with pytest.raises(HistoryUnavailableError, match=f"index from 2 to {HISTORY_ENTRIES + 2}"):
        ask(1)


# -- what waits


def test_scheduled_changes_are_told_the_next_one_first(do):
    do(
        put({"X": "1"}, apply_at=20.0, note=note(user="ann")),
        put({"Y": "1"}, reset=("X",), apply_at=10.0),
        put({"Z": "1"}, expires_at=15.0),
        FireSchedule.of(7, 30.0),
    )
    assert history.scheduled() == [
        Scheduled(2, 10.0, {"X": None, "Y": "1"}, Note()),
        Scheduled(3, 15.0, {"Z": None}, Note(), guard=3),
        Scheduled(1, 20.0, {"X": "1"}, note(user="ann")),
    ]


@pytest.mark.parametrize(
    ("ask", "most"),
    [
        (lambda: history.changes(names=["X"], user="ann", text="x"), 1),
        (history.latest, 1),
        (history.scheduled, 1),
        (history.oldest_index, 1),
        (lambda: history.texts_at(1), 3),
        (lambda: history.restoring(1), 3),
        (lambda: history.undoing(1), 2),
    ],
)
def test_question_takes_as_many_statements_whatever_the_history(do, ask, most):
    do(put({"X": "1"}), put({"X": "2", "Y": "1"}, apply_at=9.0), put({"X": "2", "Y": "1"}))
    with statements() as found:
        ask()
    assert len(found) == most
