"""History and scheduled changes <-> the rows they are stored in."""

from __future__ import annotations

import json
from typing import Any

from ..models import Change, Noted, ScheduledChange
from ..state_machine import Note, Record, Scheduled
from .codec import dump_json


def record_row(record: Record) -> Change:
    """A change in the history as a row, not saved yet."""
    return Change(
        index=record.index,
        name=record.name,
        old_text=record.old,
        new_text=record.new,
        **_note_columns(record.note),
    )


def record_of(row: Change) -> Record:
    """A row of the history."""
    return Record(row.index, row.name, row.old_text, row.new_text, _note_of(row))


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
    return {
        "changed_at": note.changed_at,
        "user": note.user,
        "origin": note.origin,
        "node": note.node,
        "comment": note.comment,
    }


def _note_of(row: Noted) -> Note:
    return Note(row.changed_at, row.user, row.origin, row.node, row.comment)
