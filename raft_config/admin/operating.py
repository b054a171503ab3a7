"""Acting upon the cluster: what it would do to the quorum, a question, and an audit entry.

    GET  transfer/?node_id=b    the plan, and the button that does it
    POST transfer/?node_id=b    does it; what it cannot be done without is planned again there

`operations` plans, refuses and does; nothing here can force what it refuses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import operations, permissions
from ..exceptions import InvalidCommandError, MembershipError, RaftConfigError
from ..language import told
from ..node import get_node
from ..operations import Operation, Plan
from .base import PageAdmin
from .problems import Problem

logger = logging.getLogger("raft_config")


@dataclass(frozen=True, slots=True)
class Action:
    """An operation as the pages call it."""

    name: str
    title: str | Promise
    button: str | Promise
    asks: tuple[str, ...] = ()
    """What has to be typed: node_id, address."""
    is_grave: bool = False
    promote: bool = True


ACTIONS: Final = {
    each.name.replace("_", "-"): each
    for each in (
        Action("transfer", gettext_lazy("Hand leadership over"), gettext_lazy("Hand over")),
        Action(
            "add",
            gettext_lazy("Add a learner"),
            gettext_lazy("Add it"),
            ("node_id", "address"),
            promote=False,
        ),
        Action("promote", gettext_lazy("Make a learner a voter"), gettext_lazy("Promote")),
        Action("remove", gettext_lazy("Remove a node"), gettext_lazy("Remove it"), is_grave=True),
        Action(
            "set_url", gettext_lazy("Change an address"), gettext_lazy("Change it"), ("address",)
        ),
        Action("snapshot", gettext_lazy("Take a snapshot"), gettext_lazy("Take it")),
        Action("drain", gettext_lazy("Drain a node"), gettext_lazy("Drain it")),
        Action("undrain", gettext_lazy("End a drain"), gettext_lazy("Let it lead again")),
    )
}
"""By the last part of their address."""


class OperatingAdmin(PageAdmin):
    """Pages for whoever has the permission to operate the cluster."""

    def get_urls(self) -> list[URLPattern]:
        routes = [
            self.route(f"{slug}/", self._guarded(action), slug) for slug, action in ACTIONS.items()
        ]
        return [*super().get_urls(), *routes]

    def _guarded(self, action: Action) -> Callable[..., HttpResponseBase]:
        def view(request: HttpRequest) -> HttpResponseBase:
            if not permissions.operates(request.user):
                raise PermissionDenied
            return self.operate(request, action)

        return view

    def operate(self, request: HttpRequest, action: Action) -> HttpResponseBase:
        """Show what it would do; on POST, do it."""
        given = request.GET
        operation = Operation(
            action.name,
            node_id=given.get("node_id", "").strip(),
            address=given.get("address", "").strip().rstrip("/"),
            promote=action.promote,
        )
        confirm = partial(self._confirm, request, action, operation)
        if any(not getattr(operation, name) for name in action.asks):
            return confirm(None)
        if request.method == "POST":
            return self._perform(request, action, operation)
        try:
            return confirm(operations.plan(operation))
        except (RaftConfigError, DatabaseError) as error:
            return confirm(None, problem_of(error))

    def _perform(
        self, request: HttpRequest, action: Action, operation: Operation
    ) -> HttpResponseBase:
        try:
            done = operations.perform(operation)
        except (RaftConfigError, DatabaseError) as error:
            _audit(request, operation, _("Failed: %s") % error)
            return self._confirm(request, action, operation, None, problem_of(error))
        _audit(request, operation, done.text)
        messages.success(request, _("Done: %s") % done.text)
        return HttpResponseRedirect(self.url("changelist"))

    def _confirm(
        self,
        request: HttpRequest,
        action: Action,
        operation: Operation,
        plan: Plan | None,
        problem: Problem | None = None,
    ) -> HttpResponseBase:
        context: dict[str, Any] = {"action": action, "operation": operation, "plan": plan}
        return self.render(request, "operate", str(action.title), problem=problem, **context)


def problem_of(error: RaftConfigError | DatabaseError) -> Problem:
    """Why it was not, or not certainly, done."""
    if isinstance(error, (MembershipError, InvalidCommandError)):
        return Problem(_("Nothing was changed."), told(error), "", HTTPStatus.CONFLICT)
    advice = _("Look at the cluster page; an operation that was done already may be repeated.")
    headline = _("This could not be done, or it is not known whether it was.")
    return Problem(headline, told(error), advice, HTTPStatus.SERVICE_UNAVAILABLE)


def _audit(request: HttpRequest, operation: Operation, text: str) -> None:
    user = request.user.get_username()
    facts = {"user": user, "operation": operation.name, "subject": operation.node_id}
    logger.info("%s by %s: %s", operation.name, user, text, extra=facts)
    get_node().journal.note("operator", subject=operation.node_id, detail=text, user=user)
