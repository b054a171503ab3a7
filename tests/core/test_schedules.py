"""History, scheduled and temporary changes: what commands do to them, in memory."""

import pytest

from raft_config.memory import MemoryStateMachine
from raft_config.state_machine import (
    HISTORY_ENTRIES,
    NOT_PENDING,
    REMEMBERED_ENTRIES,
    Answer,
    CancelSchedule,
    Command,
    FireSchedule,
    Note,
    Record,
    Scheduled,
    Value,
    encode_command,
)

NOTE = Note(5.0, "ann", "admin", "a", "why")


class Machine(MemoryStateMachine):
    """Takes commands at the next index, or at one that is named."""

    index = 0

    def do(self, command, *, at=None):
        self.index = at or self.index + 1
        return self.apply(self.index, encode_command(command))

    def put(
        self,
        *,
        at=None,
        reset=(),
        expected=None,
        note=NOTE,
        apply_at=None,
        expires_at=None,
        **values,
    ):
        return self.do(
            Command(f"r{self.index}", values, reset, expected or {}, note, apply_at, expires_at),
            at=at,
        )

    def fire(self, schedule_id, fired_at=100.0):
        return self.do(FireSchedule.of(schedule_id, fired_at))

    @property
    def texts(self):
        return {name: value.text for name, value in self.values.items()}


@pytest.fixture
def machine():
    return Machine()


# -- history


def test_every_changed_setting_is_recorded_with_the_note(machine):
    machine.put(Y="1", X="2")
    machine.put(Y="3", reset=("X",))
    assert list(machine.history) == [
        Record(1, "X", None, "2", NOTE),
        Record(1, "Y", None, "1", NOTE),
        Record(2, "X", "2", None, NOTE),
        Record(2, "Y", "1", "3", NOTE),
    ]


def test_reset_of_a_name_that_is_not_set_is_no_change(machine):
    machine.put(reset=("X",))
    assert not machine.history


def test_same_text_again_is_a_change_because_its_index_moved(machine):
    machine.put(X="1")
    machine.put(X="1")
    assert machine.history[1] == Record(2, "X", "1", "1", NOTE)


def test_conflict_and_retry_leave_no_record(machine):
    machine.do(Command("r", {"X": "1"}))
    machine.do(Command("s", {"X": "2"}, expected={"X": 9}))
    machine.do(Command("r", {"X": "1"}))
    assert len(machine.history) == 1


def test_history_is_forgotten_after_so_many_entries(machine):
    machine.put(X="1")
    machine.put(X="2")
    machine.put(X="3", at=HISTORY_ENTRIES + 1)
    assert [record.index for record in machine.history] == [2, HISTORY_ENTRIES + 1]


# -- scheduled changes


def test_scheduled_change_is_kept_under_the_index_of_its_entry_and_changes_nothing_yet(machine):
    machine.put(X="1")
    answer = machine.put(X="2", reset=("Y",), apply_at=10.0, expires_at=20.0)
    assert answer == Answer(2)
    assert machine.scheduled == {2: Scheduled(2, 10.0, {"X": "2", "Y": None}, NOTE, 20.0)}
    assert machine.values == {"X": Value("1", 1)}
    assert len(machine.history) == 1


def test_scheduled_change_is_made_at_its_firing_and_is_gone(machine):
    machine.put(X="1", Y="1")
    machine.put(X="2", reset=("Y",), apply_at=10.0)
    assert machine.fire(2, fired_at=10.5) == Answer(3)
    assert machine.values == {"X": Value("2", 3)}
    assert machine.scheduled == {}
    noted = Note(10.5, "ann", "schedule", "a", "why")
    assert list(machine.history)[2:] == [
        Record(3, "X", "1", "2", noted),
        Record(3, "Y", "1", None, noted),
    ]


def test_expectation_of_a_scheduled_change_is_checked_when_it_is_scheduled(machine):
    machine.put(X="1")
    assert machine.put(X="2", expected={"X": 9}, apply_at=10.0).conflicts == ("X",)
    assert machine.scheduled == {}
    machine.put(X="3", expected={"X": 1}, apply_at=10.0)
    machine.put(X="4")
    machine.fire(3)
    assert machine.texts == {"X": "3"}, "what happens in between does not count"


@pytest.mark.parametrize("requests", [("fire-1", "fire-1"), ("fire-1", "another")])
def test_scheduled_change_is_made_once_however_often_it_is_fired(machine, requests):
    machine.put(X="1", apply_at=10.0)
    machine.do(FireSchedule(requests[0], 1, 10.0))
    machine.put(X="2")
    machine.do(FireSchedule(requests[1], 1, 10.0))
    assert machine.texts == {"X": "2"}


def test_firing_of_what_is_not_pending_changes_nothing(machine):
    machine.put(X="1")
    assert machine.fire(1) == Answer(2)
    assert machine.texts == {"X": "1"}


def test_repeated_firing_gets_the_first_answer_while_it_is_remembered(machine):
    machine.put(X="1", apply_at=10.0)
    machine.fire(1)
    assert machine.fire(1) == Answer(2)
    assert machine.do(FireSchedule.of(1, 5.0), at=REMEMBERED_ENTRIES + 2) == Answer(
        REMEMBERED_ENTRIES + 2
    )


def test_scheduled_change_is_not_forgotten_with_the_answers(machine):
    machine.put(X="1", apply_at=10.0)
    machine.put(Y="1", at=3 * REMEMBERED_ENTRIES)
    machine.fire(1)
    assert machine.texts == {"X": "1", "Y": "1"}


# -- temporary changes


def test_temporary_change_is_put_back_to_what_was_there_before(machine):
    machine.put(X="1")
    machine.put(X="2", expires_at=10.0)
    assert machine.texts == {"X": "2"}
    assert machine.scheduled == {2: Scheduled(2, 10.0, {"X": "1"}, NOTE, guard=2)}
    machine.fire(2, fired_at=10.5)
    assert machine.values == {"X": Value("1", 3)}
    assert machine.scheduled == {}
    assert machine.history[-1] == Record(3, "X", "2", "1", Note(10.5, "ann", "expiry", "a", "why"))


def test_name_that_was_not_set_before_is_not_set_afterwards(machine):
    machine.put(X="1", expires_at=10.0)
    machine.fire(1)
    assert machine.texts == {}


def test_later_change_wins_over_the_end_of_a_temporary_one(machine):
    machine.put(X="1", Y="1", Z="1")
    machine.put(X="2", Y="2", Z="2", expires_at=10.0)
    machine.put(X="3", reset=("Y",))
    machine.fire(2)
    assert machine.texts == {"X": "3", "Z": "1"}


def test_later_change_wins_even_if_it_set_the_same_text(machine):
    machine.put(X="1")
    machine.put(X="2", expires_at=10.0)
    machine.put(X="2")
    machine.fire(2)
    assert machine.texts == {"X": "2"}


def test_two_temporary_changes_leave_what_was_lasting():
    """Whichever of them ends first."""
    for order in [(2, 3), (3, 2)]:
        machine = Machine()
        machine.put(X="1")
        machine.put(X="2", expires_at=10.0)
        machine.put(X="3", expires_at=20.0)
        for schedule_id in order:
            machine.fire(schedule_id)
        assert machine.texts == {"X": "1"}


def test_scheduled_change_that_expires_is_put_back_later(machine):
    machine.put(X="1")
    machine.put(X="2", apply_at=10.0, expires_at=20.0)
    machine.fire(2, fired_at=11.0)
    assert machine.texts == {"X": "2"}
    noted = Note(11.0, "ann", "schedule", "a", "why")
    assert machine.scheduled == {3: Scheduled(3, 20.0, {"X": "1"}, noted, guard=3)}
    machine.fire(3)
    assert machine.texts == {"X": "1"}


def test_what_was_there_before_is_looked_at_when_the_change_is_made(machine):
    machine.put(X="2", apply_at=10.0, expires_at=20.0)
    machine.put(X="1")
    machine.fire(1, fired_at=11.0)
    machine.fire(3)
    assert machine.texts == {"X": "1"}


def test_change_whose_time_was_missed_altogether_is_not_made(machine):
    """Nobody led from before it should have begun until after it should have ended."""
    machine.put(X="2", apply_at=10.0, expires_at=20.0)
    machine.fire(1, fired_at=20.0)
    assert (machine.texts, machine.scheduled, list(machine.history)) == ({}, {}, [])


def test_temporary_change_of_nothing_has_no_end(machine):
    machine.put(reset=("X",), expires_at=10.0)
    assert machine.scheduled == {}


# -- cancelling


def test_cancelled_change_is_not_made(machine):
    machine.put(X="1", apply_at=10.0)
    assert machine.do(CancelSchedule("c", 1)) == Answer(2)
    machine.fire(1)
    assert (machine.texts, machine.scheduled) == ({}, {})


def test_cancelling_the_end_of_a_temporary_change_keeps_it(machine):
    machine.put(X="1", expires_at=10.0)
    machine.do(CancelSchedule("c", 1))
    machine.fire(1)
    assert machine.texts == {"X": "1"}


@pytest.mark.parametrize("schedule_id", [1, 2, 99])
def test_cancelling_too_late_is_told(machine, schedule_id):
    machine.put(X="1")
    machine.put(X="2", apply_at=10.0)
    machine.fire(2)
    assert machine.do(CancelSchedule("c", schedule_id)) == Answer(4, (NOT_PENDING,))


def test_retry_of_a_cancellation_is_told_that_the_first_one_succeeded(machine):
    machine.put(X="1", apply_at=10.0)
    machine.do(CancelSchedule("c", 1))
    assert machine.do(CancelSchedule("c", 1)) == Answer(2)


def test_everything_survives_a_snapshot(machine):
    machine.put(X="1")
    machine.put(X="2", expires_at=10.0)
    machine.put(Y="1", apply_at=5.0)
    other = Machine()
    other.restore(machine.snapshot())
    other.index = machine.index
    for each in (machine, other):
        each.fire(2)
        each.fire(3)
        assert each.texts == {"X": "1", "Y": "1"}
    assert other.snapshot() == machine.snapshot()
