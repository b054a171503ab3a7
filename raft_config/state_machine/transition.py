"""What a command does to the state. One function per kind, and nothing here modifies anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .commands import AnyCommand, CancelSchedule, Command, FireSchedule
from .state import (
    NOT_PENDING,
    REMEMBERED_ENTRIES,
    SEAL,
    Answer,
    Changes,
    Note,
    Record,
    Scheduled,
    State,
    Value,
)

Texts = Mapping[str, str | None]
"""What names are to become; None unsets one."""


def apply(state: State, command: AnyCommand, index: int) -> Changes:
    """The changes that the command of the entry at `index` makes; nothing is modified here."""
    first_answer = state.answered.get(command.request_id)
    if first_answer is not None and _still_holds(first_answer, index):
        return Changes(first_answer)
    if SEAL in state.values and not _lifts_seal(command):
        return Changes(Answer(index, (SEAL,)))
    if isinstance(command, FireSchedule):
        return _fire(state, command, index)
    if isinstance(command, CancelSchedule):
        return _cancel(state, command, index)
    return _update(state, command, index)


def _still_holds(answer: Answer, index: int) -> bool:
    """Whether a retry gets it; what was refused by a seal is tried again once that is gone."""
    return index - answer.index < REMEMBERED_ENTRIES and answer.conflicts != (SEAL,)


def _lifts_seal(command: AnyCommand) -> bool:
    return isinstance(command, Command) and SEAL in command.reset


def _update(state: State, command: Command, index: int) -> Changes:
    conflicts = tuple(
        name
        for name, expected_index in sorted(command.expected.items())
        if _index_of(state.values.get(name)) != expected_index
    )
    if conflicts:
        return Changes(Answer(index, conflicts))
    texts: Texts = {**dict.fromkeys(command.reset), **command.values}
    if command.apply_at is None:
        return _set(state, texts, index, command.note, command.expires_at)
    planned = Scheduled(index, command.apply_at, texts, command.note, command.expires_at)
    return Changes(Answer(index), scheduled={index: planned})


def _fire(state: State, command: FireSchedule, index: int) -> Changes:
    """Make a scheduled change whose time has come: once, because it is gone afterwards."""
    planned = state.scheduled.get(command.schedule_id)
    if planned is None:
        return Changes(Answer(index))
    origin = "expiry" if planned.guard else "schedule"
    note = replace(planned.note, changed_at=command.fired_at, origin=origin)
    texts = _still_wanted(state, planned, command.fired_at)
    changes = _set(state, texts, index, note, planned.expires_at)
    return replace(changes, scheduled={planned.schedule_id: None, **changes.scheduled})


def _cancel(state: State, command: CancelSchedule, index: int) -> Changes:
    if command.schedule_id not in state.scheduled:
        return Changes(Answer(index, (NOT_PENDING,)))
    return Changes(Answer(index), scheduled={command.schedule_id: None})


def _still_wanted(state: State, planned: Scheduled, fired_at: float) -> Texts:
    if planned.guard:  # a later change wins
        return {
            name: text
            for name, text in planned.values.items()
            if _index_of(state.values.get(name)) == planned.guard
        }
    # No node led while it should have begun, and by now it should have ended as well.
    is_over = planned.expires_at is not None and planned.expires_at <= fired_at
    return {} if is_over else planned.values


def _set(
    state: State, texts: Texts, index: int, note: Note, expires_at: float | None = None
) -> Changes:
    changed = {
        name: None if text is None else Value(text, index)
        for name, text in texts.items()
        if text is not None or name in state.values
    }
    records = tuple(
        Record(index, name, _text_of(state.values.get(name)), texts[name], note)
        for name in sorted(changed)
    )
    lasting = {name: _lasting_text(state, name) for name, value in changed.items() if value}
    if expires_at is None or not lasting:
        return Changes(Answer(index), changed, records)
    end = Scheduled(index, expires_at, lasting, note, guard=index)
    return Changes(Answer(index), changed, records, {index: end})


def _lasting_text(state: State, name: str) -> str | None:
    """What a temporary change of this name is to put back.

    In place of a value that is itself temporary it is what was there before that: whichever of the
    two ends first, nothing temporary stays for good.
    """
    value = state.values.get(name)
    end = state.scheduled.get(_index_of(value))
    return end.values[name] if end is not None and end.guard else _text_of(value)


def _index_of(value: Value | None) -> int:
    return value.index if value is not None else 0


def _text_of(value: Value | None) -> str | None:
    return value.text if value is not None else None
