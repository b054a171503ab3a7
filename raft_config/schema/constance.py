"""What a django-constance project has already, as it stands: named form fields, and fieldsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django import forms
from django.utils.module_loading import import_string

from ..conf import FieldSpec, RaftConfig, name_of
from ..exceptions import ConfigurationError
from .strict import SchemaError


def named_field(name: str, spec: FieldSpec) -> Callable[[], forms.Field]:
    """What makes the form field of that name in RAFT_CONFIG["FIELDS"]. Raises SchemaError."""
    field_class, given = _loaded(name, spec[0]), dict(spec[1])
    widget, widget_options = given.pop("widget", None), given.pop("widget_kwargs", None) or {}
    widget_class = None if widget is None else _loaded(name, widget)

    def make() -> forms.Field:
        options = dict(given)
        if widget_class is not None:
            made = widget_class(**widget_options) if callable(widget_class) else widget_class
            options["widget"] = made
        made_field: forms.Field = field_class(**options)
        return made_field

    return make


def _loaded(name: str, given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return import_string(given)
    except ImportError as error:
        raise SchemaError(
            f"has the type {name!r}: {name_of('FIELDS')} names {given!r}, which cannot be imported "
            f"({error})"
        ) from error


def groups_of(config: RaftConfig) -> dict[str, str]:
    """Name -> the group that RAFT_CONFIG["FIELDSETS"] puts it in, in that order."""
    return {name: title for title, names in config.fieldsets for name in names}


def fieldset_problems(
    config: RaftConfig, declared: Mapping[str, object]
) -> Iterator[ConfigurationError]:
    """Names that are not declared, or stand in two groups."""
    names = [name for _title, names in config.fieldsets for name in names]
    for name in sorted(set(names) - set(declared)):
        yield ConfigurationError(name_of("FIELDSETS"), f"names {name}, which is not declared.")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield ConfigurationError(name_of("FIELDSETS"), f"names {name} more than once.")
