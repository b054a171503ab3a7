"""What an examination found: for people in one line each, for scripts as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from django.utils.translation import gettext as _


class Level(Enum):
    """How much it matters."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; the remedy is "" where none is needed."""

    level: Level
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level.value.upper():8}{self.subject}: {self.text}"
        return f"{line} -> {self.remedy}" if self.remedy else line


def ok(subject: str, text: str) -> Finding:
    """All is well there."""
    return Finding(Level.OK, subject, text)


def error(subject: str, text: str, remedy: str) -> Finding:
    """It has to be mended."""
    return Finding(Level.ERROR, subject, text, remedy)


def warning(subject: str, text: str, remedy: str) -> Finding:
    """It works, and may not for long."""
    return Finding(Level.WARNING, subject, text, remedy)


def unknown(subject: str, text: str, remedy: str = "") -> Finding:
    """It could not be looked at."""
    return Finding(Level.UNKNOWN, subject, text, remedy)


# -- sentences of several findings


def remedy_of_lateness() -> str:
    """What doctor and cluster page say of a driver that may cost an election."""
    return _(
        "Give the node's queue a worker of its own, and look what else keeps its machine busy."
    )


def older_copy() -> str:
    """What is wrong with a node whose database was put back."""
    return _(
        "its database is an older copy of itself: it may have forgotten votes and entries, and "
        "takes part in nothing"
    )


def do_as_it_says() -> str:
    """The remedy for what tells its own."""
    return _("Do as it says; if it names no other remedy, upgrade.")
