"""Any form field as the type of a setting: type=forms.GenericIPAddressField, or what makes one.

The field edits and cleans; how its values are stored is told by the default, because every stored
text states its type. What has no such type (a file, a row of the database) is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from .kinds import Kind
from .registry import KINDS, kind_of_value
from .strict import SchemaError

Factory = Callable[[], forms.Field]

# A subclass is before its base.
_KINDS_OF_FIELDS: Final[tuple[tuple[type[forms.Field], str], ...]] = (
    (forms.FloatField, "float"),
    (forms.DecimalField, "decimal"),
    (forms.IntegerField, "int"),
    (forms.DateTimeField, "datetime"),
    (forms.SplitDateTimeField, "datetime"),
    (forms.DateField, "date"),
    (forms.TimeField, "time"),
    (forms.DurationField, "timedelta"),
    (forms.UUIDField, "uuid"),
    (forms.JSONField, "json"),
    (forms.CharField, "str"),
    (forms.BooleanField, "bool"),
    (forms.MultipleChoiceField, "list"),
    (forms.ChoiceField, "str"),
)
_NOT_STORABLE: Final = {
    forms.FileField: "a file, which no log holds; store its path or URL as text",
    forms.ModelChoiceField: "a row of the database, which other nodes lack; store its key",
}


def is_factory(given: object) -> bool:
    """Whether calling it gives a form field."""
    if isinstance(given, type):
        return issubclass(given, forms.Field)
    return callable(given)


def kind_of_factory(factory: Factory, default: object) -> str:
    """The key in KINDS under which the values of the field are stored."""
    field = _made(factory)
    for unstorable, problem in _NOT_STORABLE.items():
        if isinstance(field, unstorable):
            raise SchemaError(f"has the values of {type(field).__name__}: {problem}")
    if default is None:
        found = next((name for each, name in _KINDS_OF_FIELDS if isinstance(field, each)), None)
    else:
        found = kind_of_value(_cleaned_if_valid(field, default))
    if found is None:
        raise SchemaError(
            f"has a {type(field).__name__} and the default {default!r}, which do not tell how its "
            "values are stored: give another default, or register_kind() their type"
        )
    return found


def kind_with_field(factory: Factory, name: str) -> Kind:
    """The kind of that name, edited and cleaned with the field."""
    kind = KINDS[name]

    def build(*, nullable: bool, **options: Any) -> forms.Field:  # noqa: ARG001 -- one signature for all
        field = _made(factory)
        field.required = field.widget.is_required = field.required and options.pop("required")
        _check_cleaned(field, options.pop("validators"))
        options["help_text"] = options["help_text"] or field.help_text
        for option, value in options.items():
            setattr(field, option, value)
        return field

    accepts = (*kind.accepts, list, tuple, dict) if kind.stored == "json" else kind.accepts
    return replace(kind, field=build, accepts=accepts, may_be_blank=False)


def _check_cleaned(field: forms.Field, validators: list[Callable[[Any], None]]) -> None:
    """Let the field ask the validators last: those of its own see what is not yet coerced."""
    base: Any = type(field)

    class Checked(base):  # type: ignore[misc]  # whichever class the project chose
        def clean(self, value: Any) -> Any:
            cleaned = super().clean(value)
            errors: list[ValidationError] = []
            for validate in () if cleaned in self.empty_values else validators:
                try:
                    validate(cleaned)
                except ValidationError as error:  # noqa: PERF203 -- all of them are told at once
                    errors.extend(error.error_list)
            if errors:
                raise ValidationError(errors)
            return cleaned

    field.__class__ = Checked


def compressed(field: forms.MultiValueField, value: object) -> Any:
    """The value cleaned by a field of several inputs, of which each takes its part."""
    try:
        parts = value if isinstance(value, list | tuple) else field.widget.decompress(value)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValidationError(_("Enter each part of the value."), code="invalid") from error
    return field.clean(parts)


def _made(factory: Factory) -> forms.Field:
    field = factory()
    if not isinstance(field, forms.Field):
        raise SchemaError(f"has a type that makes {field!r}, which is no form field")
    return field


def _cleaned_if_valid(field: forms.Field, default: object) -> object:
    """As what the field gives; a default that is not valid is told later, by its name."""
    try:
        if isinstance(field, forms.MultiValueField):
            return compressed(field, default)
        return field.clean(default)
    except ValidationError:
        return default
