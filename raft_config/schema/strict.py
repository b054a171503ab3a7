"""JSON that every node reads as the same value, or SchemaError.

No NaN, no integer beyond 64 bits, no name twice, nothing too deep, no half characters: what one
JSON library takes and another one refuses, or reads otherwise, is refused here by all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final

from ..exceptions import RaftConfigError, noop

MAX_JSON_DEPTH: Final = 32
MAX_INTEGER: Final = 2**63 - 1


class SchemaError(RaftConfigError):
    """A declaration is wrong, or a value or its text does not fit the declared type."""


def require_json(value: object, depth: int = 0) -> None:
    """Raise SchemaError unless JSON can hold the value, and all nodes read it alike."""
    if depth > MAX_JSON_DEPTH:
        raise SchemaError(noop("is nested more than %(depth)d deep"), depth=MAX_JSON_DEPTH)
    if isinstance(value, dict):
        for key, each in value.items():
            require_text(key)
            require_json(each, depth + 1)
    elif isinstance(value, list | tuple):
        for each in value:
            require_json(each, depth + 1)
    elif value is not None:
        _require_scalar(value)


def _require_scalar(value: object) -> None:
    for python_type, check in _SCALARS.items():
        if isinstance(value, python_type):
            check(value)
            return
    raise SchemaError(noop("holds a %(type)s, which JSON cannot"), type=type(value).__name__)


def require_bool(value: object) -> bool:
    """The value, if it is True or False."""
    if not isinstance(value, bool):
        raise SchemaError(noop("must be true or false"))
    return value


def require_text(value: object) -> str:
    """The value, if every database stores it and every browser shows it."""
    if not isinstance(value, str):
        raise SchemaError(noop("must be text"))
    is_half = not value.isascii() and any("\ud800" <= each <= "\udfff" for each in value)
    if is_half or "\0" in value:
        raise SchemaError(noop("holds a NUL or half a character"))
    return value


def require_integer(value: object) -> int:
    """The value, if it is a whole number of 64 bits, and no bool."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise SchemaError(noop("must be a whole number"))
    if abs(value) > MAX_INTEGER:
        raise SchemaError(noop("must be between -%(limit)d and %(limit)d"), limit=MAX_INTEGER)
    return value


def require_finite(value: object) -> float:
    """The value, if it is a float, and neither infinite nor NaN."""
    if not isinstance(value, float) or not math.isfinite(value):
        raise SchemaError(noop("must be a finite number"))
    return value


# bool before int, of which it is a subclass.
_SCALARS: Final[dict[type, Callable[[object], object]]] = {
    bool: require_bool,
    str: require_text,
    int: require_integer,
    float: require_finite,
}


def parse_json(text: str) -> Any:
    """The content of a JSON text."""
    try:
        found = json.loads(text, object_pairs_hook=_no_duplicates)
    # Not JSON, or an integer of thousands of digits; no text at all; nested too deep.
    except (ValueError, TypeError, RecursionError) as error:
        raise SchemaError(noop("is no JSON")) from error
    require_json(found)
    return found


def typed_text(stored: str, raw: Any) -> str:
    """The text of a value in the log: it states the type."""
    return json.dumps({"type": stored, "value": raw}, sort_keys=True, separators=(",", ":"))


def parse_typed(text: str) -> tuple[Any, Any]:
    """The type that the text states, and what it holds of that type."""
    found = parse_json(text)
    if not isinstance(found, dict) or found.keys() != {"type", "value"}:
        raise SchemaError(noop("is not of the form that raft_config writes"))
    return found["type"], found["value"]


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise SchemaError(noop("has a name twice"))
    return found
