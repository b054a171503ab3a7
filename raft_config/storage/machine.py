"""The settings' state machine over its two tables, loading only the rows that a command touches.

What a command does is decided by `raft_config.state_machine`, here it is only looked up and stored;
so the same history gives the same snapshot as in memory, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet

from ..core.log import Entry
from ..exceptions import CommandError, InvalidCommandError, StateMachineError
from ..models import MAX_NAME_CHARACTERS, AnsweredRequest, StoredValue
from ..state_machine import (
    REMEMBERED_ENTRIES,
    Answer,
    Command,
    Value,
    apply,
    decode_command,
    dump_snapshot,
    load_snapshot,
)
from .codec import dump_json


def check_command(data: bytes) -> Command:
    """The command, if every node can store what it says. Raises StateMachineError, CommandError.

    To be asked before the command goes into the log: afterwards it stops every node.
    """
    command = decode_command(data)
    values, expected, texts = command.values, command.expected, (command.request_id, *command.reset)
    if not isinstance(values, dict) or not isinstance(expected, dict):
        raise InvalidCommandError("The command's values and expectations must be objects.")
    if not all(isinstance(text, str) for text in (*texts, *values.values())):
        raise InvalidCommandError("The command's names and values must be texts.")
    for name in (*texts, *values, *expected):
        if len(name) > MAX_NAME_CHARACTERS:
            raise InvalidCommandError(
                f"A name or request id is longer than {MAX_NAME_CHARACTERS} characters."
            )
    if not _is_storable("".join((*texts, *values, *values.values(), *expected))):
        raise InvalidCommandError("The command holds characters that no database can store.")
    return command


def _is_storable(text: str) -> bool:
    """Neither NUL, which PostgreSQL refuses, nor half a surrogate pair, which is no UTF-8."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


class DatabaseMachine:
    """Values and remembered answers of the node in the database `alias`."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def apply(
        self, entries: Sequence[Entry]
    ) -> tuple[int, StateMachineError | CommandError | None]:
        """Apply entries until one that cannot be: how many were applied, and what is wrong then."""
        commands: dict[int, Command] = {}
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
        if commands:
            self._apply_commands(commands)
        return count, problem

    def _apply_commands(self, commands: Mapping[int, Command]) -> None:
        names = {name for command in commands.values() for name in _names_in(command)}
        request_ids = {command.request_id for command in commands.values()}
        values = self.values(names)
        answered = self._answers_of(request_ids)
        changed: dict[str, Value | None] = {}
        answers: dict[str, Answer] = {}
        for index, command in commands.items():
            changes = apply(values, answered, command, index)
            for name, value in changes.values.items():
                changed[name] = value
                if value is None:
                    del values[name]
                else:
                    values[name] = value
            if changes.answer.index == index:
                answered[command.request_id] = answers[command.request_id] = changes.answer
        self._store_values(changed)
        self._store_answers(answers)
        self._forget_answers(max(commands))

    def snapshot(self) -> bytes:
        """All values and answers; the bytes that every node gives after the same history."""
        rows = self._answered().values_list("request_id", "index", "conflicts")
        answered = {request_id: _answer(index, text) for request_id, index, text in rows}
        return dump_snapshot(self.values(), answered)

    def restore(self, data: bytes) -> None:
        """Replace everything by what a snapshot holds. Raises UnknownCommandError."""
        values, answered = load_snapshot(data)
        self._values().delete()
        self._answered().delete()
        self._store_values(values)
        self._store_answers(answered)

    def values(self, names: Iterable[str] | None = None) -> dict[str, Value]:
        """The values of these names that are set, or all of them."""
        if names is not None:
            found = self._values().in_bulk(sorted(names))
            return {name: Value(row.text, row.index) for name, row in found.items()}
        rows = self._values().order_by().values_list("name", "text", "index")
        return {name: Value(text, index) for name, text, index in rows}

    def result(self, index: int) -> Answer | None:
        """The answer of the entry at `index`, while it is remembered; None for a retry's entry."""
        texts = self._answered().filter(index=index).values_list("conflicts", flat=True)
        return next((_answer(index, text) for text in texts), None)

    def answer(self, request_id: str) -> Answer | None:
        """What became of a request, while it is remembered."""
        return self._answers_of([request_id]).get(request_id)

    def _answers_of(self, request_ids: Iterable[str]) -> dict[str, Answer]:
        found = self._answered().in_bulk(sorted(request_ids))
        return {each: _answer(row.index, row.conflicts) for each, row in found.items()}

    def _store_values(self, values: Mapping[str, Value | None]) -> None:
        unset = [name for name, value in values.items() if value is None]
        if unset:
            self._values().filter(name__in=unset).delete()
        rows = [
            StoredValue(name=name, text=value.text, index=value.index)
            for name, value in values.items()
            if value is not None
        ]
        self._values().bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["text", "index"],
        )

    def _store_answers(self, answers: Mapping[str, Answer]) -> None:
        rows = [
            AnsweredRequest(
                request_id=request_id,
                index=answer.index,
                conflicts=dump_json(list(answer.conflicts)),
            )
            for request_id, answer in answers.items()
        ]
        self._answered().bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["request_id"],
            update_fields=["index", "conflicts"],
        )

    def _forget_answers(self, index: int) -> None:
        """No retry of these can be recognised any more (see `state_machine.apply`)."""
        if index > REMEMBERED_ENTRIES:
            self._answered().filter(index__lte=index - REMEMBERED_ENTRIES).delete()

    def _values(self) -> QuerySet[StoredValue]:
        return StoredValue.objects.using(self.alias)

    def _answered(self) -> QuerySet[AnsweredRequest]:
        return AnsweredRequest.objects.using(self.alias)


def _names_in(command: Command) -> Iterable[str]:
    return (*command.values, *command.reset, *command.expected)


def _answer(index: int, conflicts: str) -> Answer:
    return Answer(index, tuple(json.loads(conflicts)))
