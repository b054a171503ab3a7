"""The settings: a list to search, and the editor of one setting or of one group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.urls import URLPattern
from django.utils.translation import gettext as _

from .. import permissions, status
from ..models import StoredValue
from ..schema import Setting
from .base import VisibleAdmin
from .editor import Editor, Target
from .facts import Fact, facts, stored_values
from .problems import not_found


@dataclass(frozen=True, slots=True)
class Group:
    """One group of the list, as far as it passes the filters."""

    name: str
    facts: list[Fact]
    can_change: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a filter."""

    label: str
    query: str
    is_chosen: bool


class Filters:
    """What the list's address asks for. A value that fits nothing shows nothing."""

    def __init__(self, query: QueryDict) -> None:
        self.text = query.get("q", "").strip()
        self.group = query.get("group")
        self.changed_only = query.get("changed") == "1"

    @property
    def is_any(self) -> bool:
        return bool(self.text or self.group is not None or self.changed_only)

    def passes(self, fact: Fact) -> bool:
        if self.group is not None and fact.setting.group != self.group:
            return False
        if self.changed_only and not fact.is_changed:
            return False
        told = f"{fact.name} {fact.setting.help_text} {fact.setting.group} {fact.value}".lower()
        return all(word in told for word in self.text.lower().split())

    def query(self, **changes: str | None) -> str:
        """The address's query with some of it changed; None takes a filter away."""
        now = {
            "q": self.text or None,
            "group": self.group,
            "changed": "1" if self.changed_only else None,
        }
        chosen = {name: value for name, value in {**now, **changes}.items() if value is not None}
        return f"?{urlencode(chosen)}"


@admin.register(StoredValue)
class SettingsAdmin(VisibleAdmin):
    """Who may view or change a group sees that group alone."""

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(permissions.changeable(request.user))

    def get_urls(self) -> list[URLPattern]:
        return [*super().get_urls(), self.route("edit/", self.edit, "edit")]

    def page(self, request: HttpRequest) -> HttpResponseBase:
        """The list, grouped, with the filters of the address."""
        settings = permissions.viewable(request.user)
        filters = Filters(request.GET)
        found = [fact for fact in facts(settings, stored_values()) if filters.passes(fact)]
        return self.render(
            request,
            "list",
            _("Settings"),
            groups=self._groups(request, found),
            found=len(found),
            total=len(settings),
            filters=filters,
            group_choices=_group_choices(settings, filters),
            changed_choices=_changed_choices(filters),
            node=status.read(),
        )

    def _groups(self, request: HttpRequest, found: list[Fact]) -> list[Group]:
        changeable = permissions.changeable(request.user)
        by_group = sorted(found, key=_in_order_of_groups(found))
        groups = []
        for name, each in groupby(by_group, key=lambda fact: fact.setting.group):
            members = list(each)
            groups.append(Group(name, members, members[0].name in changeable))
        return groups

    def edit(self, request: HttpRequest) -> HttpResponseBase:
        """The editor of `?name=...`, or of `?group=...`."""
        return Editor(self, request, self._target(request)).respond()

    def _target(self, request: HttpRequest) -> Target:
        settings = permissions.viewable(request.user)
        name, group = request.GET.get("name"), request.GET.get("group")
        if name in settings:
            return Target(name, {name: settings[name]})
        members = {each: setting for each, setting in settings.items() if setting.group == group}
        if name is not None or not members:
            raise not_found(
                _("No setting %r is declared here, or you may not see it.") % name
                if name is not None
                else _("There is no such group of settings here, or you may not see it.")
            )
        return Target(group or _("Settings without a group"), members)


def _in_order_of_groups(found: list[Fact]) -> Any:
    """Groups in the order of their first setting; one that is declared in parts comes together."""
    order: dict[str, int] = {}
    for fact in found:
        order.setdefault(fact.setting.group, len(order))
    return lambda fact: order[fact.setting.group]


def _group_choices(settings: Mapping[str, Setting[Any]], filters: Filters) -> list[Choice]:
    groups = dict.fromkeys(setting.group for setting in settings.values())
    every = Choice(_("All"), filters.query(group=None), filters.group is None)
    return [every] + [
        Choice(name or _("Without a group"), filters.query(group=name), filters.group == name)
        for name in groups
    ]


def _changed_choices(filters: Filters) -> list[Choice]:
    return [
        Choice(_("All"), filters.query(changed=None), not filters.changed_only),
        Choice(_("Changed only"), filters.query(changed="1"), filters.changed_only),
    ]
