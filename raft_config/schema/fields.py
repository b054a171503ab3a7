"""Form fields where Django's own would bend, lose or choke on a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.choices import flatten_choices, normalize_choices

from .strict import SchemaError, parse_json


class TextField(forms.CharField):
    """Keeps white space at the ends (a separator may be one); a browser's line ends become ours."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return found.replace("\r\n", "\n") if isinstance(found, str) else found


class ColourField(forms.CharField):
    """Lower case, as a browser's colour picker gives it."""

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        return found.lower() if isinstance(found, str) else found


class JSONField(forms.JSONField):
    """An empty list is a value; JSON that is too deep, or says a name twice, is an error."""

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return parse_json(value) if value.strip() else None
        except SchemaError as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (ValueError, RecursionError):
            return forms.fields.InvalidJSONInput(data)


class ChoiceField(forms.ChoiceField):
    """Gives the choice itself, which need not be text."""

    def to_python(self, value: Any) -> Any:
        found = _key_of(value, self.choices)
        if found is not None or value in self.empty_values:
            return found
        message = self.error_messages["invalid_choice"]
        raise ValidationError(message, "invalid_choice", {"value": value})


class MultipleChoiceField(forms.MultipleChoiceField):
    """Gives the chosen keys themselves, which need not be text, in the order of the choices."""

    widget = forms.CheckboxSelectMultiple

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            super().to_python(value)  # refuses all but nothing
            return []
        chosen = {str(each) for each in value}
        for each in chosen - {str(key) for key in choice_keys(self.choices)}:
            message = self.error_messages["invalid_choice"]
            raise ValidationError(message, "invalid_choice", {"value": each})
        return [key for key in choice_keys(self.choices) if str(key) in chosen]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return {str(each) for each in initial or ()} != {str(each) for each in data or ()}


class WriteOnlyTextarea(forms.Textarea):
    """Takes lines, and never shows any."""

    def format_value(self, value: Any) -> str:  # noqa: ARG002 -- that is the point
        return ""


class SecretField(forms.Field):
    """Takes a secret and never shows it. Left blank, it is unchanged, and `clean` gives None.

    `parse` makes the value of what was typed.
    """

    def __init__(self, parse: Callable[[str], Any], *, multiline: bool, **options: Any) -> None:
        attributes = {"autocomplete": "new-password", "spellcheck": "false"}
        widget = WriteOnlyTextarea(attributes) if multiline else forms.PasswordInput(attributes)
        super().__init__(**{**options, "widget": widget, "required": False, "initial": None})
        self._parse = parse

    @property
    def show_hidden_initial(self) -> bool:
        """Never: a hidden input would tell."""
        return False

    @show_hidden_initial.setter
    def show_hidden_initial(self, asked: bool) -> None: ...

    def prepare_value(self, value: Any) -> None:  # noqa: ARG002 -- not even as an attribute
        return None

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ARG002 -- what is set is not known
        return not self.disabled and data not in self.empty_values

    def clean(self, value: Any) -> Any:
        return None if self.disabled or value in self.empty_values else self._parse(value)


def _key_of(value: Any, choices: Any) -> Any:
    return next((key for key in choice_keys(choices) if str(key) == str(value)), None)


def choice_keys(choices: Any) -> list[Any]:
    """The keys of Django choices in any form: pairs, groups, a dict, a callable, an enumeration."""
    return [key for key, _label in choice_pairs(choices)]


def choice_pairs(choices: Any) -> list[tuple[Any, Any]]:
    """Keys and labels, without the groups. Raises SchemaError."""
    pairs: Any = normalize_choices(choices)
    try:
        flat: Any = flatten_choices(pairs)
        return [(key, label) for key, label in flat]
    except (TypeError, ValueError) as error:
        raise SchemaError("has choices that are not pairs of a key and a label") from error
