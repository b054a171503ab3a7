"""Errors as signed replies, and back into the same errors on the node that asked.

A reply names the error, says its text, and carries the facts that it is made of:
`{"error": "NotLeaderError", "detail": "Node b leads term 7; ...", "leader_id": "b", "term": 7}`.
What may *not* live here: replies that nobody signed (`client`).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from .. import exceptions
from ..exceptions import (
    InvalidMessageError,
    MessageRefusedError,
    PeerError,
    PeerRejectedError,
    PeerUnavailableError,
    RaftConfigError,
    RolledBackError,
    StateMachineError,
)
from .strict import Reader, identifier, integer, load_json, or_none, text
from .wire import dump_json

MAX_DETAIL: Final = 500

TRAVELLING: Final[Mapping[str, tuple[int, Mapping[str, Reader]]]] = {
    "NotLeaderError": (409, {"leader_id": or_none(identifier), "term": integer}),
    "EntryLostError": (409, {"index": integer, "term": integer}),
    "MembershipError": (409, {}),
    "UnsupportedCommandError": (409, {"needed": integer, "agreed": integer}),
    "InvalidCommandError": (422, {}),
    "UnavailableError": (503, {}),
    "OutcomeUnknownError": (504, {"request_id": text}),
}
"""Errors that arrive as what they were: the status, and the facts; {} for those of text alone."""


def reply_for(error: Exception) -> tuple[int, bytes] | None:
    """Status and body that tell the caller of an error; None for one that is our own fault."""
    name = type(error).__name__
    facts: dict[str, Any] = {}
    if name in TRAVELLING:
        status, readers = TRAVELLING[name]
        facts = {fact: getattr(error, fact) for fact in readers}
    elif isinstance(error, MessageRefusedError):
        status = error.http_status
    elif isinstance(error, PeerError):
        status = HTTPStatus.BAD_GATEWAY
    elif isinstance(error, (StateMachineError, RolledBackError)):
        status = HTTPStatus.NOT_IMPLEMENTED
    else:
        return None
    return status, dump_json({"error": name, "detail": str(error)[:MAX_DETAIL], **facts})


def error_in(peer: str, status: int, content: bytes) -> RaftConfigError:
    """The error that a peer's signed reply names, or a PeerError that repeats its text."""
    try:
        found = load_json(content)
        if not isinstance(found, dict) or found.get("error") not in list(TRAVELLING):
            return peer_error(peer, status, content)
        made: Any = getattr(exceptions, found["error"])
        _, readers = TRAVELLING[found["error"]]
        facts = [read(found.get(fact)) for fact, read in readers.items()]
        error: RaftConfigError = made(*facts) if facts else made(text(found.get("detail")))
    except InvalidMessageError:
        return peer_error(peer, status, content)
    return error


def peer_error(peer: str, status: int, content: bytes) -> PeerError:
    """A refusal that is not the cluster's answer: the peer failed, or this node is wrong there."""
    says = _detail(content)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return PeerUnavailableError(f"Node {peer} failed with status {status}: {says}")
    return PeerRejectedError(f"Node {peer} refused with status {status}: {says}")


def _detail(content: bytes) -> str:
    """The text of a reply, if it is one of ours; else what there is of it."""
    try:
        found = load_json(content)
        return text(found.get("detail") if isinstance(found, dict) else None)
    except InvalidMessageError:
        return ascii(content[:MAX_DETAIL].decode(errors="replace"))
