"""The node's events and the tail of its log, in sentences."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..exceptions import RaftConfigError
from ..models import Event, LogEntry
from ..permissions import viewable, views_all
from ..schema import display_text
from ..state_machine import Command, decode_command
from .facts import moment
from .tables import summary

TOLD_EVENTS = 40
TOLD_ENTRIES = 20
SHOWN_CHARACTERS = 120

SENTENCES: Final = {
    "election": gettext_lazy("Node %(subject)s campaigned in term %(term)d."),
    "leader": gettext_lazy("Node %(subject)s leads term %(term)d."),
    "no leader": gettext_lazy("No leader was known any more, in term %(term)d."),
    "members": gettext_lazy("The members are: %(detail)s."),
    "snapshot": gettext_lazy("A snapshot was taken, through index %(detail)s."),
    "restored": gettext_lazy("A snapshot was received and restored, through index %(detail)s."),
    "refused": gettext_lazy("Refused: %(subject)s. %(detail)s"),
    "removed": gettext_lazy("Node %(subject)s says that this node was removed."),
    "reachable": gettext_lazy("This node answers at its own URL again, and may lead."),
    "unreachable": gettext_lazy("This node does not answer at its own URL, and will not lead."),
    "disagreement": gettext_lazy("Node %(subject)s has applied something else: an alarm."),
    "agreement": gettext_lazy("Node %(subject)s agrees again."),
    "operator": gettext_lazy("%(detail)s"),
}
REASONS: Final = {
    "wrong_incarnation": gettext_lazy("It has another database than the members know."),
    "other_generation": gettext_lazy("It belongs to another life of this cluster."),
    "AuthenticationError": gettext_lazy("Its signature is missing or wrong: compare SECRETS."),
    "ClockSkewError": gettext_lazy("It was signed too long ago, or in the future: compare clocks."),
    "ReplayedError": gettext_lazy("The same message came before."),
    "WrongClusterError": gettext_lazy("It belongs to a cluster of another CLUSTER_ID."),
    "MisdirectedError": gettext_lazy("It meant another node: compare the URLs."),
    "UnknownNodeError": gettext_lazy("It is no member."),
    "RemovedNodeError": gettext_lazy("It was removed from the cluster."),
    "InvalidMessageError": gettext_lazy("Its message was malformed: compare the releases."),
    "MessageTooLargeError": gettext_lazy("Its message was too large."),
}
SERIOUS: Final = {"disagreement", "refused", "removed", "unreachable", "no leader"}


@dataclass(frozen=True, slots=True)
class Told:
    """An event for people."""

    at: datetime | None
    text: str
    user: str
    is_serious: bool


def told_event(event: Event) -> Told:
    """A sentence; also for a kind that this release does not know."""
    sentence = str(SENTENCES.get(event.kind, "%(detail)s"))
    facts = {
        "subject": event.subject or _("somebody unknown"),
        "term": event.term,
        "detail": str(REASONS.get(event.detail, event.detail)) if event.detail else "",
    }
    text = (sentence % facts).strip()
    return Told(moment(event.at), text, event.user, event.kind in SERIOUS)


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of the log for people."""

    index: int
    term: int
    text: str
    by: str
    is_committed: bool


def lines(entries: list[LogEntry], commit_index: int, user: Any) -> list[Line]:
    """Entries as this user may read them: hidden settings are counted, secrets are masked."""
    visible = None if views_all(user) else viewable(user)
    return [_line(each, commit_index, visible) for each in entries]


def _line(entry: LogEntry, commit_index: int, visible: Collection[str] | None) -> Line:
    text, by = summary(entry, visible), ""
    command = _command(entry)
    if command is not None:
        by = command.note.user
        shown = [
            f"{name} = {_cut(display_text(name, value))}"
            for name, value in sorted(command.values.items())
            if visible is None or name in visible
        ]
        if len(shown) == len(command.values) and not command.reset and shown:
            text = ", ".join(shown)
    return Line(entry.index, entry.term, text, by, entry.index <= commit_index)


def _command(entry: LogEntry) -> Command | None:
    if not entry.command:
        return None
    try:
        found = decode_command(bytes(entry.command))
    except RaftConfigError:
        return None
    return found if isinstance(found, Command) else None


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
