"""What was changed, putting it back, and what is still to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from .. import history, proposals
from ..loading import latest
from ..schema import SchemaError, declared
from ..state_machine import Record
from . import changing, openapi, parsing
from .base import SettingsView
from .presentation import change_as_json, scheduled_as_json, text_as_json
from .problems import Problem, invalid

MAX_PAGE = 500
DEFAULT_PAGE = 50


class History(SettingsView):
    """The changes of the settings that the user may see."""

    parameters: ClassVar[Mapping[str, parsing.Reader]] = {
        "name": parsing.names,
        "group": parsing.names,
        "user": parsing.text,
        "origin": parsing.text,
        "since": parsing.instant,
        "until": parsing.instant,
        "search": parsing.text,
        "before": parsing.index_text,
        "after": parsing.index_text,
        "limit": parsing.at_most(MAX_PAGE, least=1),
    }
    repeated = ("group", "name")

    @openapi.describe_history
    def get(self, _request: Request) -> Response:
        """List changes, newest first. `next` is the `before` of the following page."""
        asked = self.query
        limit = asked.get("limit", DEFAULT_PAGE)
        index = latest().version
        found = history.changes(
            names=self.names_asked_for(),
            user=asked.get("user", ""),
            origin=asked.get("origin", ""),
            since=asked.get("since"),
            until=asked.get("until"),
            text=asked.get("search", ""),
            before_index=asked.get("before"),
            after_index=asked.get("after"),
            limit=limit,
        )
        data = {
            "index": index,
            "oldest_index": history.oldest_index(),
            "changes": [change_as_json(change) for change in found],
            "next": found[-1].index if len(found) >= limit else None,
        }
        return self.shown(data, index)


class Difference(SettingsView):
    """What differs between two points of the history."""

    parameters: ClassVar[Mapping[str, parsing.Reader]] = {
        "from": parsing.index_text,
        "to": parsing.index_text,
    }

    @openapi.describe_difference
    def get(self, _request: Request) -> Response:
        """Compare what was set after `from` with what was set after `to`, by default now."""
        if "from" not in self.query:
            raise invalid({"from": [_("is needed: the index to compare from.")]})
        index = latest().version
        first, second = self.query["from"], self.query.get("to", index)
        changes = [
            {"name": name, "old": text_as_json(name, old), "new": text_as_json(name, new)}
            for name, (old, new) in history.difference(first, second).items()
            if self.shows(name)
        ]
        return self.shown({"from_index": first, "to_index": second, "changes": changes}, index)


@dataclass(frozen=True, slots=True)
class Plan:
    """What putting something back would change, and whether somebody else has changed it since."""

    texts: Mapping[str, str]
    reset: Sequence[str]
    expected: Mapping[str, int]
    overtaken: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        return sorted((*self.texts, *self.reset))

    def limited_to(self, names: set[str]) -> Plan:
        """The part of it that concerns these names."""
        return Plan(
            {name: text for name, text in self.texts.items() if name in names},
            [name for name in self.reset if name in names],
            {name: index for name, index in self.expected.items() if name in names},
            [name for name in self.overtaken if name in names],
        )


class PutBack(SettingsView):
    """Plans something from the history, and proposes it unless `dry_run` asks for the plan only."""

    fields: ClassVar[Mapping[str, parsing.Reader]] = {
        "index": parsing.index,
        "dry_run": parsing.boolean,
        **changing.NOTE_FIELDS,
    }

    def plan(self, index: int, asked: Mapping[str, Any]) -> Plan:
        """What would be put back. Raises HistoryUnavailableError."""
        raise NotImplementedError

    def put_back(self, request: Request) -> Response:
        """Plan it for the names that are declared here; the others are left as they are."""
        asked = parsing.fields_of(request.data, self.fields)
        if "index" not in asked:
            raise invalid({"index": [_("is needed: the index of an entry.")]})
        plan = self.plan(asked.pop("index"), asked).limited_to(set(declared()))
        if not asked.pop("dry_run", False):
            return self._propose(request, plan, asked)
        seen = {name for name in plan.names if self.shows(name)}
        present = latest().stored
        changes = [
            {
                "name": name,
                "old": text_as_json(name, present[name].text if name in present else None),
                "new": text_as_json(name, plan.texts.get(name)),
            }
            for name in sorted(seen)
        ]
        overtaken = [name for name in plan.overtaken if name in seen]
        return Response({"dry_run": True, "changes": changes, "overtaken": overtaken})

    def _propose(self, request: Request, plan: Plan, options: Mapping[str, Any]) -> Response:
        self.require_all_changeable(plan.names)
        if plan.overtaken:
            detail = _("Changed since: %s. Nothing was changed; send force to put back anyway.")
            names = list(plan.overtaken)
            raise Problem(HTTPStatus.CONFLICT, "conflict", detail % ", ".join(names), names=names)
        change = changing.Change(
            values=values_of(plan.texts),
            reset=plan.reset,
            expected=plan.expected,
            options={key: options[key] for key in changing.NOTE_FIELDS if key in options},
        )
        return changing.submit(request, change)


class Revert(PutBack):
    """Undoes the changes of one entry."""

    fields: ClassVar[Mapping[str, parsing.Reader]] = {**PutBack.fields, "force": parsing.boolean}

    @openapi.describe_revert
    def post(self, request: Request) -> Response:
        """Put back what was there before the entry at `index`.

        What was changed again since is a conflict, unless `force` is true.
        """
        return self.put_back(request)

    def plan(self, index: int, asked: Mapping[str, Any]) -> Plan:
        texts, reset, expected = history.undoing(index)
        overtaken: list[str] = []
        if not asked.get("force", False):
            last: Mapping[str, Record] = history.latest(expected)
            overtaken = sorted(name for name in expected if last[name].index != index)
        return Plan(texts, reset, expected, overtaken)


class Restore(PutBack):
    """Brings everything back to how it was."""

    fields: ClassVar[Mapping[str, parsing.Reader]] = {**PutBack.fields, "names": parsing.names}

    @openapi.describe_restore
    def post(self, request: Request) -> Response:
        """Bring everything, or `names`, back to how it was after the entry at `index`."""
        return self.put_back(request)

    def plan(self, index: int, asked: Mapping[str, Any]) -> Plan:
        plan = Plan(*history.restoring(index))
        if "names" not in asked:
            return plan
        self.require_changeable(asked["names"])
        return plan.limited_to(set(asked["names"]))


def values_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """Stored texts as values: what is put back is validated like any other write."""
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, text in texts.items():
        try:
            values[name] = declared()[name].decode_given(text)
        except SchemaError:  # noqa: PERF203 -- each fault is told
            errors[name] = [_("Its old value is not one of the type that is declared now.")]
    if errors:
        raise invalid(errors)
    return values


class Schedules(SettingsView):
    """Changes that wait for their time."""

    @openapi.describe_schedules
    def get(self, _request: Request) -> Response:
        """List them, the next one first, as far as the user may see what they change."""
        index = latest().version
        rows = [
            scheduled_as_json(each, self.shows)
            for each in history.scheduled()
            if any(self.shows(name) for name in each.values)
        ]
        return self.shown({"index": index, "schedules": rows}, index)


class Schedule(SettingsView):
    """One of them."""

    def parameters_of(self, _method: str) -> Mapping[str, parsing.Reader]:
        """Everything in the query: the body of a DELETE means nothing (RFC 9110 §9.3.5)."""
        return changing.NOTE_FIELDS

    @openapi.describe_cancel
    def delete(self, request: Request, schedule_id: int) -> Response:
        """Cancel it. It needs the permission to change every setting in it."""
        found = next((s for s in history.scheduled() if s.schedule_id == schedule_id), None)
        if found is None or not any(self.shows(name) for name in found.values):
            raise Http404
        self.require_all_changeable(found.values)
        answer = proposals.cancel_schedule(
            schedule_id, user=request.user, origin=changing.ORIGIN, **self.query
        )
        data = {"index": answer.index, "request_id": self.query.get("request_id")}
        return changing.done(HTTPStatus.OK, data)
