"""Messages as JSON and back. Everything that is read here was written by a stranger.

Reading is strict: a field that is missing, unknown, of another type, or a number outside
0 <= n < 2**63 makes the whole message invalid. Only a sender that speaks a newer protocol may add
fields, which are ignored: the members' agreed version says when they may matter. Bytes travel as
base64, because commands and snapshots are opaque here. What may *not* live here: whether a message
is to be believed (`auth`, `core`).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from ..core import messages
from ..core.configuration import Configuration, Member
from ..core.log import Entry, SnapshotMeta
from ..core.messages import Envelope, Message, Rejection
from ..core.state import PROTOCOL_VERSION
from ..exceptions import InvalidMessageError

MAX_INTEGER = 2**63 - 1
MAX_DIGITS = 19
MAX_TEXT = 1024

Reader = Callable[[Any], Any]


# -- JSON


def dump_json(content: object) -> bytes:
    """Compact JSON in ASCII, with the keys as they come."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def load_json(data: bytes) -> Any:
    """Strict JSON: no duplicate keys, no floats, no huge numbers. Raises InvalidMessageError."""
    try:
        return json.loads(
            data,
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
        _refuse("a key stands twice")
    return found


def _refuse_number(text: str) -> NoReturn:
    _refuse(f"{text[:20]} is no number that nodes use")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        _refuse(f"a number of {len(text)} digits")
    return int(text)


def _refuse(problem: str) -> NoReturn:
    raise InvalidMessageError(f"Not a message of this protocol: {problem}.")


# -- values: each reader returns the value, or refuses


def integer(value: Any) -> int:
    """0 <= n < 2**63; a bool is no integer here."""
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        _refuse("an integer is missing or out of range")
    return int(value)


def boolean(value: Any) -> bool:
    """true or false, nothing like it."""
    if type(value) is not bool:
        _refuse("true or false is missing")
    return bool(value)


def text(value: Any) -> str:
    """A string that every database can store: no NUL, no half of a surrogate pair."""
    if type(value) is not str or len(value) > MAX_TEXT or "\0" in value:
        _refuse("a text is missing, too long or holds a NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse("a text holds half a surrogate pair")
    return str(value)


def data(value: Any) -> bytes:
    """Bytes, from base64."""
    if type(value) is not str:
        _refuse("bytes are missing")
    try:
        return base64.b64decode(value.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        _refuse("bytes are not base64")


def text_of(content: bytes) -> str:
    """Bytes, as base64."""
    return base64.b64encode(content).decode("ascii")


def items_of(read: Reader) -> Reader:
    """A reader of lists whose items `read` reads."""

    def read_items(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            _refuse("a list is missing")
        return tuple(read(item) for item in value)

    return read_items


def fields_of(value: Any, readers: Mapping[str, Reader], *, is_newer: bool) -> dict[str, Any]:
    """The fields of an object, by their readers; all of them, and no others from our version."""
    if type(value) is not dict:
        _refuse("an object is missing")
    missing = readers.keys() - value.keys()
    unknown = value.keys() - readers.keys()
    if missing or (unknown and not is_newer):
        _refuse(f"fields {sorted(missing) or sorted(unknown)} are missing or unknown"[:200])
    return {name: read(value[name]) for name, read in readers.items()}


# -- parts of messages


class _Parts:
    """Readers of what messages are made of, for one version of the sender."""

    def __init__(self, *, is_newer: bool) -> None:
        self.is_newer = is_newer

    def member(self, value: Any) -> Member:
        return Member(**self._fields(value, _MEMBER))

    def configuration(self, value: Any) -> Configuration | None:
        if value is None:
            return None
        readers = {
            "members": items_of(self.member),
            "index": integer,
            "removed": items_of(text),
        }
        return Configuration(**self._fields(value, readers))

    def whole_configuration(self, value: Any) -> Configuration:
        found = self.configuration(value)
        if found is None:
            _refuse("a configuration is missing")
        return found

    def entry(self, value: Any) -> Entry:
        readers = {
            "index": integer,
            "term": integer,
            "command": data,
            "configuration": self.configuration,
        }
        return Entry(**self._fields(value, readers))

    def meta(self, value: Any) -> SnapshotMeta:
        readers = {
            "last_included_index": integer,
            "last_included_term": integer,
            "configuration": self.whole_configuration,
            "size_bytes": integer,
            "digest": text,
        }
        return SnapshotMeta(**self._fields(value, readers))

    def message(self, name: str, value: Any) -> Message:
        found = _MESSAGES.get(name)
        if found is None:
            _refuse(f"there is no message {name[:40]!r}")
        made, names = found
        special = {"entries": items_of(self.entry), "meta": self.meta, "data": data}
        readers = {each: special.get(each) or _PLAIN[each] for each in names}
        message: Message = made(**self._fields(value, readers))
        if isinstance(message, messages.AppendEntries):
            _check_consecutive(message)
        return message

    def _fields(self, value: Any, readers: Mapping[str, Reader]) -> dict[str, Any]:
        return fields_of(value, readers, is_newer=self.is_newer)


def _check_consecutive(message: messages.AppendEntries) -> None:
    for place, entry in enumerate(message.entries, message.prev_log_index + 1):
        if entry.index != place:
            _refuse("the entries do not follow on one another")


def _rejection(value: Any) -> Rejection:
    try:
        return Rejection(text(value))
    except ValueError:
        _refuse("an unknown reason of rejection")


_MEMBER: Mapping[str, Reader] = {
    "node_id": text,
    "address": text,
    "voter": boolean,
    "promote": boolean,
    "incarnation": text,
    "version": integer,
}

_BOOLEANS = ("vote_granted", "removed", "transfer", "success", "installed")
_TEXTS = ("read_id", "digest")
_INTEGERS = (
    "term",
    "last_log_index",
    "last_log_term",
    "candidate_term",
    "prev_log_index",
    "prev_log_term",
    "leader_commit",
    "match_index",
    "hint_index",
    "hint_term",
    "offset",
    "last_included_index",
    "next_offset",
)
_PLAIN: dict[str, Reader] = {
    **dict.fromkeys(_BOOLEANS, boolean),
    **dict.fromkeys(_TEXTS, text),
    **dict.fromkeys(_INTEGERS, integer),
    "reason": _rejection,
}

_TYPES: tuple[type[Any], ...] = (
    messages.RequestPreVote,
    messages.PreVoteResponse,
    messages.RequestVote,
    messages.RequestVoteResponse,
    messages.AppendEntries,
    messages.AppendEntriesResponse,
    messages.InstallSnapshot,
    messages.InstallSnapshotResponse,
    messages.TimeoutNow,
    messages.TimeoutNowResponse,
    messages.Rejected,
)
_MESSAGES: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    made.__name__: (made, tuple(made.__dataclass_fields__)) for made in _TYPES
}


# -- writing


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, Rejection):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    names = _WRITTEN.get(type(value))
    return value if names is None else _object_of(value, names)


def _object_of(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: _plain(getattr(value, name)) for name in names}


_WRITTEN: dict[type[Any], tuple[str, ...]] = {
    Member: tuple(_MEMBER),
    Configuration: ("members", "index", "removed"),
    Entry: ("index", "term", "command", "configuration"),
    SnapshotMeta: tuple(SnapshotMeta.__dataclass_fields__),
}


# -- envelopes


def encode_envelope(envelope: Envelope) -> bytes:
    """The body of a request or of a reply."""
    message = envelope.message
    name = type(message).__name__
    return dump_json(
        {
            "version": envelope.version,
            "sender": envelope.sender,
            "sender_incarnation": envelope.sender_incarnation,
            "recipient": envelope.recipient,
            "recipient_incarnation": envelope.recipient_incarnation,
            "type": name,
            "message": _object_of(message, _MESSAGES[name][1]),
        }
    )


def decode_envelope(body: bytes) -> Envelope:
    """The envelope in a body. Raises InvalidMessageError."""
    found = load_json(body)
    version = integer(found.get("version")) if type(found) is dict else 0
    is_newer = version > PROTOCOL_VERSION
    readers = {
        "version": integer,
        "sender": text,
        "sender_incarnation": text,
        "recipient": text,
        "recipient_incarnation": text,
        "type": text,
        "message": lambda value: value,
    }
    envelope = fields_of(found, readers, is_newer=is_newer)
    name, content = envelope.pop("type"), envelope.pop("message")
    return Envelope(message=_Parts(is_newer=is_newer).message(name, content), **envelope)
