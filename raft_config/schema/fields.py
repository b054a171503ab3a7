"""Form fields where Django's own would bend, lose or choke on a value."""

from __future__ import annotations

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
        for key in choice_keys(self.choices):
            if str(key) == str(value):
                return key
        if value in self.empty_values:
            return None
        message = self.error_messages["invalid_choice"]
        raise ValidationError(message, "invalid_choice", {"value": value})


def choice_keys(choices: Any) -> list[Any]:
    """The keys of Django choices in any form: pairs, groups, a dict, a callable, an enumeration."""
    pairs: Any = normalize_choices(choices)
    flat: Any = flatten_choices(pairs)
    return [key for key, _label in flat]
