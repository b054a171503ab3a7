"""The kinds by name and by Python type: those that come with the app, and those of projects."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from django.utils.functional import Promise

from ..conf import did_you_mean
from .encryption import STORED as ENCRYPTED
from .kinds import BUILTIN, PYTHON_TYPES, Kind
from .strict import SchemaError

_kinds: Final[dict[str, Kind]] = dict(BUILTIN)
_types: Final[dict[type, str]] = dict(PYTHON_TYPES)

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(_kinds)
"""Every kind by its name, in lower case."""


def register_kind(name: str, kind: Kind, python_type: type | None = None) -> None:
    """Let settings be declared with type=name, and with type=python_type or such a default.

    Call it where every process passes before it reads settings: in the module that declares them.
    Every node needs it. Raises SchemaError for what is there already.
    """
    name = name.lower()
    if _kinds.get(name, kind) != kind or name == "choice":
        raise SchemaError(f"is the kind {name!r}, which there is already; choose another name")
    if python_type is not None and _types.get(python_type, name) != name:
        raise SchemaError(
            f"has the type {python_type!r}, which {_types[python_type]!r} has already"
        )
    if kind.stored == ENCRYPTED or kind.stored not in kind.reads:
        raise SchemaError(f"is stored as {kind.stored!r}, and must be read from that")
    _kinds[name] = kind
    if python_type is not None:
        _types[python_type] = name


def kind_named(name: str, *, has_choices: bool) -> str:
    """The key in KINDS."""
    found = name.lower()
    if found in {"choice", "choices"} and not has_choices:
        raise SchemaError(f"has the type {found!r} and no choices")
    if found == "choice":
        return "str"
    if found not in _kinds:
        raise SchemaError(f"has the type {name!r}, which is unknown. {did_you_mean(name, KINDS)}")
    return found


def kind_of_type(python_type: object) -> str:
    """The key in KINDS of a Python type."""
    if not isinstance(python_type, type) or python_type not in _types:
        raise SchemaError(
            f"has the type {python_type!r}, which is unknown. Give a Python type, the class of a "
            f"form field, a callable that makes one, or one of {', '.join(sorted(KINDS))}"
        )
    return _types[python_type]


def kind_of_value(value: object) -> str | None:
    """The key in KINDS that the value itself tells, if it tells any."""
    value = plain_value(value)
    if isinstance(value, str) and "\n" in value:
        return "text"
    # Those of projects first: one may be a subclass of ours.
    ordered = sorted(_types, key=lambda each: each in PYTHON_TYPES)
    return next((_types[each] for each in ordered if isinstance(value, each)), None)


def type_of_kind(name: str) -> type | None:
    """The Python type of its values, where that is known."""
    found = next((python_type for python_type, kind in _types.items() if kind == name), None)
    return str if found is None and _kinds[name].stored == "text" else found


def plain_value(value: Any) -> Any:
    """An enumeration's member as its value, a translation as text."""
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Promise) else value
