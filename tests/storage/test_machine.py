"""The settings in their tables: the same as in memory, applied once, never skipped."""

import json
import logging
import random

import pytest

from raft_config.core.events import Receive, TakeSnapshot
from raft_config.core.log import Entry
from raft_config.core.messages import AppendEntries, Envelope
from raft_config.core.state import Follower
from raft_config.exceptions import InvalidCommandError, UnknownCommandError
from raft_config.memory import MemoryStateMachine
from raft_config.models import AnsweredRequest, Change, StoredValue
from raft_config.state_machine import (
    REMEMBERED_ENTRIES,
    SEAL,
    Answer,
    CancelSchedule,
    Command,
    FireSchedule,
    Note,
    Value,
    encode_command,
)
from raft_config.storage import check_command, stored_settings, stored_version
from raft_config.storage.machine import DatabaseMachine, hash_of
from raft_config.storage.table import MOST_KEYS

from .helpers import AT, put, random_command, state_of, storage_of

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = json.dumps({"kind": "rename"}).encode()


def entry(index, **command):
    return Entry(index, 1, encode_command(Command(**command)))


def apply(machine, *entries):
    assert machine.apply(entries)[::2] == (len(entries), None)


@pytest.mark.parametrize("seed", range(3))
def test_same_history_gives_the_same_snapshot_as_in_memory(seed):
    dice = random.Random(seed)
    memory, database = MemoryStateMachine(), DatabaseMachine("default")
    index, fired = 0, 0
    for _ in range(80):
        batch = []
        for _ in range(dice.randrange(1, 6)):
            index += 1 if dice.random() < 0.9 else dice.randrange(1, 1000)
            command = random_command(dice, index, memory.scheduled, "UVWXYZ")
            batch.append(Entry(index, 1, encode_command(command)))
        apply(database, *batch)
        for each in batch:
            pending = len(memory.scheduled)
            memory.apply(each.index, each.command)
            fired += len(memory.scheduled) < pending
        assert database.scheduled() == sorted(
            memory.scheduled.values(), key=lambda each: (each.apply_at, each.schedule_id)
        )
    assert index > REMEMBERED_ENTRIES, "nothing was forgotten"
    assert fired > 10, "nothing was scheduled"
    assert database.snapshot() == memory.snapshot()
    restored = DatabaseMachine("default")
    restored.restore(memory.snapshot())
    assert restored.snapshot() == memory.snapshot()
    assert list(Change.objects.order_by("index")), "no history"


def test_name_set_and_reset_in_one_batch_is_not_set():
    machine = DatabaseMachine("default")
    apply(
        machine,
        entry(1, request_id="r", values={"X": "1", "Y": "1"}),
        entry(2, request_id="s", values={"X": "2"}, reset=("Y",)),
        entry(3, request_id="t", reset=("X",)),
        Entry(4, 1),
    )
    assert machine.values() == {}
    assert AnsweredRequest.objects.count() == 3


def test_retry_has_one_effect_and_the_first_answer():
    machine = DatabaseMachine("default")
    apply(machine, entry(1, request_id="r", values={"X": "1"}))
    apply(machine, entry(2, request_id="s", values={"X": "2"}))
    apply(machine, entry(3, request_id="r", values={"X": "1"}))
    assert stored_settings("default") == (0, machine.values())
    assert machine.values() == {"X": Value("2", 2)}
    assert machine.answer("r") == Answer(1) == machine.result(1)
    assert machine.result(3) is None
    assert machine.answer("unknown") is None


def test_conflict_is_remembered_with_its_names():
    machine = DatabaseMachine("default")
    apply(machine, entry(1, request_id="r", values={"X": "1"}, expected={"X": 7, "Y": 0}))
    assert machine.answer("r") == Answer(1, ("X",))
    assert not StoredValue.objects.exists()


# -- what no release of ours could have proposed


@pytest.mark.parametrize(
    "content",
    [
        {"request_id": "x" * 256},
        {"values": {"x" * 256: "1"}},
        {"reset": ["x" * 256]},
        {"expected": {"x" * 256: 1}},
        {"request_id": "a\0b"},
        {"values": {"X": "\ud800"}},
        {"request_id": 7},
        {"values": {"X": 1}},
        {"values": ["X"]},
        {"expected": ["X"]},
        {"reset": [None]},
        {"values": {"": "1"}},
        {"note": [0, "x" * 256, "", "", ""]},
        {"note": [0, "", "x" * 256, "", ""]},
        {"note": [0, "", "", "x" * 256, ""]},
        {"note": [0, "", "", "", "x" * 1001]},
        {"note": [0, "a\0b", "", "", ""]},
        {"note": [0, "", "", "", "\ud800"]},
        {"note": [0, 7, "", "", ""]},
        {"note": [0, "", "", "", None]},
        {"note": [0, "", "", ""]},
        {"note": [-1, "", "", "", ""]},
        {"note": [float("nan"), "", "", "", ""]},
        {"note": "ann"},
        {"apply_at": float("inf")},
        {"apply_at": 2**53},
        {"apply_at": -0.5},
        {"expires_at": float("nan")},
        {"expires_at": "tomorrow"},
        {"request_id": "fire-7"},
        {"kind": "fire", "request_id": "fire-7", "schedule_id": 8, "fired_at": 1},
        {"kind": "fire", "request_id": "fire-7", "schedule_id": 7, "fired_at": -1},
        {"kind": "fire", "request_id": "fire-7", "schedule_id": "7", "fired_at": 1},
        {"kind": "fire", "request_id": f"fire-{2**63}", "schedule_id": 2**63, "fired_at": 1},
        {"kind": "cancel", "schedule_id": 0},
        {"kind": "cancel", "schedule_id": True},
        {"kind": "cancel", "schedule_id": 7.0},
        {"kind": "cancel", "schedule_id": 7, "note": [0, "", "", "", 5]},
    ],
)
def test_command_that_some_database_could_not_store_is_refused_before_the_log(content):
    command = {"kind": "update", "request_id": "r", "values": {}, "reset": [], "expected": {}}
    with pytest.raises(InvalidCommandError):
        check_command(json.dumps(command | content).encode())


def test_reset_that_expires_is_refused_with_advice():
    command = Command("r", {"Y": "1"}, ("X",), expires_at=5.0)
    with pytest.raises(InvalidCommandError, match="Set the default as a value that expires"):
        check_command(encode_command(command))


@pytest.mark.parametrize("expires_at", [4.0, 5.0])
def test_change_that_would_expire_before_it_applies_is_refused(expires_at):
    command = Command("r", {"X": "1"}, apply_at=5.0, expires_at=expires_at)
    with pytest.raises(InvalidCommandError, match="expire before"):
        check_command(encode_command(command))


LONG = Note(2.0**53 - 1, "ü" * 255, "o" * 255, "n" * 255, "c" * 1000)


@pytest.mark.parametrize(
    "command",
    [
        Command("r" * 255, {"ü" * 255: '"\\u0000"'}, ("Y",), {"X": 1}, LONG),
        Command("fire-drill", {"X": "1"}, note=LONG, apply_at=0.0, expires_at=2.0**53 - 1),
        CancelSchedule("r" * 255, 2**63 - 1, LONG),
        FireSchedule.of(2**63 - 1, 2.0**53 - 1),
    ],
)
def test_command_that_every_database_can_store_passes_and_is_stored(command):
    assert check_command(encode_command(command)) == command
    memory, database = MemoryStateMachine(), DatabaseMachine("default")
    memory.apply(7, encode_command(command))
    apply(database, Entry(7, 1, encode_command(command)))
    assert database.snapshot() == memory.snapshot()


# -- what waits


def test_next_changes_are_told_and_no_more_than_asked_for():
    storage = storage_of(state_of())
    planned = [put("X", str(at), apply_at=float(at)) for at in (30, 10, 20)]
    apply(DatabaseMachine("default"), *(Entry(at, 1, each) for at, each in enumerate(planned, 1)))
    assert storage.due_times(2) == [(10.0, 2), (20.0, 3)]


def test_under_a_seal_no_change_is_due():
    storage = storage_of(state_of())
    planned = put("X", "1", apply_at=10.0)
    apply(DatabaseMachine("default"), Entry(1, 1, planned), Entry(2, 1, put(SEAL, "1")))
    assert storage.due_times(2) == []
    lifted = encode_command(Command("lift", reset=(SEAL,)))
    apply(DatabaseMachine("default"), Entry(3, 1, lifted))
    assert storage.due_times(2) == [(10.0, 1)]


@pytest.mark.parametrize("later", [{"apply_at": 5.0}, {"expires_at": 5.0}])
def test_more_is_not_scheduled_than_is_kept_but_everything_else_goes_on(monkeypatch, later):
    monkeypatch.setattr("raft_config.storage.database.MAX_SCHEDULED", 3)
    storage = storage_of(state_of())
    planned = Command("r", {"X": "1"}, **later)
    apply(DatabaseMachine("default"), Entry(1, 1, encode_command(planned)))
    storage.require_room([planned, planned])
    with pytest.raises(InvalidCommandError, match="Cancel some"):
        storage.require_room([planned, planned, planned])
    storage.require_room([Command("r", {"X": "1"}), CancelSchedule("s", 1)] * 5)


# -- halting


def committed(commands, **values):
    """A follower whose entries, from index 1, wait for word that they are committed."""
    entries = [Entry(index, 1, command) for index, command in enumerate(commands, start=1)]
    state = state_of(
        current_term=1,
        role=Follower(100.5),
        last_log_index=len(entries),
        last_log_term=1,
        **values,
    )
    return storage_of(state, entries)


def commit(storage, index):
    message = AppendEntries(1, index, 1, (), index)
    return storage.perform(
        Receive(Envelope("b", "", "a", "", 1, message)), **AT, likely_durable=False
    )


def test_entry_of_a_newer_release_halts_the_node_and_says_so_once(caplog):
    storage = committed([put("X"), put("Y"), UNKNOWN, put("Z")])
    with caplog.at_level(logging.INFO, logger="raft_config.storage"):
        for _ in range(3):
            commit(storage, 4)
    assert storage.version() == 2
    assert storage.values().keys() == {"X", "Y"}
    assert storage.load().commit_index == 4
    assert storage.halted_by().startswith("Entry 3: Command kind 'rename' is unknown")
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert "Upgrade this node" in record.getMessage()
    assert record.node == "a"


def test_halted_node_goes_on_by_itself_once_it_knows_the_command(monkeypatch):
    storage = committed([put("X"), UNKNOWN, put("Z")])
    commit(storage, 3)
    assert storage.version() == 1

    def newer(data):
        return Command("renamed", {"Y": "1"}) if data == UNKNOWN else check_command(data)

    monkeypatch.setattr("raft_config.storage.machine.check_command", newer)
    commit(storage, 3)
    assert storage.version() == stored_version("default") == 3
    assert storage.halted_by() == ""
    assert storage.values().keys() == {"X", "Y", "Z"}


def test_node_can_be_halted_by_what_is_found_outside_of_its_log():
    storage = committed([put("X")])
    storage.halt("Upgrade this node.")
    assert storage.halted_by() == "Upgrade this node."
    commit(storage, 1)
    assert storage.halted_by() == ""


def test_halted_node_still_takes_a_snapshot_of_what_it_applied():
    storage = committed([put("X"), UNKNOWN])
    commit(storage, 2)
    storage.perform(TakeSnapshot(), **AT, likely_durable=True)
    assert storage.log.snapshot.last_included_index == 1


def test_snapshot_of_a_newer_release_is_refused_whole():
    machine = DatabaseMachine("default")
    apply(machine, entry(1, request_id="r", values={"X": "1"}))
    with pytest.raises(UnknownCommandError):
        machine.restore(b'{"format": 2}')
    assert machine.values() == {"X": Value("1", 1)}


def test_hash_of_the_values_is_that_of_the_table_after_any_history_and_after_a_restore():
    """Nodes compare it: a wrong one is a false alarm."""
    dice, machine, kept = random.Random(3), DatabaseMachine("default"), 0
    for index in range(1, 60):
        pending = [each.schedule_id for each in machine.scheduled()]
        command = encode_command(random_command(dice, index, pending))
        kept += machine.apply([Entry(index, 1, command)]).hash_change
        assert kept == hash_of(machine.values())
    assert kept
    assert machine.restore(machine.snapshot()) == kept


def test_hash_tells_values_names_and_indexes_apart():
    told = [
        hash_of(each)
        for each in (
            {},
            {"X": Value("1", 1)},
            {"X": Value("1", 2)},
            {"X": Value("2", 1)},
            {"Y": Value("1", 1)},
            {"X": Value("1", 1), "Y": Value("1", 1)},
        )
    ]
    assert len(set(told)) == len(told)


def test_a_command_may_name_more_settings_than_one_statement_asks_for():
    machine = DatabaseMachine("default")
    names = [f"N{number}" for number in range(MOST_KEYS + 1)]
    for index in (1, 2):  # the second one finds what the first has stored
        apply(machine, entry(index, request_id=f"r{index}", values=dict.fromkeys(names, "1")))
    assert machine.values(names) == dict.fromkeys(names, Value("1", 2))
    assert Change.objects.filter(index=2, old_text="1").count() == len(names)
