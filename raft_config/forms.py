"""One form over all declared settings, which knows what was changed since it was shown.

Each field carries what it showed (Django's hidden initial) and the index that had set it, so a save
names only what this person changed, and what they had seen when they changed it: two people at
two nodes never overwrite each other unnoticed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib.admin.utils import display_for_value
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from .schema import Setting
from .state_machine import Value

VALUE = "value-"
RESET = "reset-"
INDEX = "index-"


@dataclass(frozen=True, slots=True)
class Changes:
    """What one save proposes, all or nothing."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Name -> Python value."""
    reset: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    """Name -> the index that had set what was shown, 0 for a default."""
    request_id: str = ""

    @property
    def names(self) -> list[str]:
        return sorted([*self.values, *self.reset])


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as the page shows it."""

    name: str
    setting: Setting
    value: forms.BoundField
    index: forms.BoundField
    reset: forms.BoundField | None
    """None while the default is in force."""
    set_at: int
    """The index that set the present value, 0 for the default."""
    present: str
    default: str
    overtaken: bool
    """Somebody else changed it while it was edited here."""


class SettingsForm(forms.Form):
    """`stored` are the values in force here, as texts with their indexes."""

    nonce = forms.UUIDField(widget=forms.HiddenInput)
    """Drawn when the form is shown; see `_request_id`."""

    def __init__(
        self,
        declared: Mapping[str, Setting],
        stored: Mapping[str, Value],
        data: QueryDict | None = None,
        *,
        read_only: bool = False,
    ) -> None:
        super().__init__(data, use_required_attribute=False)
        self.declared = declared
        self.stored = stored
        self._overtaken: frozenset[str] = frozenset()
        self.initial["nonce"] = uuid.uuid4()
        for name, setting in declared.items():
            self._add(name, setting, read_only=read_only)

    def _add(self, name: str, setting: Setting, *, read_only: bool) -> None:
        stored = self.stored.get(name)
        field = setting.formfield()
        field.label = name
        field.show_hidden_initial = not read_only
        field.disabled = read_only
        self.fields[VALUE + name] = field
        self.fields[INDEX + name] = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
        self.initial[VALUE + name] = (
            setting.decode_or_default(stored.text) if stored else setting.default
        )
        self.initial[INDEX + name] = stored.index if stored else 0
        if stored and not read_only:
            self.fields[RESET + name] = forms.BooleanField(
                required=False,
                label=_("Back to the default"),
            )

    def rows(self) -> Iterator[Row]:
        """The settings in the order of their declaration."""
        for name, setting in self.declared.items():
            stored = self.stored.get(name)
            yield Row(
                name=name,
                setting=setting,
                value=self[VALUE + name],
                index=self[INDEX + name],
                reset=self[RESET + name] if RESET + name in self.fields else None,
                set_at=stored.index if stored else 0,
                present=display(self.initial[VALUE + name]),
                default=display(setting.default),
                overtaken=name in self._overtaken,
            )

    @property
    def is_outdated(self) -> bool:
        """Whether what the page itself carries is wrong: of another release, or made by hand."""
        return "nonce" in self.errors or any(INDEX + name in self.errors for name in self.declared)

    def clean(self) -> dict[str, Any]:
        """Judge only what was changed: what an upgrade made invalid must not block the others."""
        for name in self.declared:
            if VALUE + name in self.errors and not self._is_edited(name):
                del self.errors[VALUE + name]
        return super().clean() or self.cleaned_data

    def changes(self) -> Changes:
        """What was changed by hand; only after is_valid()."""
        reset = tuple(name for name in self.declared if self._is_reset(name))
        values = {
            name: self.cleaned_data[VALUE + name] for name in self.declared if self._is_edited(name)
        }
        expected = {name: self.cleaned_data[INDEX + name] for name in [*values, *reset]}
        return Changes(values, reset, expected, self._request_id(values, reset, expected))

    def _is_reset(self, name: str) -> bool:
        return bool(self.cleaned_data.get(RESET + name))

    def _is_edited(self, name: str) -> bool:
        return VALUE + name in self.changed_data and not self._is_reset(name)

    def _request_id(
        self, values: Mapping[str, Any], reset: tuple[str, ...], expected: Mapping[str, int]
    ) -> str:
        """The same for the same content of the same page.

        So a second press of the button, or a retry after an unknown outcome, has one effect; and
        what was edited in between is a request of its own.
        """
        texts = {name: self.declared[name].encode(value) for name, value in values.items()}
        content = repr((sorted(texts.items()), sorted(reset), sorted(expected.items())))
        return uuid.uuid5(self.cleaned_data["nonce"], content).hex

    def show_overtaken(self) -> None:
        """After a conflict: mark what others changed too; the next save replaces just that."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        overtaken = set()
        for name in self.changes().names if self.is_valid() else ():
            present = str(self.initial[INDEX + name])
            if data.get(INDEX + name) != present:
                overtaken.add(name)
                data[INDEX + name] = present
        self.data = data
        self._overtaken = frozenset(overtaken)


def display(value: object) -> str:
    """A value as the admin shows it, in a list."""
    if isinstance(value, bool):
        return str(_("on") if value else _("off"))
    return str(display_for_value(value, "-"))
