"""The settings: list, one of them, the public subset; and how current this node is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from .. import history, permissions
from ..conf import get_config
from ..live import config
from ..loading import Loaded, pinned
from ..schema import Setting, declared
from . import changing, conditional, openapi, parsing
from .base import INDEX_HEADER, SettingsView
from .presentation import setting_as_json, value_as_json

PUBLIC_MAX_AGE_SECONDS: Final = 5
"""So long a front end may be behind; in return it costs a site almost nothing."""


class SettingsList(SettingsView):
    """All settings that the user may see."""

    parameters: ClassVar[Mapping[str, parsing.Reader]] = {
        "group": parsing.names,
        "name": parsing.names,
        "changed": parsing.boolean_text,
    }
    repeated = ("group", "name")

    @openapi.describe_list
    def get(self, _request: Request) -> Response:
        """List the settings, as of one version."""
        with pinned() as loaded:
            chosen = self._chosen(loaded)
            last = history.latest(chosen)
            rows = [
                setting_as_json(
                    name,
                    setting,
                    loaded,
                    last=last.get(name),
                    can_change=permissions.may_change(self.request.user, setting),
                )
                for name, setting in chosen.items()
            ]
            return self.shown({"index": loaded.version, "settings": rows}, loaded.version)

    def _chosen(self, loaded: Loaded) -> dict[str, Setting]:
        groups, names = self.query.get("group"), self.query.get("name")
        changed = self.query.get("changed")
        return {
            name: setting
            for name, setting in self.viewable().items()
            if (groups is None or setting.group in groups)
            and (names is None or name in names)
            and (changed is None or changed == (name in loaded.stored))
        }

    @openapi.describe_update
    def patch(self, request: Request) -> Response:
        """Change several settings and reset others: one entry of the log, all or nothing."""
        readers = {
            "values": parsing.values,
            "reset": parsing.names,
            "expected": parsing.expected,
            **changing.NOTE_FIELDS,
            **changing.TIMING_FIELDS,
        }
        found = parsing.fields_of(request.data, readers)
        raw, reset = found.pop("values", {}), found.pop("reset", [])
        given = found.pop("expected", {})
        names = [*raw, *reset]
        self.require_changeable(names)
        self.require_seen(given)
        change = changing.Change(
            values=changing.cleaned(raw),
            reset=tuple(dict.fromkeys(reset)),
            options=found,
            **changing.expecting_version(request, names, given),
        )
        return changing.submit(request, change)


class SettingDetail(SettingsView):
    """One setting."""

    @openapi.describe_detail
    def get(self, _request: Request, name: str) -> Response:
        """Show the setting. Its ETag states the index that set it, 0 where it is not set."""
        setting = self.setting_or_404(name)
        with pinned() as loaded:
            data = setting_as_json(
                name,
                setting,
                loaded,
                last=history.latest([name]).get(name),
                can_change=permissions.may_change(self.request.user, setting),
            )
            return self.shown(data, loaded.version, of_index=data["index"])

    @openapi.describe_set
    def put(self, request: Request, name: str) -> Response:
        """Set it."""
        self.setting_or_404(name)
        self.require_changeable([name])
        readers = {
            "value": parsing.anything,
            "expected": parsing.index,
            **changing.NOTE_FIELDS,
            **changing.TIMING_FIELDS,
        }
        found = parsing.fields_of(request.data, readers)
        raw = {name: found.pop("value")} if "value" in found else {}
        change = changing.Change(
            values=changing.cleaned(raw),
            **changing.expecting(request, name, found.pop("expected", None)),
            options=found,
        )
        return changing.submit(request, change)

    @openapi.describe_patch
    def patch(self, request: Request, name: str) -> Response:
        """Set it, like PUT."""
        return self.put(request, name)

    @openapi.describe_reset
    def delete(self, request: Request, name: str) -> Response:
        """Reset it: the declared default counts again, whatever it is or will be."""
        self.setting_or_404(name)
        self.require_changeable([name])
        found = dict(self.query)
        change = changing.Change(
            reset=(name,),
            **changing.expecting(request, name, found.pop("expected", None)),
            options=found,
        )
        return changing.submit(request, change)

    def parameters_of(self, method: str) -> Any:
        """A DELETE says everything in its query: its body means nothing (RFC 9110 §9.3.5)."""
        if method == "DELETE":
            return {"expected": parsing.index_text, **changing.NOTE_FIELDS}
        return super().parameters_of(method)


class AnybodyMaySeePublicSettings(BasePermission):
    """Everybody: only what was declared public is told."""


class PublicSettings(SettingsView):
    """The settings declared `public=True`, for front ends: no login, and the same for everybody."""

    authentication_classes = ()

    def get_permissions(self) -> list[Any]:
        """Not the project's: these are about its users."""
        return [AnybodyMaySeePublicSettings()]

    def parameters_of(self, _method: str) -> Any:
        """None: nobody who is not known makes this node ask others, or wait."""
        return {}

    @openapi.describe_public
    def get(self, request: Request) -> Response:
        """Tell their values."""
        with pinned():
            values = {
                name: value_as_json(setting, config[name])
                for name, setting in declared().items()
                if setting.public
            }
        tag = f'"{conditional.digest(values)}"'
        unchanged = conditional.is_unchanged(request, tag)
        response = Response(status=304) if unchanged else Response({"settings": values})
        response["ETag"] = tag
        response["Cache-Control"] = f"public, max-age={PUBLIC_MAX_AGE_SECONDS}"
        return response


class Meta(SettingsView):
    """How current this node is."""

    @openapi.describe_meta
    def get(self, _request: Request) -> Response:
        """Tell what this node has applied, and whether it knows a leader."""
        meta = config.meta
        response = Response(
            {
                "cluster_id": get_config().cluster_id,
                "node_id": meta.node_id,
                "index": meta.index,
                "oldest_index": history.oldest_index(),
                "leader_id": meta.leader_id,
                "age_seconds": meta.age_seconds,
            }
        )
        response[INDEX_HEADER] = str(meta.index)
        response["Cache-Control"] = "no-store"
        return response
