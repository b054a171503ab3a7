"""Going back: show what would change, and on confirmation propose exactly that, as one entry."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext as _

from .. import history, permissions, proposals
from ..exceptions import ConflictError, RaftConfigError
from ..forms import CommentForm
from ..schema import SchemaError
from .facts import step_of, stored_values
from .problems import Problem, bad_request, problem_of, told_errors, told_when_forgotten

if TYPE_CHECKING:
    from .base import PageAdmin

logger = logging.getLogger("raft_config")

MAX_LOGGED = 300


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A setting that the user sees and that is not put back."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is put back, as far as this user may."""

    texts: Mapping[str, str]
    values: Mapping[str, Any]
    reset: tuple[str, ...]
    expected: Mapping[str, int]
    """Of each name that is put back, the index that set what is in force."""
    left_out: list[LeftOut]


class PutBack:
    """One request to a page that goes back; `putting` looks at the history anew each time."""

    def __init__(
        self,
        page: PageAdmin,
        request: HttpRequest,
        title: str,
        comment: str,
        putting: Callable[[], history.Putting],
    ) -> None:
        self.page = page
        self.request = request
        self.title = title
        self.comment = comment
        self.putting = putting

    def respond(self) -> HttpResponseBase:
        with told_when_forgotten():
            plan = self._plan()
        if self.request.method != "POST":
            return self._show(CommentForm(initial={"comment": self.comment}), plan)
        if not permissions.changeable(self.request.user):
            raise PermissionDenied
        form = CommentForm(self.request.POST)
        if not form.is_valid():
            return self._show(form, plan, bad_request(_("Please correct what is marked below.")))
        if not plan.expected:
            messages.info(self.request, _("Everything is like that already."))
            return HttpResponseRedirect(self.page.url("changelist"))
        if self.request.POST.get("expected") != _dump(plan.expected):
            return self._show(form, plan, _changed_meanwhile())
        return self._propose(form, plan)

    def _plan(self) -> Plan:
        texts, reset, expected = self.putting()
        changeable = permissions.changeable(self.request.user)
        values: dict[str, Any] = {}
        left_out = []
        for name in expected:
            reason = ""
            if name not in changeable:
                reason = _("You may not change it.")
            elif changeable[name].is_from_environment:
                reason = _("The environment of this node fixes it.")
            elif name in texts:
                try:
                    values[name] = changeable[name].decode_given(texts[name])
                except SchemaError as error:
                    reason = _("What was stored then %s.") % error
            if reason:
                left_out.append(LeftOut(name, reason))
        skipped = {each.name for each in left_out}
        return Plan(
            texts,
            values,
            tuple(name for name in reset if name not in skipped),
            {name: index for name, index in expected.items() if name not in skipped},
            [each for each in left_out if each.name in permissions.viewable(self.request.user)],
        )

    def _show(
        self, form: CommentForm, plan: Plan, problem: Problem | None = None
    ) -> HttpResponseBase:
        stored = stored_values()
        steps = [
            step_of(name, stored[name].text if name in stored else None, plan.texts.get(name))
            for name in sorted(plan.expected)
        ]
        carries = {"nonce": form["nonce"].value(), "expected": _dump(plan.expected)}
        return self.page.render(
            self.request,
            "putting",
            self.title,
            problem=problem,
            form=form,
            carries=carries.items(),
            steps=steps,
            left_out=plan.left_out,
            sees_all=permissions.views_all(self.request.user),
        )

    def _propose(self, form: CommentForm, plan: Plan) -> HttpResponseBase:
        user = self.request.user.get_username()
        try:
            answer = proposals.propose(
                plan.values,
                reset=plan.reset,
                expected=plan.expected,
                request_id=form.request_id(self.title, sorted(plan.expected.items())),
                user=user,
                comment=form.cleaned_data["comment"],
                origin="admin",
            )
        except ConflictError:
            return self._show(form, self._plan(), _changed_meanwhile())
        except ValidationError as error:
            return self._show(form, plan, self._invalid(error))
        except RaftConfigError as error:
            return self._show(form, plan, problem_of(error))
        names = ", ".join(sorted(plan.expected))
        logger.info("User %r put back %s at index %d", user[:MAX_LOGGED], names, answer.index)
        messages.success(
            self.request,
            _("Put back at index %(index)d: %(names)s.") % {"index": answer.index, "names": names},
        )
        return HttpResponseRedirect(self.page.url("changelist"))

    def _invalid(self, error: ValidationError) -> Problem:
        told = " ".join(
            f"{name}: {text}" if name else text
            for name, text in told_errors(error, self.request.user)
        )
        advice = _("What was valid then is not valid now; change these settings by hand.")
        return Problem(_("Nothing was stored."), told, advice, HTTPStatus.OK)


def _changed_meanwhile() -> Problem:
    return Problem(
        _("Nothing was stored."),
        _("Somebody changed one of these settings since you looked."),
        _("This is what would be changed now; look again."),
        HTTPStatus.CONFLICT,
    )


def _dump(expected: Mapping[str, int]) -> str:
    return json.dumps(expected, sort_keys=True)
