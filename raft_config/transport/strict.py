"""Strict reading of JSON that a stranger wrote: numbers, texts, lists and objects of known fields.

Each reader takes what `load_json` found, and returns it in its own type or raises
InvalidMessageError. What may *not* live here: what the messages are (`wire`).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..core.configuration import FIRST_VERSION
from ..exceptions import InvalidMessageError
from .auth import ID_PATTERN

MAX_INTEGER = 2**63 - 1
MAX_VERSION = 2**31 - 1
MAX_DIGITS = 19
MAX_TEXT = 1024

Reader = Callable[[Any], Any]


def load_json(body: bytes) -> Any:
    """Strict JSON in UTF-8: no duplicate keys, no number that is not a plain 0 <= n < 10**19.

    Raises InvalidMessageError, whatever the bytes are.
    """
    try:
        return json.loads(
            body.decode(),  # given bytes, `json` would take UTF-16 and halves of surrogate pairs
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidMessageError(f"The body is not JSON as nodes write it: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        refuse("a key stands twice")
    return found


def _refuse_number(digits: str) -> NoReturn:
    refuse(f"{digits[:20]} is no number that nodes use")


def _integer(digits: str) -> int:
    if not digits.isdigit() or len(digits) > MAX_DIGITS:
        _refuse_number(digits)
    return int(digits)


def refuse(problem: str) -> NoReturn:
    """Say what is wrong; nothing of the message is used."""
    raise InvalidMessageError(f"Not a message of this protocol: {problem}.")


# -- values: each reader returns the value, or refuses


def integer(value: Any) -> int:
    """0 <= n < 2**63; a bool is no integer here."""
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        refuse("an integer is missing or out of range")
    return int(value)


def version(value: Any) -> int:
    """A protocol version; the tables keep four bytes of it."""
    found = integer(value)
    if not FIRST_VERSION <= found <= MAX_VERSION:
        refuse("there is no such protocol version")
    return found


def boolean(value: Any) -> bool:
    """Either true or false, nothing like it."""
    if type(value) is not bool:
        refuse("true or false is missing")
    return bool(value)


def text(value: Any) -> str:
    """A string that every database can store: no NUL, no half of a surrogate pair."""
    if type(value) is not str or len(value) > MAX_TEXT or "\0" in value:
        refuse("a text is missing, too long or holds a NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse("a text holds half a surrogate pair")
    return str(value)


def identifier(value: Any) -> str:
    """The id of a node."""
    if type(value) is not str or not ID_PATTERN.fullmatch(value):
        refuse("a node id is missing or of another form")
    return str(value)


def identifier_or_nothing(value: Any) -> str:
    """The id of a node, or "" for none."""
    return "" if value == "" else identifier(value)


def data(value: Any) -> bytes:
    """Bytes, from base64."""
    if type(value) is not str:
        refuse("bytes are missing")
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        refuse("bytes are not base64")


def items_of(read: Reader) -> Reader:
    """A reader of lists whose items `read` reads."""

    def read_items(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            refuse("a list is missing")
        return tuple([read(item) for item in value])

    return read_items


def or_none(read: Reader) -> Reader:
    """A reader of null, or of what `read` reads."""
    return lambda value: None if value is None else read(value)


def fields_of(value: Any, readers: Mapping[str, Reader], *, is_newer: bool) -> dict[str, Any]:
    """The fields of an object, by their readers; all of them, and no others from our version."""
    if type(value) is not dict:
        refuse("an object is missing")
    if value.keys() != readers.keys():
        missing = readers.keys() - value.keys()
        unknown = value.keys() - readers.keys()
        if missing or not is_newer:
            refuse(f"fields {sorted(missing or unknown)} are missing or unknown"[:200])
    return {name: read(value[name]) for name, read in readers.items()}
