"""Settings as a file: see `exchange`. Secrets are never in one that comes over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from .. import exchange
from ..loading import latest
from ..schema import declared
from . import changing, openapi, parsing
from .base import SettingsView
from .presentation import text_as_json, value_as_json


class Export(SettingsView):
    """What is set, as a file."""

    parameters: ClassVar[Mapping[str, parsing.Reader]] = {
        "group": parsing.names,
        "name": parsing.names,
    }
    repeated = ("group", "name")

    @openapi.describe_export
    def get(self, _request: Request) -> Response:
        """Export what is set of the settings that the user may see."""
        data = exchange.export(self.names_asked_for())
        response = self.shown(data, data["index"])
        response["Content-Disposition"] = 'attachment; filename="settings.json"'
        return response


class Import(SettingsView):
    """What is in a file, brought here."""

    def parameters_of(self, _method: str) -> Mapping[str, parsing.Reader]:
        """In the query, because the body is the file as it was exported."""
        return {
            "dry_run": parsing.boolean_text,
            "prune": parsing.boolean_text,
            **changing.NOTE_FIELDS,
        }

    @openapi.describe_import
    def post(self, request: Request) -> Response:
        """Set what the file says as one entry; with `prune`, reset what is set and not in it."""
        data = self._known_part(request.data)
        plan = exchange.plan_import(data, prune=self.query.get("prune", False))
        reset = [name for name in plan.reset if self.shows(name)]
        # Whether a file has somebody's secret right is told to those alone who may set it.
        secrets = [name for name in plan.unchanged if declared()[name].is_secret]
        self.require_changeable([*plan.values, *reset, *secrets])
        about = {"unchanged": plan.unchanged, "unknown": self._unknown(request.data)}
        if self.query.get("dry_run", False):
            return Response({"dry_run": True, "changes": _changes(plan.values, reset), **about})
        if not (plan.values or reset):
            index = latest().version
            return changing.done(HTTPStatus.OK, {"index": index, "request_id": None, **about})
        change = changing.Change(
            values=plan.values,
            reset=reset,
            expected={n: at for n, at in plan.expected.items() if n in {*plan.values, *reset}},
            options={key: self.query[key] for key in changing.NOTE_FIELDS if key in self.query},
        )
        response = changing.submit(request, change)
        response.data |= about
        return response

    def _known_part(self, data: Any) -> Any:
        """The file without the settings that the user does not know of."""
        if not isinstance(data, dict) or not isinstance(data.get("settings"), dict):
            return data  # `plan_import` says what is wrong
        known = {name: raw for name, raw in data["settings"].items() if self.shows(name)}
        return {**data, "settings": known}

    def _unknown(self, data: Mapping[str, Any]) -> list[str]:
        settings = declared()
        return sorted(n for n in data["settings"] if n not in settings or not self.shows(n))


def _changes(values: Mapping[str, Any], reset: list[str]) -> list[dict[str, Any]]:
    stored = latest().stored
    return [
        {
            "name": name,
            "old": text_as_json(name, stored[name].text if name in stored else None),
            "new": {"value": value_as_json(declared()[name], values[name])}
            if name in values
            else None,
        }
        for name in sorted({*values, *reset})
    ]
