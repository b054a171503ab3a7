"""Messages as JSON and back. Everything that is read here was written by a stranger.

Reading is strict (`strict`): a field that is missing, unknown, of another type, or a number outside
0 <= n < 2**63 makes the whole message invalid. Only a sender that speaks a newer protocol may add
fields, which are ignored: the members' agreed version says when they may matter. Bytes travel as
base64, because commands and snapshots are opaque here, and a chunk may end within a character; a
third more bytes, one form for all, and no escapes. What may *not* live here: whether a message is
to be believed (`auth`, `core`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from ..core import messages
from ..core.configuration import FIRST_VERSION, Configuration, Member
from ..core.log import Entry, SnapshotMeta
from ..core.messages import Envelope, Message, Rejection
from ..core.state import PROTOCOL_VERSION
from .strict import (
    Reader,
    boolean,
    data,
    fields_of,
    identifier,
    integer,
    items_of,
    load_json,
    or_none,
    refuse,
    text,
    version,
)

MAX_BODY_BYTES = 16 * 1024 * 1024
"""No message is larger. It is the same on all nodes, whatever batches each has been set to send:
MAX_BATCH_BYTES and SNAPSHOT_CHUNK_BYTES of 5 MiB fit, as base64 with what surrounds each entry."""


# -- JSON


def dump_json(content: object) -> bytes:
    """Compact JSON in ASCII, with the keys as they come."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")


def text_of(content: bytes) -> str:
    """Bytes, as base64."""
    return base64.b64encode(content).decode("ascii")


# -- parts of messages


def _rejection(value: Any) -> Rejection:
    try:
        return Rejection(value)
    except ValueError:
        refuse("an unknown reason of rejection")


_MEMBER: Mapping[str, Reader] = {
    "node_id": identifier,
    "address": text,
    "voter": boolean,
    "promote": boolean,
    "incarnation": text,
    "version": version,
}
_BOOLEANS = ("vote_granted", "removed", "transfer", "success", "installed")
_TEXTS = ("read_id", "digest")

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
_FIELDS: Mapping[str, tuple[str, ...]] = {
    made.__name__: tuple(made.__dataclass_fields__) for made in _TYPES
}


Maker = Callable[[type[Any], Mapping[str, Reader]], Reader]
"""Gives a reader of objects with these fields, which makes values of this type."""


def _maker(*, is_newer: bool) -> Maker:
    def made_of(made: type[Any], readers: Mapping[str, Reader]) -> Reader:
        return lambda value: made(**fields_of(value, readers, is_newer=is_newer))

    return made_of


def _part_readers(made_of: Maker) -> dict[str, Reader]:
    """What messages are made of, by the names of their fields; what is not here is an integer."""
    members = items_of(made_of(Member, _MEMBER))
    configuration = _checked(
        made_of(
            Configuration,
            {
                "members": members,
                "index": integer,
                "removed": items_of(identifier),
                "generation": text,
            },
        ),
        _check_members,
    )
    entry = {
        "index": integer,
        "term": integer,
        "command": data,
        "configuration": or_none(configuration),
    }
    meta = {
        "last_included_index": integer,
        "last_included_term": integer,
        "configuration": configuration,
        "size_bytes": integer,
        "digest": text,
    }
    return {
        **dict.fromkeys(_BOOLEANS, boolean),
        **dict.fromkeys(_TEXTS, text),
        "data": data,
        "reason": _rejection,
        "entries": items_of(made_of(Entry, entry)),
        "meta": made_of(SnapshotMeta, meta),
    }


def _message_readers(*, is_newer: bool) -> dict[str, Reader]:
    """A reader for each message, as a sender of our or of a newer version writes it."""
    made_of = _maker(is_newer=is_newer)
    parts = _part_readers(made_of)
    readers = {
        made.__name__: made_of(
            made, {name: parts.get(name, integer) for name in _FIELDS[made.__name__]}
        )
        for made in _TYPES
    }
    readers["AppendEntries"] = _checked(readers["AppendEntries"], _check_entries)
    readers["InstallSnapshot"] = _checked(readers["InstallSnapshot"], _check_chunk)
    return readers


def _checked(read: Reader, check: Callable[[Any], None]) -> Reader:
    def read_and_check(value: Any) -> Any:
        found = read(value)
        check(found)
        return found

    return read_and_check


def _check_members(configuration: Configuration) -> None:
    if len(configuration.by_id) != len(configuration.members):
        refuse("a member stands twice")


def _check_entries(message: messages.AppendEntries) -> None:
    """Entries as they stand in every leader's log (Raft §5.3); no follower could hold others."""
    term = message.prev_log_term
    for index, entry in enumerate(message.entries, message.prev_log_index + 1):
        if entry.index != index or not term <= entry.term <= message.term:
            refuse("the entries do not follow on one another")
        if entry.configuration is not None and (
            entry.command or entry.configuration.index != index
        ):
            refuse("a configuration stands at another index than its own, or with a command")
        term = entry.term


def _check_chunk(message: messages.InstallSnapshot) -> None:
    if message.offset + len(message.data) > message.meta.size_bytes:
        refuse("a chunk reaches beyond the end of its snapshot")


# -- writing


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, Rejection):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    names = _WRITTEN.get(type(value))
    return value if names is None else {name: _plain(getattr(value, name)) for name in names}


_WRITTEN: Mapping[type[Any], tuple[str, ...]] = {
    Member: tuple(_MEMBER),
    Configuration: ("members", "index", "removed", "generation"),
    Entry: ("index", "term", "command", "configuration"),
    SnapshotMeta: tuple(SnapshotMeta.__dataclass_fields__),
    **{made: _FIELDS[made.__name__] for made in _TYPES},
}


# -- envelopes

_MESSAGES = {is_newer: _message_readers(is_newer=is_newer) for is_newer in (False, True)}

_ENVELOPE: Mapping[str, Reader] = {
    "version": version,
    "sender": identifier,
    "sender_incarnation": text,
    "recipient": identifier,
    "recipient_incarnation": text,
    "generation": text,
    "type": text,
    "message": lambda value: value,
}


def encode_envelope(envelope: Envelope) -> bytes:
    """The body of a request or of a reply."""
    return dump_json(
        {
            "version": envelope.version,
            "sender": envelope.sender,
            "sender_incarnation": envelope.sender_incarnation,
            "recipient": envelope.recipient,
            "recipient_incarnation": envelope.recipient_incarnation,
            "generation": envelope.generation,
            "type": type(envelope.message).__name__,
            "message": _plain(envelope.message),
        }
    )


def decode_envelope(body: bytes) -> Envelope:
    """The envelope in a body. Raises InvalidMessageError."""
    found = load_json(body)
    spoken = version(found.get("version")) if type(found) is dict else FIRST_VERSION
    is_newer = spoken > PROTOCOL_VERSION
    envelope = fields_of(found, _ENVELOPE, is_newer=is_newer)
    name, content = envelope.pop("type"), envelope.pop("message")
    read = _MESSAGES[is_newer].get(name)
    if read is None:
        refuse(f"there is no message {name[:40]!r}")
    message: Message = read(content)
    return Envelope(message=message, **envelope)
