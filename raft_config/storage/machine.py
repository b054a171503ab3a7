"""The settings' state machine over its tables, loading only the rows that a command touches.

What a command does is decided by `raft_config.state_machine`, here it is only looked up and stored;
so the same history gives the same snapshot as in memory, byte for byte. However many commands come
at once, the number of statements is the same, as long as they name no more than MOST_KEYS.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import Q, QuerySet

from ..core.log import Entry
from ..exceptions import CommandError, StateMachineError
from ..models import AnsweredRequest, Change, ScheduledChange, StoredValue
from ..state_machine import (
    HISTORY_ENTRIES,
    REMEMBERED_ENTRIES,
    SEAL,
    Answer,
    AnyCommand,
    Command,
    Record,
    Scheduled,
    State,
    Value,
    apply,
    dump_snapshot,
    load_snapshot,
)
from .checking import check_command
from .codec import dump_json
from .rows import RECORD_COLUMNS, record_row, records_of, scheduled_of, scheduled_row
from .table import Table, name_of, select

Commands = Mapping[int, AnyCommand]
"""Commands by the indexes of their entries, in order."""

NO_CONFLICTS = dump_json([])

VALUES = Table(StoredValue, "name", "text", "index")
ANSWERS = Table(AnsweredRequest, "request_id", "index", "conflicts")
CHANGES = Table(Change, *RECORD_COLUMNS)

_DUE = f"""
    SELECT "apply_at", "schedule_id" FROM {name_of(ScheduledChange)}
    WHERE NOT EXISTS (SELECT 1 FROM {VALUES.name} WHERE "name" = %s)
    ORDER BY "apply_at", "schedule_id" LIMIT %s
"""  # noqa: S608 - our own names

HASHES = 1 << 63
"""So many different hashes: what every database's integers hold."""


class Outcome(NamedTuple):
    """What became of entries that were to be applied."""

    applied: int
    """So many were."""
    hash_change: int
    """By so much the hash of all values has grown."""
    problem: StateMachineError | CommandError | None
    """Why the next one was not."""


def hash_of(values: Mapping[str, Value | None]) -> int:
    """A number that tells sets of values apart: the sum of each one's hash, so that it adds up.

    Against accidents, not against somebody who makes values for the purpose.
    """
    return sum(
        int.from_bytes(
            hashlib.sha256(dump_json([name, value.text, value.index]).encode()).digest()[:8], "big"
        )
        for name, value in values.items()
        if value is not None
    )


class DatabaseMachine:
    """Values, answers, scheduled changes and history of the node in the database `alias`."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.answers: dict[str, Answer] = {}
        """Those to the commands that this object has applied, by their request ids."""

    def apply(self, entries: Sequence[Entry]) -> Outcome:
        """Apply entries until one that cannot be."""
        commands: dict[int, AnyCommand] = {}
        problem: StateMachineError | CommandError | None = None
        count = 0
        for entry in entries:
            try:
                if entry.command:
                    commands[entry.index] = check_command(entry.command)
            except (StateMachineError, CommandError) as error:
                problem = error
                break
            count += 1
        hash_change = self._apply_commands(commands) if commands else 0
        return Outcome(count, hash_change, problem)

    def _apply_commands(self, commands: Commands) -> int:
        """Store what they change; returns by how much the hash of all values grows."""
        state = self._touched_by(commands)
        before = dict(state.values)
        records: list[Record] = []
        names: set[str] = set()
        schedule_ids: set[int] = set()
        for index, command in commands.items():
            changes = apply(state, command, index)
            state.take(command.request_id, index, changes)
            records.extend(changes.records)
            names.update(changes.values)
            schedule_ids.update(changes.scheduled)
        changed = {name: state.values.get(name) for name in names}
        self._store_values(changed)
        self._store_scheduled({each: state.scheduled.get(each) for each in schedule_ids})
        self._store_records(records)
        answers = {id_: each for id_, each in state.answered.items() if each.index in commands}
        self._store_answers(answers)
        self.answers.update(answers)
        self._forget(max(commands))
        return hash_of(changed) - hash_of({name: before.get(name) for name in names})

    def _touched_by(self, commands: Commands) -> State:
        """What the state says of all that these commands name."""
        scheduled = self._scheduled_for(commands.values())
        names = {SEAL, *(name for command in commands.values() for name in _names_in(command))}
        names.update(name for planned in scheduled.values() for name in planned.values)
        request_ids = {command.request_id for command in commands.values()}
        return State(self.values(names), self._answers_of(request_ids), scheduled)

    def _scheduled_for(self, commands: Iterable[AnyCommand]) -> dict[int, Scheduled]:
        """Those that are fired or cancelled; with a temporary change, the ends of all others."""
        named: set[int] = set()
        is_temporary = False
        for command in commands:
            if isinstance(command, Command):
                is_temporary |= command.expires_at is not None
            else:
                named.add(command.schedule_id)
        if not named and not is_temporary:
            return {}
        found = self.scheduled(Q(pk__in=sorted(named)) | Q(guard__gt=0))
        return {planned.schedule_id: planned for planned in found}

    def snapshot(self) -> bytes:
        """The whole state; the bytes that every node gives after the same history."""
        rows = self._answered().values_list("request_id", "index", "conflicts")
        state = State(
            self.values(),
            {request_id: _answer(index, text) for request_id, index, text in rows},
            {planned.schedule_id: planned for planned in self.scheduled()},
        )
        # By index alone: each database has its own idea of the order of names.
        return dump_snapshot(state, records_of(self._history().order_by("index")))

    def restore(self, data: bytes) -> int:
        """Replace everything by what a snapshot holds; the hash of its values.

        Raises UnknownCommandError.
        """
        state, records = load_snapshot(data)
        for rows in (self._values(), self._answered(), self._scheduled(), self._history()):
            rows.delete()
        self._store_values(state.values)
        self._store_answers(state.answered)
        self._store_scheduled(state.scheduled)
        self._store_records(records)
        return hash_of(state.values)

    def values(self, names: Iterable[str] | None = None) -> dict[str, Value]:
        """The values of these names that are set, or all of them."""
        rows: Iterable[tuple[str, str, int]]
        if names is not None:
            rows = VALUES.find(self.alias, names)
        else:
            rows = self._values().order_by().values_list("name", "text", "index")
        return {name: Value(text, index) for name, text, index in rows}

    def scheduled(self, which: Q | None = None) -> list[Scheduled]:
        """The changes that wait for their time, the next one first."""
        return [scheduled_of(row) for row in self._scheduled().filter(which or Q())]

    def due_times(self, limit: int) -> list[tuple[float, int]]:
        """When the next scheduled changes are due, and their ids; under a seal none is."""
        return [(apply_at, id_) for apply_at, id_ in select(self.alias, _DUE, (SEAL, limit))]

    def count_scheduled(self) -> int:
        """How many changes wait for their time."""
        return self._scheduled().count()

    def result(self, index: int) -> Answer | None:
        """The answer of the entry at `index`, while it is remembered; None for a retry's entry."""
        texts = self._answered().filter(index=index).values_list("conflicts", flat=True)
        return next((_answer(index, text) for text in texts), None)

    def answer(self, request_id: str) -> Answer | None:
        """What became of a request, while it is remembered."""
        return self._answers_of([request_id]).get(request_id)

    def _answers_of(self, request_ids: Iterable[str]) -> dict[str, Answer]:
        rows = ANSWERS.find(self.alias, request_ids)
        return {request_id: _answer(index, conflicts) for request_id, index, conflicts in rows}

    def _store_values(self, values: Mapping[str, Value | None]) -> None:
        unset = [name for name, value in values.items() if value is None]
        if unset:
            self._values().filter(name__in=unset).delete()
        VALUES.upsert(
            self.alias,
            [
                (name, value.text, value.index)
                for name, value in values.items()
                if value is not None
            ],
        )

    def _store_answers(self, answers: Mapping[str, Answer]) -> None:
        ANSWERS.upsert(
            self.alias,
            [
                (request_id, answer.index, dump_json(list(answer.conflicts)))
                for request_id, answer in answers.items()
            ],
        )

    def _store_scheduled(self, scheduled: Mapping[int, Scheduled | None]) -> None:
        ended = [schedule_id for schedule_id, planned in scheduled.items() if planned is None]
        if ended:
            self._scheduled().filter(pk__in=ended).delete()
        self._scheduled().bulk_create(scheduled_row(each) for each in scheduled.values() if each)

    def _store_records(self, records: Iterable[Record]) -> None:
        CHANGES.insert(self.alias, [record_row(each) for each in records])

    def _forget(self, index: int) -> None:
        """What no retry can be recognised by any more, and what the history tells no more."""
        if index > REMEMBERED_ENTRIES:
            ANSWERS.forget(self.alias, index - REMEMBERED_ENTRIES)
        if index > HISTORY_ENTRIES:
            CHANGES.forget(self.alias, index - HISTORY_ENTRIES)

    def _values(self) -> QuerySet[StoredValue]:
        return StoredValue.objects.using(self.alias)

    def _answered(self) -> QuerySet[AnsweredRequest]:
        return AnsweredRequest.objects.using(self.alias)

    def _scheduled(self) -> QuerySet[ScheduledChange]:
        return ScheduledChange.objects.using(self.alias)

    def _history(self) -> QuerySet[Change]:
        return Change.objects.using(self.alias)


def _names_in(command: AnyCommand) -> Iterable[str]:
    """Those in the command itself; what it fires names more."""
    if isinstance(command, Command):
        return (*command.values, *command.reset, *command.expected)
    return ()


def _answer(index: int, conflicts: str) -> Answer:
    return Answer(index, () if conflicts == NO_CONFLICTS else tuple(json.loads(conflicts)))
