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

import builtins
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypedDict, cast, overload

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..conf import did_you_mean
from .fields import ChoiceField, JSONField, choice_keys
from .kinds import KINDS, PYTHON_TYPES, Kind
from .strict import SchemaError, parse_json, require_json

if TYPE_CHECKING:
    from typing_extensions import TypeVar, Unpack

    from .classes import Settings

    T = TypeVar("T", default=Any)
else:  # defaults of type variables are Python 3.13's
    from typing import TypeVar

    T = TypeVar("T")
U = TypeVar("U")

Text = str | Promise
FieldFactory = type[forms.Field] | Callable[[], forms.Field]
Listener = Callable[..., object] | str
"""Hears of changes; or the dotted path to it."""
TextKind = Literal["str", "text", "email", "url", "URL", "colour", "choice"]
"""The names of kinds whose values are text, for type checkers."""


class Options(TypedDict, total=False):
    """What every `Setting` may have besides, for type checkers."""

    group: str
    validators: Sequence[Callable[[Any], None]]
    choices: Any
    secret: bool
    env: str
    public: bool
    renamed_from: str | Sequence[str]
    on_change: Listener | Sequence[Listener]


@dataclass(frozen=True)
class Setting(Generic[T]):
    """A declared setting. What is wrong with it is told by `declared()`, which knows its name.

    `type` is a Python type or the name of a kind ("text", "email", "URL", "colour", "JSON",
    "choice", ...); without it, the default's type counts. `choices` are as in a Django form, their
    keys of that type. With a default of None, None is a value too, and so is an empty form field.

    `secret` values are never shown; `public` ones may be told to anybody. Where the environment
    has the variable `env`, its value is in force there, and is not replicated. `renamed_from` are
    names that are still read while this one is not set. `on_change` are callables, or dotted paths
    to them, that hear of each change.
    """

    default: T
    help_text: Text = ""
    type: builtins.type[Any] | FieldFactory | str | None = None
    group: str = ""
    validators: tuple[Callable[[Any], None], ...] = ()
    choices: Any = ()
    secret: bool = False
    env: str = ""
    public: bool = False
    renamed_from: tuple[str, ...] = ()
    on_change: tuple[Listener, ...] = ()

    if TYPE_CHECKING:  # the type of the values, as the default and `type` tell it

        @overload
        def __init__(
            self: Setting[Any],
            default: None,
            help_text: Text = "",
            *,
            type: FieldFactory,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[U | None],
            default: None,
            help_text: Text = "",
            *,
            type: builtins.type[U],
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[str | None],
            default: None,
            help_text: Text = "",
            *,
            type: TextKind,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[str],
            default: Promise,
            help_text: Text = "",
            type: str | None = None,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self: Setting[list[U]],
            default: tuple[U, ...],
            help_text: Text = "",
            type: builtins.type[list[Any]] | str | None = None,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            default: T,
            help_text: Text = "",
            *,
            type: FieldFactory,
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            default: object,
            help_text: Text = "",
            *,
            type: builtins.type[T],
            **more: Unpack[Options],
        ) -> None: ...
        @overload
        def __init__(
            self,
            default: T,
            help_text: Text = "",
            type: str | None = None,
            **more: Unpack[Options],
        ) -> None: ...
        def __init__(self, *_: Any, **__: Any) -> None: ...

        @overload
        def __get__(self, instance: None, owner: builtins.type[Settings]) -> T: ...
        @overload
        def __get__(self, instance: object, owner: builtins.type[Any] | None) -> Setting[T]: ...
        def __get__(self, instance: object, owner: object) -> Any: ...

    def __post_init__(self) -> None:
        # One name would be taken for a sequence of its letters.
        for name in ("renamed_from", "on_change"):
            given = getattr(self, name)
            several = (given,) if isinstance(given, str) or callable(given) else tuple(given)
            object.__setattr__(self, name, several)

    def in_group(self, group: str) -> Setting[T]:
        """The same in this group, if it names none of its own."""
        return self if self.group else replace(self, group=group)

    @property
    def is_secret(self) -> bool:
        """Whether no one may see its value."""
        return self.secret

    @cached_property
    def kind_name(self) -> str:
        """The key in KINDS. Raises SchemaError for a type that is unknown or cannot be told."""
        if isinstance(self.type, str):
            return _named_kind(self.type, has_choices=bool(self.choices))
        if self.type is not None:
            if not isinstance(self.type, type) or self.type not in PYTHON_TYPES:
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
        raw = self.to_json(value)
        require_json(raw)
        text = json.dumps(
            {"type": self.kind.stored, "value": raw}, sort_keys=True, separators=(",", ":")
        )
        self.decode(text)
        return text

    def decode(self, text: str) -> T:
        """The value in the text. Raises SchemaError, and nothing else, whatever the text is."""
        found = parse_json(text)
        if not isinstance(found, dict) or found.keys() != {"type", "value"}:
            raise SchemaError("is not of the form that raft_config writes")
        stored, raw = found["type"], found["value"]
        load = self.kind.reads.get(stored) if isinstance(stored, str) else None
        if load is None:
            raise SchemaError(f"was stored as {stored!r}, which cannot be read as {self.kind_name}")
        if raw is None and self.nullable:
            return cast("T", None)
        return cast("T", self._guarded(load, raw))

    def decode_or_default(self, text: str) -> T:
        """What a reader gives: the default in place of what another release stored otherwise."""
        try:
            return self.decode(text)
        except SchemaError:
            return self.default

    def clean(self, value: Any) -> T:
        """The value as it will be stored, from Python or from text. Raises ValidationError.

        For a JSON, list or dict setting, text is a JSON string and is not parsed: see `parse`.
        """
        value = _plain_value(value)
        if value is None and self.nullable:
            return cast("T", None)
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

    def to_json(self, value: Any) -> Any:
        """The value as JSON holds it in the log: a decimal is text, a timedelta microseconds."""
        return None if value is None else self._guarded(self.kind.dump, _plain_value(value))

    def from_json(self, raw: Any) -> T:
        """The value of what `to_json` gives, cleaned; nothing else. Raises ValidationError."""
        reads = self.kind.reads
        is_whole = isinstance(raw, int) and not isinstance(raw, bool)
        load = reads["int" if is_whole and "int" in reads else self.kind.stored]
        try:
            require_json(raw)
            value = None if raw is None and self.nullable else self._guarded(load, raw)
        except SchemaError as error:
            raise _validation_error(error) from error
        return self.clean(value)

    def parse(self, text: str) -> T:
        """The value that was typed, as on a command line. Raises ValidationError."""
        return self.clean(self.formfield().clean(text) if self.kind.stored == "json" else text)

    @property
    def is_set_in_environment(self) -> bool:
        """Whether this process has the variable, readable or not."""
        return bool(self.env) and self.env in os.environ

    @property
    def is_from_environment(self) -> bool:
        """Whether the value of the variable is in force in this process."""
        if not self.is_set_in_environment:
            return False
        try:
            self.environment_value()
        except ValidationError:
            return False
        return True

    def environment_value(self) -> T:
        """What the environment says. Raises ValidationError, KeyError without the variable."""
        return self.parse(os.environ[self.env])

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
