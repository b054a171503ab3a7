"""The admin's pages: the settings, which it edits, and the node's tables, which it only shows.

The editor is a view of our own: Django's change view runs inside `atomic()`, and a change that
other nodes have to agree on cannot take part in a rollback.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    QueryDict,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import proposals, status
from .conf import get_config
from .exceptions import (
    CommandError,
    ConflictError,
    OutcomeUnknownError,
    RaftConfigError,
)
from .forms import SettingsForm
from .models import AnsweredRequest, LogEntry, Member, Node, Snapshot, StoredValue
from .node import get_node
from .schema import declared
from .state_machine import CancelSchedule, FireSchedule, decode_command

# Generic for the type checker alone: Django's own class is not.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Model]
else:
    ModelAdmin = admin.ModelAdmin

logger = logging.getLogger("raft_config")

SHOWN_CHARACTERS = 300


class ShownAdmin(ModelAdmin):
    """A table that the engine owns: to be looked at, never edited."""

    actions = None
    list_display_links: Any = None
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        return super().get_queryset(request).using(get_config().database)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PageAdmin(ShownAdmin):
    """An entry of the admin's index that leads to one page of ours."""

    def get_urls(self) -> list[URLPattern]:
        # Outermost, where ATOMIC_REQUESTS looks for it.
        view = transaction.non_atomic_requests(self.admin_site.admin_view(self.page))
        return [path("", view, name=f"{self.opts.app_label}_{self.opts.model_name}_changelist")]

    def page(self, request: HttpRequest) -> HttpResponseBase:
        raise NotImplementedError

    def context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}


# -- the settings


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a save did not (certainly) succeed, and what to do about it."""

    headline: str
    detail: str
    advice: str
    status: int


def problem_of(error: Exception) -> Problem:
    """What the editor tells about an error of `propose`. The form keeps what was typed."""
    nothing_stored = _("Nothing was stored.")
    if isinstance(error, ValidationError):
        return Problem(nothing_stored, " ".join(error.messages), _("Please correct it."), 200)
    if isinstance(error, OutcomeUnknownError):
        return Problem(
            _("It is not known yet whether this was stored."),
            str(error),
            _("Press Save again without changing anything: it will not take effect twice."),
            503,
        )
    if isinstance(error, ConflictError):
        return Problem(
            nothing_stored,
            str(error),
            _("What you typed is still below. Saving again replaces the present values."),
            200,
        )
    if isinstance(error, CommandError):
        return Problem(nothing_stored, str(error), _("What you typed is still below."), 200)
    return Problem(
        nothing_stored,
        str(error),
        _(
            "What you typed is still below. Save again in a moment; if that fails as well, too few "
            "nodes are up, or this one is cut off from them."
        ),
        503,
    )


@admin.register(StoredValue)
class SettingsAdmin(PageAdmin):
    """Lists every declared setting and edits them, with the permissions of the values' model."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return ModelAdmin.has_change_permission(self, request, obj)

    def page(self, request: HttpRequest) -> HttpResponseBase:
        """Show the form; on POST, propose what was changed in one command."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            form = self._form(request)
            return self._render(request, form)
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = self._form(request, request.POST)
        if not form.is_valid():
            return self._render(request, form)
        return self._save(request, form)

    def _save(self, request: HttpRequest, form: SettingsForm) -> HttpResponseBase:
        changes = form.changes()
        if not changes.names:
            messages.info(request, _("Nothing was changed."))
            return HttpResponseRedirect(request.path)
        try:
            answer = proposals.propose(
                changes.values,
                reset=changes.reset,
                expected=changes.expected,
                request_id=changes.request_id,
            )
        except ConflictError as error:
            form = self._form(request, request.POST)
            form.show_overtaken()
            return self._render(request, form, problem_of(error))
        except (RaftConfigError, ValidationError) as error:
            return self._render(request, form, problem_of(error))
        user = request.user.get_username()[:SHOWN_CHARACTERS]
        logger.info("User %r changed %s at index %d", user, ", ".join(changes.names), answer.index)
        messages.success(
            request,
            _("Saved at index %(index)d: %(names)s.")
            % {"index": answer.index, "names": ", ".join(changes.names)},
        )
        return HttpResponseRedirect(request.path)

    def _form(self, request: HttpRequest, data: QueryDict | None = None) -> SettingsForm:
        read_only = not self.has_change_permission(request)
        return SettingsForm(declared(), get_node().storage.values(), data, read_only=read_only)

    def _render(
        self, request: HttpRequest, form: SettingsForm, problem: Problem | None = None
    ) -> HttpResponse:
        context = {
            **self.context(request, _("Settings")),
            "form": form,
            "problem": problem,
            "can_change": self.has_change_permission(request),
            "node": status.read(),
        }
        return TemplateResponse(
            request,
            "raft_config/settings.html",
            context,
            status=problem.status if problem else 200,
        )


# -- the cluster


@admin.register(Node)
class ClusterAdmin(PageAdmin):
    """What this node knows of the cluster; it asks nobody, so it works when the others fail."""

    def page(self, request: HttpRequest) -> HttpResponseBase:
        """Show the state of this node and the members as it sees them."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.context(request, _("Cluster")), "cluster": status.read()}
        return TemplateResponse(request, "raft_config/cluster.html", context)


# -- the tables


def summary(entry: LogEntry) -> str:
    """What an entry does, by names alone and cut; the template escapes it."""
    if entry.configuration:
        members = (each["node_id"] for each in json.loads(entry.configuration)["members"])
        text = _("members: %s") % ", ".join(members)
    elif entry.command:
        text = _command_summary(bytes(entry.command))
    else:
        text = _("opens a term")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _command_summary(data: bytes) -> str:
    try:
        command = decode_command(data)
    except RaftConfigError as error:
        return str(error)
    if isinstance(command, FireSchedule):
        return _("makes the change scheduled at %d") % command.schedule_id
    if isinstance(command, CancelSchedule):
        return _("cancels the change scheduled at %d") % command.schedule_id
    parts = []
    if command.values:
        parts.append(_("sets %s") % ", ".join(sorted(command.values)))
    if command.reset:
        parts.append(_("resets %s") % ", ".join(sorted(command.reset)))
    return "; ".join(parts) or _("changes nothing")


@admin.register(LogEntry)
class LogEntryAdmin(ShownAdmin):
    list_display = ("index", "term", "content")
    ordering = ("-index",)
    list_per_page = 50

    @admin.display(description=gettext_lazy("content"))
    def content(self, entry: LogEntry) -> str:
        return summary(entry)


@admin.register(Member)
class MemberAdmin(ShownAdmin):
    list_display = ("node_id", "address", "voter", "promote", "incarnation", "version")


@admin.register(Snapshot)
class SnapshotAdmin(ShownAdmin):
    list_display = ("last_included_index", "last_included_term", "size_bytes", "digest")


@admin.register(AnsweredRequest)
class AnsweredRequestAdmin(ShownAdmin):
    list_display = ("index", "request_id", "conflicts")
    ordering = ("-index",)
