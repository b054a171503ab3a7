"""What the history's pages are asked for, in their address."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..schema import Setting
from ..schema.strict import MAX_INTEGER

ORIGINS = ("admin", "api", "cli", "python", "schedule", "expiry", "import")

FIRST_DAY, LAST_DAY = dt.date(1970, 1, 2), dt.date(9998, 12, 31)
"""What every database and time zone can compare with."""


def _day(label: Any) -> forms.DateField:
    field = forms.DateField(
        required=False,
        label=label,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    field.validators += [_between_days]
    return field


def _between_days(day: dt.date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise forms.ValidationError(_("Enter a day from %(first)s on.") % {"first": FIRST_DAY})


def _one_of(label: Any, values: Iterable[str]) -> forms.ChoiceField:
    choices = [("", _("all")), *((value, value) for value in values)]
    return forms.ChoiceField(required=False, label=label, choices=choices)


class HistoryForm(forms.Form):
    """The filters; `settings` are those that this user may hear of."""

    q = forms.CharField(required=False, label=_("Text"), help_text=_("In names and comments"))
    user = forms.CharField(required=False, label=_("User"))
    origin = forms.ChoiceField(
        required=False,
        label=_("From"),
        choices=[("", _("anywhere")), *((origin, origin) for origin in ORIGINS)],
    )
    since = _day(_("Since"))
    until = _day(_("Until"))
    before = forms.IntegerField(
        required=False, min_value=1, max_value=MAX_INTEGER, widget=forms.HiddenInput
    )

    def __init__(self, settings: Mapping[str, Setting[Any]], data: QueryDict) -> None:
        super().__init__(data)
        self.settings = settings
        groups = dict.fromkeys(setting.group for setting in settings.values() if setting.group)
        text, *others = self.fields
        self.fields = {
            text: self.fields[text],
            "name": _one_of(_("Setting"), settings),
            "group": _one_of(_("Group"), groups),
            **{name: self.fields[name] for name in others},
        }

    def names(self, visible: Collection[str] | None) -> Collection[str] | None:
        """The names to look for; None for all."""
        if name := self.cleaned_data["name"]:
            return [name]
        if group := self.cleaned_data["group"]:
            return [name for name, each in self.settings.items() if each.group == group]
        return visible

    def asked(self) -> dict[str, Any]:
        """The other filters, as `history.changes` takes them."""
        found = self.cleaned_data
        until = found["until"]
        return {
            "text": found["q"],
            "user": found["user"],
            "origin": found["origin"],
            "since": _midnight(found["since"]),
            "until": _midnight(until + dt.timedelta(days=1)) if until else None,
            "before_index": found["before"],
        }

    def query(self) -> dict[str, str]:
        """The filters as they stand in the address, without the page."""
        return {
            name: self.data[name]
            for name in self.fields
            if name != "before" and self.data.get(name)
        }

    @property
    def is_paged(self) -> bool:
        return bool(self.data.get("before"))

    @property
    def is_filtered(self) -> bool:
        return bool(self.query())


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return timezone.make_aware(dt.datetime.combine(day, dt.time())) if day else None


class DiffForm(forms.Form):
    """Two points of the history."""

    to = forms.IntegerField(min_value=0, max_value=MAX_INTEGER, label=_("To index"))

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        first = forms.IntegerField(min_value=0, max_value=MAX_INTEGER, label=_("From index"))
        self.fields = {"from": first, **self.fields}
