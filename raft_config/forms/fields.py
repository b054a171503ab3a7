"""Fields of the pages: what a page carries along, secrets, instants, and each setting's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ..schema import SchemaError, Setting
from ..schema.encryption import token_of
from ..schema.strict import MAX_INTEGER, parse_json
from ..state_machine import Value


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page showed of a setting. The text is None for a default, and for every secret."""

    index: int
    text: str | None


class ShownField(forms.Field):
    """What the page showed by name, as JSON: {"LIMIT": [5, "..."]}."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> dict[str, Shown]:
        try:
            found = parse_json(value or "{}")
            return {name: _shown_of(each) for name, each in found.items()}
        except (SchemaError, AttributeError, TypeError, ValueError) as error:
            raise ValidationError(_("This is not what the page carried.")) from error

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else dump_shown(value or {})


def dump_shown(shown: Mapping[str, Shown]) -> str:
    """As a page carries it."""
    return json.dumps({name: [each.index, each.text] for name, each in shown.items()})


def _shown_of(found: Any) -> Shown:
    index, text = found
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index <= MAX_INTEGER:
        raise ValueError(index)
    if not isinstance(text, str | None):
        raise TypeError(text)
    if text is not None and token_of(text) is not None:  # it would be decrypted, and shown
        raise ValueError("encrypted")
    return Shown(index, text)


class SecretField(forms.CharField):
    """Takes a secret and never shows one: left empty, it keeps what is stored."""

    def __init__(self, setting: Setting[Any]) -> None:
        is_long = setting.kind.stored == "json" or setting.kind_name == "text"
        # Given back only to whoever has just typed it, so that no error costs them what they typed.
        widget = forms.Textarea() if is_long else forms.PasswordInput(render_value=True)
        widget.attrs["autocomplete"] = "new-password"
        super().__init__(
            required=False, strip=False, widget=widget, help_text=str(setting.help_text)
        )
        self.setting = setting

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return self.setting.parse(text) if text else None

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ARG002 -- Django's own names
        return bool(data)


def field_of(name: str, setting: Setting[Any]) -> forms.Field:
    """What edits the setting."""
    found = SecretField(setting) if setting.is_secret else setting.formfield()
    found.label = name
    return found


def moment_field(label: Any, help_text: Any) -> forms.DateTimeField:
    """An instant to come, in the time zone of the admin, or none."""
    return forms.DateTimeField(
        required=False,
        label=label,
        help_text=help_text,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )


def shown_of(setting: Setting[Any], stored: Value | None) -> Shown:
    """What a page shows of a stored value."""
    if stored is None:
        return Shown(0, None)
    if setting.is_secret:
        return Shown(stored.index, None)
    was_secret = token_of(stored.text) is not None
    text = setting.encode(setting.decode_or_default(stored.text)) if was_secret else stored.text
    return Shown(stored.index, text)


def value_of(setting: Setting[Any], text: str | None) -> Any:
    """The value in a text, the default for None."""
    return setting.default if text is None else setting.decode_or_default(text)
