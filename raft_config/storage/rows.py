"""History and scheduled changes <-> the rows they are stored in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from django.db.models import QuerySet

from ..models import Change, Noted, ScheduledChange
from ..state_machine import Note, Record, Scheduled
from .codec import dump_json

NOTE_COLUMNS = tuple(each.name for each in fields(Note))


def record_row(record: Record) -> Change:
    """A change in the history as a row, not saved yet."""
    return Change(
        index=record.index,
        name=record.name,
        old_text=record.old,
        new_text=record.new,
        **_note_columns(record.note),
    )


def records_of(rows: QuerySet[Change]) -> Iterator[Record]:
    """The records in these rows; without an object of the model for each, there may be many."""
    columns = rows.values_list("index", "name", "old_text", "new_text", *NOTE_COLUMNS)
    for index, name, old, new, *note in columns:
        yield Record(index, name, old, new, Note(*note))


def scheduled_row(planned: Scheduled) -> ScheduledChange:
    """A scheduled change as a row, not saved yet."""
    return ScheduledChange(
        schedule_id=planned.schedule_id,
        apply_at=planned.apply_at,
        values=dump_json(dict(planned.values)),
        expires_at=planned.expires_at,
        guard=planned.guard,
        **_note_columns(planned.note),
    )


def scheduled_of(row: ScheduledChange) -> Scheduled:
    """A row of the scheduled changes."""
    return Scheduled(
        schedule_id=row.schedule_id,
        apply_at=row.apply_at,
        values=json.loads(row.values),
        note=_note_of(row),
        expires_at=row.expires_at,
        guard=row.guard,
    )


def _note_columns(note: Note) -> dict[str, Any]:
    return {name: getattr(note, name) for name in NOTE_COLUMNS}


def _note_of(row: Noted) -> Note:
    return Note(*(getattr(row, name) for name in NOTE_COLUMNS))
