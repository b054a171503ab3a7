"""Bodies and query parameters, strictly: what is misspelt is refused instead of being ignored.

A reader takes what was sent and returns it in its own type, or raises ValueError with what is
wrong, to be said after the name: "must be a whole number".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.http import QueryDict
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from ..language import told
from ..models import MAX_NAME_CHARACTERS
from ..schema import SchemaError
from ..schema.strict import parse_json, require_text
from .problems import Problem, invalid

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""More than any entry of the log may have, and than any file of settings needs."""

MAX_INDEX: Final = 2**63 - 1
MAX_COMMENT_CHARACTERS: Final = 1000

Reader = Callable[[Any], Any]


class StrictJSONParser(BaseParser):
    """JSON that every library reads alike, or 400: see `schema.strict`."""

    media_type = "application/json"

    def parse(self, stream: Any, _media_type: Any = None, _context: Any = None) -> Any:
        """The content of the body. Raises ParseError, and Problem 413."""
        body = _read(stream)
        try:
            return parse_json(body.decode())
        except (SchemaError, UnicodeDecodeError) as error:
            problem = told(error) if isinstance(error, SchemaError) else _("is not UTF-8")
            raise ParseError(_("The body %s.") % problem) from error


def _read(stream: Any) -> bytes:
    """At most one byte more than is allowed, whatever length the request states."""
    try:
        body: bytes = stream.read(MAX_BODY_BYTES + 1)
    except UnreadablePostError as error:
        raise ParseError(_("The body broke off.")) from error
    if len(body) > MAX_BODY_BYTES:
        detail = _("A body may have %d bytes at most.") % MAX_BODY_BYTES
        raise Problem(413, "too_large", detail)
    return body


# -- objects and queries as a whole


def fields_of(data: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The fields of a body, none of them needed. Raises Problem 400, for all that is wrong."""
    if not isinstance(data, dict):
        raise invalid({"": [_("The body must be a JSON object.")]})
    return _read_all(data, readers)


def query_of(
    query: QueryDict, readers: Mapping[str, Reader], repeated: Iterable[str] = ()
) -> dict[str, Any]:
    """The query's parameters; those in `repeated` as a list. Raises Problem 400."""
    given: dict[str, Any] = {}
    for name, values in query.lists():
        if name not in repeated and len(values) > 1:
            raise invalid({name: [_("may be given once only.")]})
        given[name] = values if name in repeated else values[-1]
    return _read_all(given, readers)


def _read_all(given: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, value in given.items():
        if name not in readers:
            errors[name] = [_("is unknown here; known are: %s.") % ", ".join(sorted(readers))]
            continue
        try:
            found[name] = readers[name](value)
        except (ValueError, SchemaError) as error:
            errors[name] = [f"{error}."]
    if errors:
        raise invalid(errors)
    return found


# -- readers of JSON


def text(value: Any) -> str:
    """A string that every database can store."""
    return require_text(value)


def comment(value: Any) -> str:
    """Why something is changed."""
    if len(require_text(value)) > MAX_COMMENT_CHARACTERS:
        raise ValueError(_("may have %d characters at most") % MAX_COMMENT_CHARACTERS)
    return str(value)


def request_id(value: Any) -> str:
    """Under which a retry has one effect."""
    if not 1 <= len(require_text(value)) <= MAX_NAME_CHARACTERS:
        raise ValueError(_("must have 1 to %d characters") % MAX_NAME_CHARACTERS)
    return str(value)


def index(value: Any) -> int:
    """The place of an entry in the log; 0 stands before the first."""
    if type(value) is not int or not 0 <= value <= MAX_INDEX:
        raise ValueError(_("must be an index: a whole number, 0 or more"))
    return value


def boolean(value: Any) -> bool:
    """Nothing like it counts."""
    if type(value) is not bool:
        raise ValueError(_("must be true or false"))
    return value


def instant(value: Any) -> datetime:
    """ISO 8601 with an offset: the nodes may be in different time zones."""
    try:
        found = parse_datetime(require_text(value))
    except ValueError:  # of the right form, and no such day
        found = None
    if found is None or timezone.is_naive(found):
        raise ValueError(_('must be an instant with its offset, like "2030-01-31T08:00:00Z"'))
    return found


def names(value: Any) -> list[str]:
    """Of settings."""
    if not isinstance(value, list):
        raise ValueError(_("must be a list of names"))  # noqa: TRY004 - as all here
    return [require_text(each) for each in value]


def values(value: Any) -> dict[str, Any]:
    """Setting -> JSON value."""
    if not isinstance(value, dict):
        raise ValueError(_("must be an object of names and values"))  # noqa: TRY004 - as all here
    return value


def expected(value: Any) -> dict[str, int]:
    """Setting -> the index that last set it."""
    return {name: index(each) for name, each in values(value).items()}


def anything(value: Any) -> Any:
    """What it may be is the setting's to say."""
    return value


# -- readers of query parameters, which are texts


def boolean_text(value: str) -> bool:
    """Either true or false, or 1 or 0."""
    words = {"true": True, "1": True, "false": False, "0": False}
    if value.lower() not in words:
        raise ValueError(_("must be true or false"))
    return words[value.lower()]


def index_text(value: str) -> int:
    """As `index`, written with ASCII digits."""
    if not (value.isascii() and value.isdigit() and len(value) <= len(str(MAX_INDEX))):
        raise ValueError(_("must be an index: a whole number, 0 or more"))
    return index(int(value))


def at_most(limit: int, *, least: int = 0) -> Reader:
    """A reader of whole numbers in a range."""

    def read(value: str) -> int:
        found = index_text(value)
        if not least <= found <= limit:
            raise ValueError(
                _("must be from %(least)d to %(most)d") % {"least": least, "most": limit}
            )
        return found

    return read


def one_of(*words: str) -> Reader:
    """A reader of one of some words."""

    def read(value: str) -> str:
        if value not in words:
            raise ValueError(_("must be one of: %s") % ", ".join(words))
        return value

    return read
