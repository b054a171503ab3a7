"""What a committed command does to the values: deterministic, once, and never skipped."""

import json
from dataclasses import replace

import pytest

from raft_config.exceptions import InvalidCommandError, UnknownCommandError
from raft_config.memory import MemoryStateMachine
from raft_config.state_machine import (
    REMEMBERED_ENTRIES,
    SEAL,
    Answer,
    CancelSchedule,
    Changes,
    Command,
    FireSchedule,
    Note,
    Record,
    Scheduled,
    State,
    Value,
    apply,
    decode_command,
    dump_snapshot,
    encode_command,
    load_snapshot,
)

NOTE = Note(1760000000.25, "ann", "admin", "a", "why")
VALUES = {"X": Value("1", 3), "Y": Value('"y"', 4)}


def applied(command, index, answered=None, scheduled=None):
    """What a command changes; the records apart, which tests of their own assert."""
    state = State(dict(VALUES), answered or {}, scheduled or {})
    return replace(apply(state, command, index), records=())


def test_command_sets_and_resets_names_together():
    command = Command("r", {"X": "2", "Z": "3"}, reset=("Y",))
    changed = {"X": Value("2", 9), "Y": None, "Z": Value("3", 9)}
    assert applied(command, 9) == Changes(Answer(9), changed)


def test_reset_of_a_name_that_is_not_set_changes_nothing():
    assert applied(Command("r", reset=("Z",)), 9) == Changes(Answer(9))


def test_name_both_reset_and_set_is_set():
    found = applied(Command("r", {"X": "5"}, reset=("X",)), 9)
    assert found.values == {"X": Value("5", 9)}


def test_apply_modifies_nothing_it_is_given():
    state = State(dict(VALUES))
    apply(state, Command("r", {"X": "2"}, expires_at=5.0), 9)
    assert state == State(VALUES)


@pytest.mark.parametrize("expected", [{"X": 3}, {"X": 3, "Y": 4}, {"Z": 0}, {}])
def test_expectation_that_holds_lets_the_command_through(expected):
    found = applied(Command("r", {"X": "2"}, expected=expected), 9)
    assert found == Changes(Answer(9), {"X": Value("2", 9)})


@pytest.mark.parametrize(
    ("expected", "conflicts"),
    [({"X": 2}, ("X",)), ({"X": 0}, ("X",)), ({"Z": 1}, ("Z",)), ({"Y": 1, "X": 1}, ("X", "Y"))],
)
def test_expectation_that_fails_changes_nothing_and_is_named(expected, conflicts):
    found = applied(Command("r", {"X": "2"}, ("Y",), expected), 9)
    assert found == Changes(Answer(9, conflicts))


def test_retry_has_no_effect_and_gets_the_first_answer():
    answered = {"r": Answer(5)}
    assert applied(Command("r", {"X": "2"}), 9, answered) == Changes(Answer(5))


def test_retry_of_a_conflict_gets_the_conflict_although_it_would_succeed_by_now():
    answered = {"r": Answer(5, ("X",))}
    found = applied(Command("r", {"X": "2"}, expected={"X": 3}), 9, answered)
    assert found == Changes(Answer(5, ("X",)))


@pytest.mark.parametrize(
    ("age", "known"), [(REMEMBERED_ENTRIES - 1, True), (REMEMBERED_ENTRIES, False)]
)
def test_retry_is_recognised_for_so_many_entries(age, known):
    answered = {"r": Answer(5)}
    found = applied(Command("r", {"X": "2"}), 5 + age, answered)
    assert (found.answer == Answer(5)) is known
    assert bool(found.values) is not known


# -- sealed, on the way to another engine

SEALED = State({**VALUES, SEAL: Value('"etcd"', 5)}, {}, {7: Scheduled(7, 1.0, {"X": "9"}, NOTE)})


@pytest.mark.parametrize(
    "command",
    [
        Command("r", {"X": "2"}),
        Command("r", reset=("X",)),
        Command("r", {SEAL: "1"}),
        FireSchedule.of(7, 2.0),
        CancelSchedule("r", 7),
    ],
)
def test_under_a_seal_nothing_is_changed(command):
    assert apply(SEALED, command, 9) == Changes(Answer(9, (SEAL,)))


def test_seal_is_lifted_by_its_reset():
    found = apply(SEALED, Command("r", reset=(SEAL,)), 9)
    assert (found.answer, found.values) == (Answer(9), {SEAL: None})


def test_retry_of_what_a_seal_refused_is_tried_anew_once_it_is_gone():
    answered = {"r": Answer(5, (SEAL,)), "fire-7": Answer(6, (SEAL,))}
    state = State(dict(VALUES), answered, dict(SEALED.scheduled))
    assert apply(state, Command("r", {"X": "2"}), 9).values == {"X": Value("2", 9)}
    assert apply(state, FireSchedule.of(7, 2.0), 9).values == {"X": Value("9", 9)}


# -- bytes


@pytest.mark.parametrize(
    "command",
    [
        Command("r", {"X": "2", "Ü": '"ü"'}, ("Y",), {"X": 3}),
        Command("r", {"X": "2"}, note=NOTE, apply_at=5.0, expires_at=6.5),
        CancelSchedule("r", 7, NOTE),
        FireSchedule.of(7, 5.5),
    ],
)
def test_command_comes_back_from_its_bytes(command):
    assert decode_command(encode_command(command)) == command


def test_command_without_note_or_times_has_none():
    data = b'{"kind":"update","request_id":"r","values":{},"reset":[],"expected":{}}'
    assert decode_command(data) == Command("r")


@pytest.mark.parametrize("instant", [5, 5.0, 0, -0.0])
def test_instant_has_one_form_whatever_json_said(instant):
    """Databases give a float back, and never -0.0: so must memory."""
    data = encode_command(Command("r", apply_at=instant, note=Note(instant)))
    found = decode_command(data)
    assert {repr(found.apply_at), repr(found.note.changed_at)} == {repr(abs(float(instant)))}


@pytest.mark.parametrize("instant", ["5", True, [5], 10**400])
def test_instant_that_is_no_number_is_an_error(instant):
    content = {"kind": "fire", "request_id": "fire-1", "schedule_id": 1, "fired_at": instant}
    with pytest.raises(InvalidCommandError, match="holds no command"):
        decode_command(json.dumps(content).encode())


def test_same_command_gives_the_same_bytes_in_whatever_order_it_was_made():
    one = Command("r", {"A": "1", "B": "2"}, expected={"A": 0, "B": 0})
    other = Command("r", {"B": "2", "A": "1"}, expected={"B": 0, "A": 0})
    assert encode_command(one) == encode_command(other)


@pytest.mark.parametrize("kind", ["rename", "", None, 7, ["update"]])
def test_unknown_kind_of_command_is_an_error_that_tells_to_upgrade(kind):
    with pytest.raises(UnknownCommandError, match="Upgrade this node") as caught:
        decode_command(json.dumps({"kind": kind}).encode())
    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "data",
    [b"", b"garbage", b"\xff", b"[]", b"null", b"{}", b'{"kind": "update"}', b'{"kind": "cancel"}'],
)
def test_bytes_that_are_no_command_are_an_error(data):
    with pytest.raises(InvalidCommandError, match="holds no command"):
        decode_command(data)


def test_command_nested_beyond_reason_is_an_error_and_no_crash():
    with pytest.raises(InvalidCommandError):
        decode_command(b"[" * 100_000)


# -- snapshots

ANSWERED = {"r": Answer(3), "s": Answer(4, ("X",))}
SCHEDULED = {
    3: Scheduled(3, 5.0, {"X": "1", "Y": None}, NOTE, expires_at=7.5),
    11: Scheduled(11, 4.0, {"X": None}, NOTE, guard=11),
}
STATE = State(VALUES, ANSWERED, SCHEDULED)
HISTORY = [
    Record(3, "X", None, "1", NOTE),
    Record(4, "X", "1", "2", NOTE),
    Record(4, "Y", "3", None, NOTE),
]


def test_snapshot_brings_back_values_answers_scheduled_changes_and_history():
    """Raft §7: the snapshot holds the complete state, and that includes what was answered (§8)."""
    assert load_snapshot(dump_snapshot(STATE, HISTORY)) == (STATE, HISTORY)


def test_same_state_gives_the_same_snapshot():
    turned = State(*(dict(reversed(each.items())) for each in (VALUES, ANSWERED, SCHEDULED)))
    as_stored = [HISTORY[0], HISTORY[2], HISTORY[1]]  # a database orders names as it likes
    assert dump_snapshot(STATE, HISTORY) == dump_snapshot(turned, as_stored)


def test_snapshot_of_a_newer_format_is_an_error_that_tells_to_upgrade():
    with pytest.raises(UnknownCommandError, match="snapshot format 2"):
        load_snapshot(b'{"format": 2}')


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format": 1}', b'{"format": 1, "answered": 7}'])
def test_what_is_no_snapshot_is_refused_as_such(data):
    with pytest.raises(InvalidCommandError, match="no snapshot"):
        load_snapshot(data)


# -- the double in memory


def machine_after(*commands):
    machine = MemoryStateMachine()
    for index, command in enumerate(commands, start=1):
        machine.apply(index, encode_command(command))
    return machine


def test_retry_after_a_snapshot_has_one_effect_and_gets_the_first_answer():
    first = machine_after(Command("r", {"X": "1"}), Command("s", {"X": "2"}))
    second = MemoryStateMachine()
    second.restore(first.snapshot())
    assert second.apply(3, encode_command(Command("r", {"X": "1"}))) == Answer(1)
    assert second.values == {"X": Value("2", 2)}


def test_machine_sets_resets_and_starts_empty():
    machine = machine_after(Command("r", {"X": "1", "Y": "1"}), Command("s", reset=("X", "Q")))
    assert machine.values == {"Y": Value("1", 1)}
    machine.restore(b"")
    assert (machine.values, machine.answered) == ({}, {})


def test_answers_are_forgotten_after_so_many_entries():
    machine = MemoryStateMachine()
    put = encode_command
    machine.apply(1, put(Command("r", {"X": "1"})))
    machine.apply(2, put(Command("s", {"X": "2"})))
    machine.apply(REMEMBERED_ENTRIES + 1, put(Command("t", {"X": "3"})))
    assert set(machine.answered) == {"s", "t"}


def test_machine_that_was_restored_stays_equal_to_one_that_was_not():
    """Same commands, same bytes: nodes compare the digests of their snapshots."""
    one, other = machine_after(Command("r"), Command("s")), MemoryStateMachine()
    one.apply(REMEMBERED_ENTRIES + 1, encode_command(Command("r")))
    other.restore(one.snapshot())
    for machine in (one, other):
        machine.apply(REMEMBERED_ENTRIES + 2, encode_command(Command("t")))
    assert one.snapshot() == other.snapshot()
