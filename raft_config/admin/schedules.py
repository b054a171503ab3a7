"""The changes that wait for their time, and calling one off."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import history, permissions, proposals
from ..exceptions import NotPendingError, RaftConfigError
from ..forms import CommentForm
from ..models import ScheduledChange
from ..state_machine import Scheduled
from .base import VisibleAdmin
from .facts import Author, Step, author_of, moment, step_of, stored_values
from .history import visible_names
from .problems import Problem, bad_request, not_found, problem_of

logger = logging.getLogger("raft_config")

MAX_LOGGED = 300


@dataclass(frozen=True, slots=True)
class Plan:
    """One scheduled change, as far as this user may see it."""

    schedule_id: int
    apply_at: datetime | None
    expires_at: datetime | None
    is_expiry: bool
    """It ends a temporary change."""
    steps: list[Step]
    author: Author
    can_cancel: bool


@admin.register(ScheduledChange)
class ScheduledAdmin(VisibleAdmin):
    """Only who may change all that a scheduled change touches may cancel it."""

    def get_urls(self) -> list[URLPattern]:
        return [*super().get_urls(), self.route("<int:schedule_id>/cancel/", self.cancel, "cancel")]

    def page(self, request: HttpRequest) -> HttpResponseBase:
        """What is pending, the next one first."""
        return self.render(
            request,
            "schedules",
            _("Scheduled changes"),
            plans=self._plans(request),
            time_zone=timezone.get_current_timezone_name(),
        )

    def cancel(self, request: HttpRequest, schedule_id: int) -> HttpResponseBase:
        """Ask for confirmation; on POST, cancel."""
        plan = next(
            (each for each in self._plans(request) if each.schedule_id == schedule_id), None
        )
        if plan is None:
            raise not_found(_("No such change is pending: it was made or cancelled, or never was."))
        if not plan.can_cancel:
            raise PermissionDenied
        form = CommentForm(request.POST if request.method == "POST" else None)
        if not form.is_bound:
            return self._confirm(request, form, plan)
        if not form.is_valid():
            advice = _("Please correct what is marked below.")
            return self._confirm(request, form, plan, bad_request(advice))
        return self._cancel(request, form, plan)

    def _cancel(self, request: HttpRequest, form: CommentForm, plan: Plan) -> HttpResponseBase:
        user = request.user.get_username()
        try:
            proposals.cancel_schedule(
                plan.schedule_id,
                user=user,
                comment=form.cleaned_data["comment"],
                origin="admin",
                request_id=form.request_id("cancel", plan.schedule_id),
            )
        except NotPendingError as error:
            raise not_found(_("It is not pending any more: it was made or cancelled.")) from error
        except RaftConfigError as error:
            return self._confirm(request, form, plan, problem_of(error))
        names = ", ".join(step.name for step in plan.steps)
        logger.info("User %r cancelled a change of %s", user[:MAX_LOGGED], names)
        messages.success(request, _("Cancelled the scheduled change of %s.") % names)
        return HttpResponseRedirect(self.url("changelist"))

    def _confirm(
        self, request: HttpRequest, form: CommentForm, plan: Plan, problem: Problem | None = None
    ) -> HttpResponseBase:
        return self.render(
            request,
            "cancel",
            _("Cancel a scheduled change"),
            problem=problem,
            form=form,
            carries=[("nonce", form["nonce"].value())],
            plan=plan,
            steps=plan.steps,
            time_zone=timezone.get_current_timezone_name(),
        )

    def _plans(self, request: HttpRequest) -> list[Plan]:
        visible = visible_names(request.user)
        changeable = permissions.changeable(request.user)
        stored = {name: value.text for name, value in stored_values().items()}
        plans = []
        for each in history.scheduled():
            names = [name for name in sorted(each.values) if visible is None or name in visible]
            if names:
                steps = [step_of(name, stored.get(name), each.values[name]) for name in names]
                plans.append(_plan(each, steps, changeable))
        return plans


def _plan(scheduled: Scheduled, steps: list[Step], changeable: Collection[str]) -> Plan:
    return Plan(
        schedule_id=scheduled.schedule_id,
        apply_at=moment(scheduled.apply_at),
        expires_at=moment(scheduled.expires_at),
        is_expiry=bool(scheduled.guard),
        steps=steps,
        author=author_of(scheduled.note),
        can_cancel=all(name in changeable for name in scheduled.values),
    )
