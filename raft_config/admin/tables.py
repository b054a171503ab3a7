"""The engine's tables, to be looked at. They tell no value, and no name that is hidden."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..exceptions import RaftConfigError
from ..language import told
from ..models import AnsweredRequest, LogEntry, Member, Snapshot
from ..permissions import viewable, views_all
from ..state_machine import CancelSchedule, FireSchedule, decode_command
from .base import ShownAdmin

SHOWN_CHARACTERS = 300


def summary(entry: LogEntry, visible: Collection[str] | None) -> str:
    """What an entry does, by names alone and cut; `visible` are the names to tell, None for all."""
    if entry.configuration:
        members = (each["node_id"] for each in json.loads(entry.configuration)["members"])
        text = _("members: %s") % ", ".join(members)
    elif entry.command:
        text = _command_summary(bytes(entry.command), visible)
    else:
        text = _("opens a term")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _command_summary(data: bytes, visible: Collection[str] | None) -> str:
    try:
        command = decode_command(data)
    except RaftConfigError as error:
        return told(error)
    if isinstance(command, FireSchedule):
        return _("makes the change scheduled at %d") % command.schedule_id
    if isinstance(command, CancelSchedule):
        return _("cancels the change scheduled at %d") % command.schedule_id
    parts = [
        sentence % _names(names, visible)
        for sentence, names in ((_("sets %s"), command.values), (_("resets %s"), command.reset))
        if names
    ]
    return "; ".join(parts) or _("changes nothing")


def _names(names: Collection[str], visible: Collection[str] | None) -> str:
    shown = [name for name in sorted(names) if visible is None or name in visible]
    hidden = len(names) - len(shown)
    if hidden:
        shown.append(ngettext("%d other setting", "%d other settings", hidden) % hidden)
    return ", ".join(shown)


@admin.register(LogEntry)
class LogEntryAdmin(ShownAdmin):
    fields = ("index", "term")
    ordering = ("-index",)
    list_per_page = 50

    def get_list_display(
        self, request: HttpRequest
    ) -> tuple[str | Callable[[Any], str | bool], ...]:
        visible = None if views_all(request.user) else viewable(request.user)

        @admin.display(description=gettext_lazy("content"))
        def content(entry: LogEntry) -> str:
            return summary(entry, visible)

        return ("index", "term", content)


@admin.register(Member)
class MemberAdmin(ShownAdmin):
    list_display = ("node_id", "address", "voter", "promote", "incarnation", "version")


@admin.register(Snapshot)
class SnapshotAdmin(ShownAdmin):
    list_display = ("last_included_index", "last_included_term", "size_bytes", "digest")


@admin.register(AnsweredRequest)
class AnsweredRequestAdmin(ShownAdmin):
    fields = ("request_id", "index")
    list_display = ("index", "request_id", "conflict_count")
    ordering = ("-index",)

    @admin.display(description=gettext_lazy("conflicts"))
    def conflict_count(self, answered: AnsweredRequest) -> int:
        return len(json.loads(answered.conflicts))
