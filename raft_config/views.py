"""The RPCs: signature, then wire, then the node's door, then a signed reply.

Everything a project may have set for its own API is pinned here, because it is wrong for these
views: its throttles would refuse heartbeats, its parsers accept forms, its ATOMIC_REQUESTS roll
back a vote that was already promised. The node's own transaction is over when a reply is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from .conf import get_config
from .exceptions import (
    CommandError,
    EntryLostError,
    InvalidMessageError,
    InvariantViolatedError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    RaftConfigError,
    UnavailableError,
)
from .node import Node, get_node
from .transport import wire
from .transport.auth import Caller, MessageRefusedError, Signer
from .transport.client import REBUILT, signer_for

logger = logging.getLogger("raft_config")

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""Above every batch and chunk as base64; Django's own limit for bodies does not apply here."""

Handler = Callable[[Node, Caller, bytes], bytes]
"""Makes the reply's body from a request's."""

STATUSES: tuple[tuple[type[RaftConfigError], int], ...] = (
    (InvalidMessageError, 400),
    (CommandError, 400),
    (NotLeaderError, 409),
    (EntryLostError, 409),
    (MembershipError, 409),
    (UnavailableError, 503),
    (OutcomeUnknownError, 504),
)


class TooLargeError(InvalidMessageError):
    """The body is larger than any that a node sends."""


class StrangerError(RaftConfigError):
    """The caller is no member, or no longer one."""

    def __init__(self, caller: str, *, was_removed: bool) -> None:
        super().__init__(
            f"Node {caller} was removed from the cluster; let it join again."
            if was_removed
            else f"Node {caller} is no member of the cluster; let it join first."
        )
        self.status = 410 if was_removed else 404


class AnyContentNegotiation(BaseContentNegotiation):
    """What a peer accepts is known."""

    def select_parser(self, _request: Request, parsers: Any) -> Any:
        return parsers[0] if parsers else None

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(transaction.non_atomic_requests, name="dispatch")
class PinnedView(APIView):
    """Nothing of what the project has set for its own API."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AnyContentNegotiation
    schema = None


class RpcView(PinnedView):
    """One POST: the reply's body is what `handle` makes of the request's."""

    handle: Handler | None = None

    def post(self, request: Request) -> HttpResponse:
        """Verify, handle, and sign whatever comes of it."""
        signer = signer_for(get_config())
        if signer is None or self.handle is None:
            return _unsigned(401, "This node has no peers: it takes no messages.")
        received: list[bytes] = []

        def body() -> bytes:
            received.append(_read(request._request))  # noqa: SLF001 - DRF's would parse it
            return received[0]

        try:
            caller = signer.verify_request("POST", request.path, request.headers, body)
        except MessageRefusedError as error:
            logger.warning("Refused a message: %s", error)
            return _refused(signer, error)
        except TooLargeError as error:
            return _unsigned(413, str(error))
        status, reply = _answer(self.handle, caller, received[0])
        return _signed(signer, caller, status, reply)


def _answer(handle: Handler, caller: Caller, body: bytes) -> tuple[int, bytes]:
    try:
        return 200, handle(get_node(), caller, body)
    except StrangerError as error:
        return error.status, _error_body(error)
    except InvariantViolatedError:
        logger.exception("A safety rule would have been broken; nothing of the step was kept")
        return 500, wire.dump_json({"error": "InvariantViolatedError", "detail": "See the log."})
    except RaftConfigError as error:
        status = next((code for kind, code in STATUSES if isinstance(error, kind)), 500)
        return status, _error_body(error)


def _error_body(error: RaftConfigError) -> bytes:
    name = type(error).__name__
    facts = {fact: getattr(error, fact) for fact in REBUILT.get(name, ())}
    return wire.dump_json({"error": name, "detail": str(error), **facts})


def _read(request: HttpRequest) -> bytes:
    """The body, up to our own limit."""
    found: bytes = request.read(MAX_REQUEST_BYTES + 1)
    if len(found) > MAX_REQUEST_BYTES:
        raise TooLargeError(f"A body may have {MAX_REQUEST_BYTES} bytes at most.")
    return found


def _signed(signer: Signer, caller: Caller, status: int, body: bytes) -> HttpResponse:
    headers = signer.sign_reply(caller, status, body)
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def _refused(signer: Signer, error: MessageRefusedError) -> HttpResponse:
    body = wire.dump_json({"error": type(error).__name__, "detail": str(error)})
    if error.caller is None:
        return HttpResponse(body, status=error.http_status, content_type="application/json")
    return _signed(signer, error.caller, error.http_status, body)


def _unsigned(status: int, detail: str) -> HttpResponse:
    body = wire.dump_json({"error": "refused", "detail": detail})
    return HttpResponse(body, status=status, content_type="application/json")


# -- what each RPC does with a body that is known to come from a node


def _fields(body: bytes, readers: Mapping[str, wire.Reader]) -> dict[str, Any]:
    return wire.fields_of(wire.load_json(body), readers, is_newer=False)


def _require_member(node: Node, caller: Caller) -> None:
    configuration = node.state.configuration
    if caller.node_id not in configuration.by_id:
        raise StrangerError(caller.node_id, was_removed=caller.node_id in configuration.removed)


def handle_raft(node: Node, caller: Caller, body: bytes) -> bytes:
    """A message of Raft. From a stranger too: a node that lags may not know its leader yet."""
    envelope = wire.decode_envelope(body)
    if (envelope.sender, envelope.recipient) != (caller.node_id, node.node_id):
        raise InvalidMessageError("The envelope and the signature name different nodes.")
    return wire.encode_envelope(node.receive(envelope))


def handle_propose(node: Node, caller: Caller, body: bytes) -> bytes:
    """Commands that a member passes on; this node must lead, they are forwarded only once."""
    _require_member(node, caller)
    commands = _fields(body, {"commands": wire.items_of(wire.data)})["commands"]
    seconds = node.config.write_timeout_seconds
    accepted = node.propose(commands, timeout_seconds=seconds)
    return wire.dump_json({"index": accepted.index, "term": accepted.term})


def handle_read_index(node: Node, caller: Caller, body: bytes) -> bytes:
    """The index that answers a linearizable read on the caller's node."""
    _require_member(node, caller)
    _fields(body, {})
    seconds = node.config.write_timeout_seconds
    return wire.dump_json({"index": node.read_index(timeout_seconds=seconds)})


def handle_join(node: Node, caller: Caller, body: bytes) -> bytes:
    """A newcomer asks to be let in."""
    readers = {"node_id": wire.text, "address": wire.text, "incarnation": wire.text}
    found = _fields(body, readers)
    if found["node_id"] != caller.node_id:
        raise InvalidMessageError("A node can ask for itself only.")
    accepted = node.join(**found)
    return wire.dump_json({"index": accepted.index if accepted else node.state.configuration.index})


def handle_ping(node: Node, _caller: Caller, body: bytes) -> bytes:
    """Whether this node's web tier answers, and its database with it."""
    _fields(body, {})
    return wire.dump_json({"term": node.state.current_term})


class IdentityView(PinnedView):
    """The one thing that is told to anybody: the id to address a signed request to."""

    def get(self, _request: Request) -> HttpResponse:
        """This node's id; proves nothing."""
        body = wire.dump_json({"node_id": get_config().node_id})
        return HttpResponse(body, content_type="application/json")
