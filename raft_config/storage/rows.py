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
from .table import Row

NOTE_COLUMNS = tuple(each.name for each in fields(Note))


RECORD_COLUMNS = ("index", "name", "old_text", "new_text", *NOTE_COLUMNS)


def record_row(record: Record) -> Row:
    """A change in the history, as RECORD_COLUMNS say."""
    note = (getattr(record.note, name) for name in NOTE_COLUMNS)
    return record.index, record.name, record.old, record.new, *note


def records_of(rows: QuerySet[Change]) -> Iterator[Record]:
    """The records in these rows; without an object of the model for each, there may be many."""
    for index, name, old, new, *note in rows.values_list(*RECORD_COLUMNS):
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
