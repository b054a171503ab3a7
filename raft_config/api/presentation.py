"""Settings and changes as JSON. This is where secrets are masked: no view shows a value itself.

Values are as `Setting.to_json` gives them, and as a write takes them: a decimal is text, a
timedelta microseconds, an instant ISO 8601 in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from ..live import config
from ..loading import Loaded
from ..schema import MASK, SchemaError, Setting, declared, display_text, stored_name_of
from ..schema.fields import choice_keys
from ..state_machine import Note, Record, Scheduled


def setting_as_json(
    name: str, setting: Setting, loaded: Loaded, *, last: Record | None, can_change: bool
) -> dict[str, Any]:
    """A setting as it is in force here, of the version that is pinned."""
    return {
        "name": name,
        "type": setting.kind_name,
        "group": setting.group,
        "help_text": str(setting.help_text),
        "value": value_as_json(setting, config[name]),
        "default": value_as_json(setting, setting.default),
        "choices": [_plain(setting, key) for key in choice_keys(setting.choices)],
        "source": config.source(name),
        "index": index_of(name, loaded),
        "is_secret": setting.is_secret,
        "is_public": setting.public,
        "can_change": can_change and not setting.is_from_environment,
        "last_change": None if last is None else {"index": last.index, **note_as_json(last.note)},
    }


def index_of(name: str, loaded: Loaded) -> int:
    """The entry that set a declared setting, 0 where it is not set: what a change may expect."""
    stored = stored_name_of(name, loaded.stored)
    return 0 if stored is None else loaded.stored[stored].index


def value_as_json(setting: Setting, value: Any) -> Any:
    """A value, or the mask."""
    return MASK if setting.is_secret else _plain(setting, value)


def text_as_json(name: str, text: str | None) -> dict[str, Any] | None:
    """What the history holds: null where it was not set, else {"value": ...}.

    A name or type that is not declared here is told as `display_text` shows it.
    """
    if text is None:
        return None
    setting = declared().get(name)
    if setting is not None:
        try:
            value = setting.decode_given(text)
            return {"value": MASK if setting.is_secret else _plain(setting, value)}
        except SchemaError:
            pass
    return {"value": display_text(name, text)}


def change_as_json(change: Record) -> dict[str, Any]:
    """One setting changed by one entry."""
    return {
        "index": change.index,
        "name": change.name,
        "old": text_as_json(change.name, change.old),
        "new": text_as_json(change.name, change.new),
        **note_as_json(change.note),
    }


def note_as_json(note: Note) -> dict[str, Any]:
    """Who, when, from where and why."""
    return {
        "changed_at": instant_as_json(note.changed_at),
        "user": note.user,
        "origin": note.origin,
        "node": note.node,
        "comment": note.comment,
    }


def scheduled_as_json(scheduled: Scheduled, shows: Callable[[str], bool]) -> dict[str, Any]:
    """A change that waits for its time, as far as the reader may see it."""
    return {
        "schedule_id": scheduled.schedule_id,
        "apply_at": instant_as_json(scheduled.apply_at),
        "expires_at": scheduled.expires_at and instant_as_json(scheduled.expires_at),
        "reverts": bool(scheduled.guard),
        "values": texts_as_json(
            {name: text for name, text in scheduled.values.items() if shows(name)}
        ),
        **note_as_json(scheduled.note),
    }


def texts_as_json(texts: Mapping[str, str | None]) -> dict[str, Any]:
    """Stored texts by name; null for what is to be reset."""
    return {name: text_as_json(name, text) for name, text in sorted(texts.items())}


def instant_as_json(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.timezone.utc).isoformat()


def _plain(setting: Setting, value: Any) -> Any:
    """A value as JSON; a default that this declaration would not store is told as text."""
    try:
        return setting.to_json(value)
    except SchemaError:
        return str(value)
