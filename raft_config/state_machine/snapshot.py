"""Snapshots: the same state gives the same bytes, so nodes may compare digests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields
from itertools import groupby
from operator import attrgetter
from typing import Any

from ..exceptions import InvalidCommandError, UnknownCommandError
from .state import Answer, Note, Record, Scheduled, State, Value

SNAPSHOT_FORMAT = 1

_fields_of = attrgetter(*(each.name for each in fields(Note)))
"""Those of a note: `astuple` copies each as well, ten thousand times while the node waits."""


def dump_snapshot(state: State, history: Iterable[Record]) -> bytes:
    """The whole state and history, in a fixed order; `history` comes in the order of the log."""
    content = {
        "format": SNAPSHOT_FORMAT,
        "values": {name: [value.text, value.index] for name, value in state.values.items()},
        "answered": {
            request_id: [answer.index, list(answer.conflicts)]
            for request_id, answer in state.answered.items()
        },
        "scheduled": [_dump_scheduled(each) for _, each in sorted(state.scheduled.items())],
        # One entry has one note, whatever it changes.
        "history": [
            [index, _fields_of(note), {each.name: [each.old, each.new] for each in records}]
            for (index, note), records in groupby(history, attrgetter("index", "note"))
        ],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def load_snapshot(data: bytes) -> tuple[State, list[Record]]:
    """State, oldest answer first, and history.

    Raises UnknownCommandError for a newer format, InvalidCommandError for what is no snapshot.
    """
    try:
        found = json.loads(data)
        if found["format"] != SNAPSHOT_FORMAT:
            raise UnknownCommandError(f"snapshot format {found['format']}")
        return _load(found)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InvalidCommandError(f"This is no snapshot: {error!r}.") from error


def _load(found: Any) -> tuple[State, list[Record]]:
    answers = {
        request_id: Answer(index, tuple(conflicts))
        for request_id, (index, conflicts) in found["answered"].items()
    }
    scheduled = [_load_scheduled(each) for each in found["scheduled"]]
    state = State(
        {name: Value(text, index) for name, (text, index) in found["values"].items()},
        dict(sorted(answers.items(), key=lambda item: item[1].index)),
        {each.schedule_id: each for each in scheduled},
    )
    return state, [record for each in found["history"] for record in _load_records(*each)]


def _dump_scheduled(planned: Scheduled) -> list[Any]:
    return [
        planned.schedule_id,
        planned.apply_at,
        dict(planned.values),
        _fields_of(planned.note),
        planned.expires_at,
        planned.guard,
    ]


def _load_scheduled(found: list[Any]) -> Scheduled:
    schedule_id, apply_at, values, note, expires_at, guard = found
    return Scheduled(schedule_id, apply_at, values, Note(*note), expires_at, guard)


def _load_records(
    index: int, note: list[Any], changed: dict[str, tuple[str | None, str | None]]
) -> list[Record]:
    shared = Note(*note)
    return [Record(index, name, old, new, shared) for name, (old, new) in sorted(changed.items())]
