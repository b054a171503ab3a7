"""How a value of a setting becomes text and back.

    clean   what somebody typed or a program passed -> the value, or ValidationError
    encode  the value -> text for the log: {"type":"decimal","value":"1.50"}
    decode  the text -> the value, or SchemaError; nothing else, whatever the text is

The text states the type it was written as, because another release may have declared another one.
What `decode` reads is strict: exactly what `encode` writes, of the declared type, or of one that
holds no less (an int read as a float or a Decimal; text, email, URL and choice are all text).
Anything else is a SchemaError, and a reader then gives the declared default (`decode_or_default`)
and keeps the stored text: the older release reads it again after a downgrade. Validators and
choices are not asked when reading: what was once accepted stays until somebody changes it.

The text of a secret states the type "secret", and holds such a text encrypted. Whether a setting
is a secret may change: both forms are read by both.

What may *not* live here: unpickling, importing, or looking at the database.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..exceptions import noop
from ..language import told
from .encryption import STORED as ENCRYPTED
from .encryption import decrypt, encrypt, needs_reencryption, token_of
from .fields import ChoiceField, JSONField, MultipleChoiceField, SecretField, choice_keys
from .form_fields import compressed, is_factory, kind_of_factory, kind_with_field
from .kinds import Kind
from .masking import MASK, without_value
from .registry import KINDS, kind_named, kind_of_type, kind_of_value, plain_value
from .strict import SchemaError, parse_typed, require_json, typed_text

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=Any)
else:  # defaults of type variables are Python 3.13's
    from typing import TypeVar

    T = TypeVar("T")

Text = str | Promise
FieldFactory = type[forms.Field] | Callable[[], forms.Field]


class Codec(Generic[T]):
    """What `Setting` makes of its values."""

    default: T
    help_text: Text
    type: builtins.type[Any] | FieldFactory | str | None
    validators: Sequence[Callable[[Any], None]]
    choices: Any
    secret: bool

    @cached_property
    def kind_name(self) -> str:
        """The key in KINDS. Raises SchemaError for a type that is unknown or cannot be told."""
        if isinstance(self.type, str):
            return kind_named(self.type, has_choices=bool(self.choices))
        if self._has_field_of_its_own:
            return kind_of_factory(cast("Any", self.type), self.default)
        found = kind_of_value(self.default) if self.type is None else kind_of_type(self.type)
        if found is None:
            shown = MASK if self.secret else repr(self.default)
            raise SchemaError(f"has the default {shown}, which tells no type: add type=...")
        return "choices" if found == "list" and self.choices else found

    @cached_property
    def kind(self) -> Kind:
        if not self._has_field_of_its_own:
            return KINDS[self.kind_name]
        if self.choices:
            raise SchemaError("has choices beside a form field, which has its own")
        return kind_with_field(cast("Any", self.type), self.kind_name)

    @property
    def _has_field_of_its_own(self) -> bool:
        return is_factory(self.type) and not isinstance(self.type, str)

    @property
    def nullable(self) -> bool:
        return self.default is None or self.kind_name == "json"

    # -- text

    def encode(self, value: Any) -> str:
        """The text that travels and is stored. Raises SchemaError for any but a cleaned value.

        That of a secret is another one each time: to compare two, take `encode_plain`.
        """
        text = self.encode_plain(value)
        return typed_text(ENCRYPTED, encrypt(text)) if self.secret else text

    def encode_plain(self, value: Any) -> str:
        """The same, with nothing encrypted: it must not leave the process if it is a secret."""
        raw = self.to_json(value)
        require_json(raw)
        text = typed_text(self.kind.stored, raw)
        self.decode(text)
        return text

    def decode(self, text: str) -> T:
        """The value in the text. Raises SchemaError, and nothing else, whatever the text is."""
        token = token_of(text)
        if token is None and not self.secret:
            return self._load(*parse_typed(text))
        plain = text if token is None else decrypt(token)
        try:
            return self._load(*parse_typed(plain))
        except SchemaError:
            problem = noop("holds a secret that cannot be read as %(kind)s")
            # Its cause may repeat the secret.
            raise SchemaError(problem, kind=self.kind_name) from None

    def decode_given(self, text: str) -> T:
        """As `decode`, of a text that somebody has chosen: from a file, or out of the history.

        Only a secret may be encrypted in it: whoever came by a token could else have it read in a
        setting that is shown.
        """
        if token_of(text) is not None and not self.secret:
            raise SchemaError(noop("is encrypted, and the setting is no secret; set it by hand"))
        return self.decode(text)

    def decode_or_default(self, text: str) -> T:
        """What a reader gives: the default in place of what another release stored otherwise."""
        try:
            return self.decode(text)
        except SchemaError:
            return self.default

    def needs_rewriting(self, text: str) -> bool:
        """Whether it is a secret in plain or under a former key, or encrypted and no secret now.

        Raises SchemaError for what no key decrypts.
        """
        return needs_reencryption(text) or (token_of(text) is not None) != self.secret

    def _load(self, stored: object, raw: Any) -> T:
        load = self.kind.reads.get(stored) if isinstance(stored, str) else None
        if load is None:
            raise SchemaError(
                noop("was stored as %(stored)r, which cannot be read as %(kind)s"),
                stored=stored,
                kind=self.kind_name,
            )
        if raw is None and self.nullable:
            return cast("T", None)
        return cast("T", self._guarded(load, raw))

    # -- JSON

    def to_json(self, value: Any) -> Any:
        """The value as JSON holds it in the log: a decimal is text, a timedelta microseconds."""
        return None if value is None else self._guarded(self.kind.dump, plain_value(value))

    def from_json(self, raw: Any) -> T:
        """The value of what `to_json` gives, cleaned; nothing else. Raises ValidationError."""
        is_whole = isinstance(raw, int) and not isinstance(raw, bool)
        stored = "int" if is_whole and "int" in self.kind.reads else self.kind.stored
        with self._hidden(raw):
            try:
                require_json(raw)
                value = self._load(stored, raw)
            except SchemaError as error:
                raise _validation_error(error) from error
        return self.clean(value)

    # -- people and programs

    def clean(self, value: Any) -> T:
        """The value as it will be stored, from Python or from text. Raises ValidationError.

        For a JSON, list or dict setting, text is a JSON string and is not parsed: see `parse`.
        """
        with self._hidden(value):
            return self._clean(plain_value(value))

    def parse(self, text: str) -> T:
        """The value that was typed, as on a command line. Raises ValidationError."""
        with self._hidden(text):
            if self.kind.stored == "json":
                return self._clean(JSONField(required=False).clean(text))
            return self._clean(text)

    def formfield(self, **options: Any) -> forms.Field:
        """A new form field; its cleaned value is one that `encode` takes.

        That of a secret shows nothing, and has not changed while it is left blank.
        """
        field = self._field(**options)
        if not self.secret:
            return field
        multiline = isinstance(field.widget, forms.Textarea)
        shown = {"label": field.label, "help_text": field.help_text, "disabled": field.disabled}
        return SecretField(self.parse, multiline=multiline, **shown)

    def _clean(self, value: Any) -> T:
        if value is None and self.nullable:
            return cast("T", None)
        field = self._field(validators=[*self.validators])  # what can be stored shows below
        if isinstance(field, JSONField):
            field.run_validators(value)
            cleaned = value
        elif isinstance(field, forms.MultiValueField):
            cleaned = compressed(field, self._acceptable(value))
        else:
            cleaned = field.clean(self._acceptable(value))
        try:
            return self.decode(self.encode_plain(cleaned))
        except SchemaError as error:
            raise _validation_error(error) from error

    def _field(self, **options: Any) -> forms.Field:
        options = {
            "help_text": self.help_text,
            "initial": self.default,
            "required": self._is_required,
            "validators": [*self.validators, self._validate_storable],
            **options,
        }
        kind = self.kind
        if self.choices:
            several = self.kind_name == "choices"
            chosen = MultipleChoiceField if several else ChoiceField
            return chosen(choices=self.choices, **options)
        return kind.field(nullable=self.nullable, **options)

    @property
    def _is_required(self) -> bool:
        if self.choices:
            blank = self.kind_name == "choices" or "" in choice_keys(self.choices)
            return not (self.nullable or blank)
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
        raise _validation_error(
            SchemaError(
                noop("must be of type %(kind)s, not %(type)s"),
                kind=self.kind_name,
                type=type(value).__name__,
            )
        )

    def _validate_storable(self, value: Any) -> None:
        try:
            self.encode_plain(value)
        except SchemaError as error:
            raise _validation_error(error) from error

    def _guarded(self, convert: Callable[[Any], Any], value: Any) -> Any:
        try:
            return convert(value)
        except _CONVERSION_ERRORS as error:
            raise SchemaError(noop("is no %(kind)s"), kind=self.kind_name) from error

    @contextmanager
    def _hidden(self, value: object) -> Iterator[None]:
        """Keep the value of a secret out of what is said of it."""
        try:
            yield
        except ValidationError as error:
            if not self.secret:
                raise
            raise without_value(error, value) from None


_CONVERSION_ERRORS: Final = (
    ArithmeticError,  # of Decimal, and a datetime or timedelta out of range
    AttributeError,
    TypeError,
    ValidationError,
    ValueError,
)


def _validation_error(problem: SchemaError) -> ValidationError:
    return ValidationError(
        _("The value %(problem)s."), code="invalid", params={"problem": told(problem)}
    )


def _bool_of(text: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True}
    words |= {"false": False, "0": False, "no": False, "off": False}
    if text.strip().lower() not in words:
        raise ValidationError(_("Enter true or false."), code="invalid")
    return words[text.strip().lower()]
