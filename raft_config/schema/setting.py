"""Declared settings: their types, their defaults, and how a value becomes text and back.

    clean   what somebody typed or a program passed -> the value, or ValidationError
    encode  the value -> text for the log: {"type":"decimal","value":"1.50"}
    decode  the text -> the value, or SchemaError; nothing else, whatever the text is

The text states the type it was written as, because another release may have declared another one.
What `decode` reads is strict: exactly what `encode` writes, of the declared type, or of one that
holds no less (an int read as a float or a Decimal; text, email, URL and choice are all text).
Anything else is a SchemaError, and a reader then gives the declared default (`decode_or_default`)
and keeps the stored text: the older release reads it again after a downgrade. Validators and
choices are not asked when reading: what was once accepted stays until somebody changes it.

What may *not* live here: unpickling, importing, or looking at the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..conf import did_you_mean
from .fields import ChoiceField, JSONField, choice_keys
from .kinds import KINDS, PYTHON_TYPES, Kind
from .strict import SchemaError, parse_json, require_json


@dataclass(frozen=True)
class Setting:
    """A declared setting. What is wrong with it is told by `declared()`, which knows its name.

    `type` is a Python type or the name of a kind ("text", "email", "URL", "colour", "JSON",
    "choice", ...); without it, the default's type counts. `choices` are as in a Django form, their
    keys of that type. With a default of None, None is a value too, and so is an empty form field.
    """

    default: Any
    help_text: str | Promise = ""
    type: type | str | None = None
    group: str = ""
    validators: tuple[Callable[[Any], None], ...] = ()
    choices: Any = ()

    @cached_property
    def kind_name(self) -> str:
        """The key in KINDS. Raises SchemaError for a type that is unknown or cannot be told."""
        if isinstance(self.type, str):
            return _named_kind(self.type, has_choices=bool(self.choices))
        if self.type is not None:
            if self.type not in PYTHON_TYPES:
                raise SchemaError(f"has the type {self.type!r}, which is unknown")
            return PYTHON_TYPES[self.type]
        default = _plain_value(self.default)
        if isinstance(default, str) and "\n" in default:
            return "text"
        for python_type, name in PYTHON_TYPES.items():
            if isinstance(default, python_type):
                return name
        raise SchemaError(f"has the default {default!r}, which tells no type: add type=...")

    @property
    def kind(self) -> Kind:
        return KINDS[self.kind_name]

    @property
    def nullable(self) -> bool:
        return self.default is None or self.kind_name == "json"

    def encode(self, value: Any) -> str:
        """The text that travels and is stored. Raises SchemaError for any but a cleaned value."""
        raw = None if value is None else self._guarded(self.kind.dump, _plain_value(value))
        require_json(raw)
        text = json.dumps(
            {"type": self.kind.stored, "value": raw}, sort_keys=True, separators=(",", ":")
        )
        self.decode(text)
        return text

    def decode(self, text: str) -> Any:
        """The value in the text. Raises SchemaError, and nothing else, whatever the text is."""
        found = parse_json(text)
        if not isinstance(found, dict) or found.keys() != {"type", "value"}:
            raise SchemaError("is not of the form that raft_config writes")
        stored, raw = found["type"], found["value"]
        load = self.kind.reads.get(stored) if isinstance(stored, str) else None
        if load is None:
            raise SchemaError(f"was stored as {stored!r}, which cannot be read as {self.kind_name}")
        return None if raw is None and self.nullable else self._guarded(load, raw)

    def decode_or_default(self, text: str) -> Any:
        """What a reader gives: the default in place of what another release stored otherwise."""
        try:
            return self.decode(text)
        except SchemaError:
            return self.default

    def clean(self, value: Any) -> Any:
        """The value as it will be stored, from Python or from text. Raises ValidationError.

        For a JSON, list or dict setting, text is a JSON string and is not parsed: see `parse`.
        """
        value = _plain_value(value)
        if value is None and self.nullable:
            return None
        field = self.formfield()
        if isinstance(field, JSONField):
            field.run_validators(value)
            cleaned = value
        else:
            cleaned = field.clean(self._acceptable(value))
        try:
            return self.decode(self.encode(cleaned))
        except SchemaError as error:
            raise _validation_error(error) from error

    def parse(self, text: str) -> Any:
        """The value that was typed, as on a command line. Raises ValidationError."""
        return self.clean(self.formfield().clean(text) if self.kind.stored == "json" else text)

    def formfield(self, **options: Any) -> forms.Field:
        """A new form field; its cleaned value is one that `encode` takes."""
        options = {
            "help_text": self.help_text,
            "initial": self.default,
            "required": self._is_required,
            "validators": [*self.validators, self._validate_storable],
            **options,
        }
        if self.choices:
            return ChoiceField(choices=self.choices, **options)
        return self.kind.field(nullable=self.nullable, **options)

    @property
    def _is_required(self) -> bool:
        if self.choices:
            return not self.nullable and "" not in choice_keys(self.choices)
        return not (self.nullable or self.kind.may_be_blank or self.default == "")

    def _acceptable(self, value: Any) -> Any:
        """Refuse what a form field would bend: True for a number, a datetime for a date."""
        kind = self.kind
        if kind.stored == "bool" and isinstance(value, str):
            return _bool_of(value)
        if isinstance(value, str):
            return value
        if isinstance(value, kind.accepts) and not isinstance(value, kind.refuses):
            return value
        raise _validation_error(f"must be of type {self.kind_name}, not {type(value).__name__}")

    def _validate_storable(self, value: Any) -> None:
        try:
            self.encode(value)
        except SchemaError as error:
            raise _validation_error(error) from error

    def _guarded(self, convert: Callable[[Any], Any], value: Any) -> Any:
        try:
            return convert(value)
        except _CONVERSION_ERRORS as error:
            raise SchemaError(f"is no {self.kind_name}") from error


_CONVERSION_ERRORS: Final = (
    ArithmeticError,  # of Decimal, and a datetime or timedelta out of range
    AttributeError,
    TypeError,
    ValidationError,
    ValueError,
)


def _plain_value(value: Any) -> Any:
    """An enumeration's member as its value, a translation as text."""
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Promise) else value


def _validation_error(problem: object) -> ValidationError:
    return ValidationError(
        _("The value %(problem)s."), code="invalid", params={"problem": str(problem)}
    )


def _bool_of(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True}
    words |= {"false": False, "0": False, "no": False, "off": False}
    if text.strip().lower() not in words:
        raise ValidationError(_("Enter true or false."), code="invalid")
    return words[text.strip().lower()]


def _named_kind(name: str, *, has_choices: bool) -> str:
    if name.lower() == "choice":
        if not has_choices:
            raise SchemaError("has the type 'choice' and no choices")
        return "str"
    if name.lower() not in KINDS:
        raise SchemaError(f"has the type {name!r}, which is unknown. {did_you_mean(name, KINDS)}")
    return name.lower()
