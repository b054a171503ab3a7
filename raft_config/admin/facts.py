"""What the pages tell of a setting: its value here, where that comes from, who changed it last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from django.utils.translation import gettext as _

from .. import history
from ..forms import Shown, value_of
from ..node import get_node
from ..schema import Setting, declared, display, display_text, stored_name_of
from ..state_machine import Note, Value

DEFAULT = "default"
CLUSTER = "cluster"
ENVIRONMENT = "environment"


@dataclass(frozen=True, slots=True)
class Step:
    """One setting before and after a change; the texts are for people, and mask secrets."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Author:
    """A note as people read it."""

    user: str
    at: datetime | None
    origin: str
    node: str
    comment: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One setting; the texts are for people, and mask secrets."""

    name: str
    setting: Setting[Any]
    value: str
    default: str
    source: str
    set_at: int
    """The index that set the present value, 0 for none."""
    author: Author | None

    @property
    def is_changed(self) -> bool:
        return self.source != DEFAULT

    @property
    def is_from_environment(self) -> bool:
        return self.source == ENVIRONMENT


def facts(settings: Mapping[str, Setting[Any]], stored: Mapping[str, Value]) -> Iterator[Fact]:
    """Of each setting, in order; one query, however many they are."""
    latest = history.latest(settings.keys())
    for name, setting in settings.items():
        change = latest.get(name)
        yield _fact(name, setting, stored.get(name), author_of(change.note) if change else None)


def _fact(name: str, setting: Setting[Any], stored: Value | None, author: Author | None) -> Fact:
    value, source = value_of(setting, stored.text if stored else None), DEFAULT
    if setting.is_from_environment:
        value, source = setting.environment_value(), ENVIRONMENT
    elif stored is not None:
        source = CLUSTER
    return Fact(
        name=name,
        setting=setting,
        value=_shown(setting, value),
        default=_shown(setting, setting.default),
        source=source,
        set_at=stored.index if stored else 0,
        author=author,
    )


def _shown(setting: Setting[Any], value: object) -> str:
    """A value of the list. That a secret is empty is none: it tells that it is still to be set."""
    return display(setting, value if value or not setting.is_secret else None)


def stored_values() -> dict[str, Value]:
    """What this node has applied, by the name it counts for: one may be stored under a former."""
    stored = get_node().storage.values()
    former = {name: stored_name_of(name, stored) for name in declared()}
    return stored | {name: stored[each] for name, each in former.items() if each is not None}


def author_of(note: Note) -> Author:
    return Author(note.user, moment(note.changed_at), note.origin, note.node, note.comment)


def moment(at: float | None) -> datetime | None:
    """An instant of the log; None also for what no calendar holds."""
    try:
        return datetime.fromtimestamp(at, timezone.utc) if at else None
    except (ValueError, OverflowError, OSError):
        return None


def shown_display(setting: Setting[Any], shown: Shown) -> str:
    """What a page had shown of a setting."""
    if not shown.index:
        return default_display(setting)
    return display(setting, value_of(setting, shown.text))


def default_display(setting: Setting[Any]) -> str:
    return _("%s (default)") % _shown(setting, setting.default)


def step_of(name: str, old: str | None, new: str | None) -> Step:
    """Two stored texts, None for what was not set."""
    return Step(name, _told(name, old), _told(name, new))


def _told(name: str, text: str | None) -> str:
    return _("default") if text is None else display_text(name, text)
