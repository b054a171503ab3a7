"""The editor: show, preview, save, and settle a conflict, for the settings of one page.

edit --preview--> preview --confirm--> one proposal --> the list
  ^  `--save------------------------------'   |
  '---- what was typed, with what is wrong <--+--> theirs or yours --> one proposal
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import history, permissions, proposals
from ..exceptions import CommandError, ConflictError, RaftConfigError
from ..forms import CHOICE, RESET, VALUE, Changes, SettingsForm
from ..schema import Setting, display
from .facts import Fact, Step, default_display, facts, shown_display, stored_values
from .problems import Problem, outdated, problem_of, told_errors

if TYPE_CHECKING:
    from .settings import SettingsAdmin

logger = logging.getLogger("raft_config")

MAX_LOGGED = 300


@dataclass(frozen=True, slots=True)
class Target:
    """What a page edits: one setting, or those of a group that this user may see."""

    title: str
    settings: Mapping[str, Setting[Any]]


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of the page. Without a field it is only shown."""

    fact: Fact
    value: forms.BoundField | None = None
    reset: forms.BoundField | None = None
    choice: forms.BoundField | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """One setting that two people changed."""

    fact: Fact
    base: str
    yours: str
    choice: forms.BoundField


class Editor:
    """One request to a page of the editor."""

    def __init__(self, page: SettingsAdmin, request: HttpRequest, target: Target) -> None:
        self.page = page
        self.request = request
        self.target = target
        self.stored = stored_values()
        self.editable = {
            name: setting
            for name, setting in target.settings.items()
            if permissions.may_change(request.user, setting) and not setting.is_from_environment
        }

    def respond(self) -> HttpResponseBase:
        if self.request.method != "POST":
            return self._edit(SettingsForm(self.editable, self.stored))
        if not any(permissions.may_change(self.request.user, each) for each in self._all()):
            raise PermissionDenied
        form = SettingsForm(self.editable, self.stored, self.request.POST)
        form.full_clean()
        if form.is_outdated or "nonce" in form.errors:
            return self._edit(form, outdated())
        if "_edit" in self.request.POST:
            form.ask_for_choices()
            return self._edit(form)
        if not form.is_valid():
            return self._conflict(form) if form.is_undecided else self._edit(form)
        return self._act(form, form.changes())

    def _all(self) -> Iterable[Setting[Any]]:
        return self.target.settings.values()

    def _act(self, form: SettingsForm, changes: Changes) -> HttpResponseBase:
        if not changes.names:
            messages.info(self.request, _("Nothing was changed."))
            return HttpResponseRedirect(self.page.url("changelist"))
        if "_preview" not in self.request.POST:
            return self._save(form, changes)
        return self._check(form, changes) or self._preview(form, changes)

    def _check(self, form: SettingsForm, changes: Changes) -> HttpResponseBase | None:
        """What a save would be told at once; for the preview, which must not promise too much."""
        present = form.present()
        overtaken = [name for name in changes.names if present[name].index != form.seen[name].index]
        if overtaken:
            return self._conflict_about(form, overtaken)
        try:
            proposals.encoded(changes.values, changes.reset)
        except ValidationError as error:
            self._mark(form, error)
            return self._edit(form)
        except CommandError as error:
            return self._edit(form, problem_of(error))
        return None

    # -- the pages

    def _edit(self, form: SettingsForm, problem: Problem | None = None) -> HttpResponseBase:
        rows = [self._row(fact, form) for fact in facts(self.target.settings, self.stored)]
        if problem is None and form.errors:
            problem = problem_of(ValidationError([]))
        return self._render("editor", form, problem, rows=rows, pending=self._pending())

    def _row(self, fact: Fact, form: SettingsForm) -> Row:
        def bound(prefix: str) -> forms.BoundField | None:
            name = prefix + fact.name
            return form[name] if name in form.fields else None

        return Row(fact, bound(VALUE), bound(RESET), bound(CHOICE))

    def _pending(self) -> list[str]:
        """Names on this page that a scheduled change will touch."""
        planned = {name for each in history.scheduled() for name in each.values}
        return [name for name in self.target.settings if name in planned]

    def _preview(self, form: SettingsForm, changes: Changes) -> HttpResponseBase:
        steps = [
            Step(
                name, shown_display(self.editable[name], form.seen[name]), self._new(name, changes)
            )
            for name in changes.names
        ]
        typed = list(form.typed(with_choices=True))
        title = _("Preview: %s") % self.target.title
        return self._render("preview", form, None, title, steps=steps, typed=typed, changes=changes)

    def _conflict_about(self, form: SettingsForm, names: Iterable[str]) -> HttpResponseBase:
        return self._conflict(form.after_conflict(list(names)), asked_before=False)

    def _conflict(self, form: SettingsForm, *, asked_before: bool = True) -> HttpResponseBase:
        """Ask for a choice; what else was typed is carried along."""
        wanted = form.wishes()
        among = {name: self.editable[name] for name in form.conflicting}
        conflicts = [
            Conflict(
                fact,
                shown_display(fact.setting, form.conflicting[fact.name]),
                self._new(fact.name, wanted),
                form[CHOICE + fact.name],
            )
            for fact in facts(among, self.stored)
        ]
        others = [name for name in wanted.names if name not in among]
        return self._render(
            "conflict",
            form,
            problem_of(ConflictError(list(among))),
            _("Conflict: %s") % self.target.title,
            conflicts=conflicts,
            others=others,
            typed=list(form.typed(with_choices=False)),
            asked_before=asked_before,
        )

    def _new(self, name: str, changes: Changes) -> str:
        """What the setting would be, in words."""
        setting = self.editable[name]
        if name in changes.values:
            return (
                _("a new secret") if setting.is_secret else display(setting, changes.values[name])
            )
        return default_display(setting)

    def _render(
        self,
        template: str,
        form: SettingsForm,
        problem: Problem | None,
        title: str = "",
        **context: Any,
    ) -> HttpResponseBase:
        return self.page.render(
            self.request,
            template,
            title or self.target.title,
            problem=problem,
            form=form,
            carries=form.carries().items(),
            time_zone=timezone.get_current_timezone_name(),
            **context,
        )

    # -- saving

    def _save(self, form: SettingsForm, changes: Changes) -> HttpResponseBase:
        user = self.request.user.get_username()
        try:
            answer = proposals.propose(
                changes.values,
                reset=changes.reset,
                expected=changes.expected,
                request_id=changes.request_id,
                user=user,
                comment=changes.comment,
                origin="admin",
                apply_at=changes.apply_at,
                expires_at=changes.expires_at,
            )
        except ConflictError as error:
            self.stored = stored_values()
            form.stored = self.stored
            return self._conflict_about(form, error.names)
        except ValidationError as error:
            self._mark(form, error)
            return self._edit(form)
        except RaftConfigError as error:
            return self._edit(form, problem_of(error))
        names = ", ".join(changes.names)
        logger.info("User %r changed %s at index %d", user[:MAX_LOGGED], names, answer.index)
        told = _("Scheduled") if changes.apply_at else _("Saved")
        messages.success(
            self.request,
            _("%(told)s at index %(index)d: %(names)s.")
            % {"told": told, "index": answer.index, "names": names},
        )
        return HttpResponseRedirect(self.page.url("changelist"))

    def _mark(self, form: SettingsForm, error: ValidationError) -> None:
        """Put each error at its field, and the others at the top."""
        for name, told in told_errors(error, self.request.user):
            if name and VALUE + name in form.fields:
                form.add_error(VALUE + name, told)
            else:
                form.add_error(None, f"{name}: {told}" if name else told)
