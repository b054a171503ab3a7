"""The types a setting may have: how each is stored, what it takes, and how it is edited.

To add one, add a `Kind` to BUILTIN. What a Python type means is told by PYTHON_TYPES.
Projects add theirs with `register_kind`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django import forms
from django.core.validators import RegexValidator, URLValidator, validate_email
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..exceptions import noop
from .fields import ColourField, JSONField, MultipleChoiceField, TextField
from .strict import (
    SchemaError,
    require_bool,
    require_finite,
    require_integer,
    require_text,
)

MAX_EXPONENT: Final = 1000
"""So that no Decimal takes a gigabyte to print."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One type. `reads` maps the types it can be read from to what reads them, strictly."""

    stored: str
    """The type that the text states: renaming it would lose stored values."""
    reads: Mapping[str, Callable[[Any], Any]]
    dump: Callable[[Any], Any] = lambda value: value
    accepts: tuple[type, ...] = ()
    """What `clean` takes besides text, which the form field parses."""
    refuses: tuple[type, ...] = (bool,)
    """Subclasses of these that Python wrongly takes for the same: True for 1."""
    field: Callable[..., forms.Field]
    may_be_blank: bool = False


def _spelt(load: Callable[[str], Any], dump: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader that takes, of all spellings that `load` knows, only the one that `dump` writes."""

    def strict(raw: Any) -> Any:
        value = load(require_text(raw))
        if dump(value) != raw:
            raise SchemaError(noop("is not spelt %(text)r"), text=dump(value))
        return value

    return strict


def _valid(validator: Callable[[Any], None]) -> Callable[[Any], Any]:
    def strict(raw: Any) -> Any:
        if require_text(raw):
            validator(raw)
        return raw

    return strict


def _shaped(shape: type) -> Callable[[Any], Any]:
    def strict(raw: Any) -> Any:
        if not isinstance(raw, shape):
            is_list = shape is list
            raise SchemaError(
                noop("must be a JSON list") if is_list else noop("must be a JSON object")
            )
        return raw

    return strict


def _float_of_int(raw: Any) -> float:
    if int(float(require_integer(raw))) != raw:
        raise SchemaError(noop("is too large for a float to hold exactly"))
    return float(raw)


def _load_decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT or len(text) > MAX_EXPONENT:
        raise SchemaError(
            noop("must be finite, with fewer than %(digits)d digits"), digits=MAX_EXPONENT
        )
    return value


def _dump_datetime(value: dt.datetime) -> str:
    if timezone.is_naive(value):
        raise SchemaError(noop("needs a time zone"))
    return value.astimezone(dt.timezone.utc).isoformat()


def _load_time(text: str) -> dt.time:
    value = dt.time.fromisoformat(text)
    if value.tzinfo is not None:
        raise SchemaError(noop("must have no time zone"))
    return value


_MICROSECOND: Final = dt.timedelta(microseconds=1)
_COLOUR: Final = RegexValidator(r"\A#[0-9a-f]{6}\Z", _("Enter a colour like #0080ff."))


def _bool_field(*, nullable: bool, **options: Any) -> forms.Field:
    if nullable:
        return forms.NullBooleanField(**options)
    return forms.BooleanField(**{**options, "required": False})


def _text_field(*, nullable: bool, **options: Any) -> forms.Field:
    return TextField(empty_value=None if nullable else "", **options)


def _json_field(*, nullable: bool, **options: Any) -> forms.Field:
    field = JSONField(**{**options, "required": False})
    field.empty_values = [None] if nullable else []
    return field


def _plain(field: type[forms.Field], **fixed: Any) -> Callable[..., forms.Field]:
    def build(*, nullable: bool, **options: Any) -> forms.Field:  # noqa: ARG001 -- one signature for all
        return field(**{**fixed, **options})

    return build


def _input(widget: type[forms.DateTimeInput | Any], kind: str, form: str) -> Any:
    attributes = {"type": kind} if kind == "date" else {"type": kind, "step": "1"}
    return widget(attrs=attributes, format=form)


_TEXT: Final = {"text": require_text}

BUILTIN: Final[Mapping[str, Kind]] = {
    "bool": Kind(
        stored="bool",
        reads={"bool": require_bool},
        accepts=(bool,),
        refuses=(),
        field=_bool_field,
    ),
    "int": Kind(
        stored="int",
        reads={"int": require_integer},
        accepts=(int, float),
        field=_plain(forms.IntegerField),
    ),
    "float": Kind(
        stored="float",
        reads={"float": require_finite, "int": _float_of_int},
        accepts=(int, float, Decimal),
        field=_plain(forms.FloatField, widget=forms.NumberInput(attrs={"step": "any"})),
    ),
    "decimal": Kind(
        stored="decimal",
        reads={
            "decimal": _spelt(_load_decimal, str),
            "int": lambda raw: Decimal(require_integer(raw)),
        },
        dump=str,
        accepts=(int, float, Decimal),
        field=_plain(forms.DecimalField),
    ),
    "str": Kind(stored="text", reads=_TEXT, field=_text_field, may_be_blank=True),
    "text": Kind(
        stored="text",
        reads=_TEXT,
        field=lambda **options: _text_field(widget=forms.Textarea, **options),
        may_be_blank=True,
    ),
    "email": Kind(
        stored="text", reads={"text": _valid(validate_email)}, field=_plain(forms.EmailField)
    ),
    "url": Kind(
        stored="text",
        reads={"text": _valid(URLValidator())},
        field=_plain(forms.URLField, assume_scheme="https"),
    ),
    "colour": Kind(
        stored="text",
        reads={"text": _valid(_COLOUR)},
        field=_plain(ColourField, widget=forms.ColorInput),
    ),
    "uuid": Kind(
        stored="uuid",
        reads={"uuid": _spelt(UUID, str)},
        dump=str,
        accepts=(UUID,),
        field=_plain(forms.UUIDField),
    ),
    "date": Kind(
        stored="date",
        reads={"date": _spelt(dt.date.fromisoformat, dt.date.isoformat)},
        dump=lambda value: value.isoformat(),
        accepts=(dt.date,),
        refuses=(dt.datetime,),
        field=_plain(
            forms.DateField,
            input_formats=["%Y-%m-%d"],
            widget=_input(forms.DateInput, "date", "%Y-%m-%d"),
        ),
    ),
    "time": Kind(
        stored="time",
        reads={"time": _spelt(_load_time, dt.time.isoformat)},
        dump=lambda value: value.isoformat(),
        accepts=(dt.time,),
        field=_plain(
            forms.TimeField,
            input_formats=["%H:%M:%S", "%H:%M:%S.%f", "%H:%M"],
            widget=_input(forms.TimeInput, "time", "%H:%M:%S"),
        ),
    ),
    "datetime": Kind(
        stored="datetime",
        reads={"datetime": _spelt(dt.datetime.fromisoformat, _dump_datetime)},
        dump=_dump_datetime,
        accepts=(dt.datetime,),
        field=_plain(
            forms.DateTimeField,
            widget=_input(forms.DateTimeInput, "datetime-local", "%Y-%m-%dT%H:%M:%S"),
        ),
    ),
    "timedelta": Kind(
        stored="timedelta",
        reads={"timedelta": lambda raw: require_integer(raw) * _MICROSECOND},
        dump=lambda value: value // _MICROSECOND,
        accepts=(dt.timedelta, int, float),
        field=_plain(forms.DurationField),
    ),
    "json": Kind(stored="json", reads={"json": lambda raw: raw}, field=_json_field),
    "list": Kind(stored="json", reads={"json": _shaped(list)}, field=_json_field),
    "choices": Kind(
        stored="json",
        reads={"json": _shaped(list)},
        accepts=(list, tuple),
        field=_plain(MultipleChoiceField),
    ),
    "dict": Kind(stored="json", reads={"json": _shaped(dict)}, field=_json_field),
}

PYTHON_TYPES: Final[Mapping[type, str]] = {
    bool: "bool",  # before int, of which it is a subclass
    int: "int",
    float: "float",
    Decimal: "decimal",
    str: "str",
    Promise: "str",  # a translation
    dt.datetime: "datetime",  # before date, likewise
    dt.date: "date",
    dt.time: "time",
    dt.timedelta: "timedelta",
    UUID: "uuid",
    list: "list",
    tuple: "list",
    dict: "dict",
}
