"""The replicated settings as pure functions: what a committed command does to the values.

Every node applies the same commands in the same order and must come to the same values, whatever
release it runs: so `apply` never validates (that is done before the log, see `schema`), never
looks at a clock, and never skips a command it does not know.

Values are JSON texts. Each remembers the index of the entry that set it, which is what a
compare-and-set names. The answers of recent requests are part of the replicated state: a retry
under the same request id has one effect and gets the first answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from .exceptions import InvalidCommandError, UnknownCommandError

UPDATE = "update"
"""The one kind of command so far: set some names and reset others, all or nothing."""

REMEMBERED_ENTRIES = 10_000
"""A retry is recognised while fewer entries than this were applied since the first attempt."""

SNAPSHOT_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Value:
    """The JSON text of a setting, and the index of the entry that set it."""

    text: str
    index: int


@dataclass(frozen=True, slots=True)
class Command:
    """Set `values` (JSON texts) and unset the names in `reset`, if `expected` still holds.

    `expected` maps a name to the index that last set it, 0 for a name that is not set.
    """

    request_id: str
    values: Mapping[str, str] = field(default_factory=dict)
    reset: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: its entry's index, and the names whose expectation failed."""

    index: int
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What one command changes: None unsets a name. A repeated request changes nothing."""

    answer: Answer
    values: Mapping[str, Value | None] = field(default_factory=dict)


def apply(
    values: Mapping[str, Value], answered: Mapping[str, Answer], command: Command, index: int
) -> Changes:
    """The changes that the command of the entry at `index` makes; nothing is modified here."""
    first_answer = answered.get(command.request_id)
    if first_answer is not None and index - first_answer.index < REMEMBERED_ENTRIES:
        return Changes(first_answer)
    conflicts = tuple(
        name
        for name, expected_index in sorted(command.expected.items())
        if _index_of(values.get(name)) != expected_index
    )
    if conflicts:
        return Changes(Answer(index, conflicts))
    changed: dict[str, Value | None] = {name: None for name in command.reset if name in values}
    changed.update((name, Value(text, index)) for name, text in command.values.items())
    return Changes(Answer(index), changed)


def _index_of(value: Value | None) -> int:
    return value.index if value is not None else 0


# -- commands as bytes in the log


def encode_command(command: Command) -> bytes:
    """The command as it stands in the log."""
    return _dump(
        {
            "kind": UPDATE,
            "request_id": command.request_id,
            "values": dict(command.values),
            "reset": list(command.reset),
            "expected": dict(command.expected),
        }
    )


def decode_command(data: bytes) -> Command:
    """The command in an entry. Raises UnknownCommandError, InvalidCommandError."""
    try:
        found = json.loads(data)
        kind = found["kind"]
        if kind != UPDATE:
            raise UnknownCommandError(kind)
        return Command(
            request_id=found["request_id"],
            values=found["values"],
            reset=tuple(found["reset"]),
            expected=found["expected"],
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidCommandError(f"The entry holds no command: {error!r}.") from error


# -- snapshots: the same state gives the same bytes


def dump_snapshot(values: Mapping[str, Value], answered: Mapping[str, Answer]) -> bytes:
    """All values and remembered answers, in a fixed order."""
    return _dump(
        {
            "format": SNAPSHOT_FORMAT,
            "values": {name: [value.text, value.index] for name, value in values.items()},
            "answered": {
                request_id: [answer.index, list(answer.conflicts)]
                for request_id, answer in answered.items()
            },
        }
    )


def load_snapshot(data: bytes) -> tuple[dict[str, Value], dict[str, Answer]]:
    """Values and remembered answers. Raises UnknownCommandError for a newer format."""
    found = json.loads(data)
    if found["format"] != SNAPSHOT_FORMAT:
        raise UnknownCommandError(f"snapshot format {found['format']}")
    values = {name: Value(text, index) for name, (text, index) in found["values"].items()}
    answered = {
        request_id: Answer(index, tuple(conflicts))
        for request_id, (index, conflicts) in found["answered"].items()
    }
    return values, answered


def _dump(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
