"""The RPCs: signature, then wire, then the node's door, then a signed reply.

Everything a project may have set for its own API is pinned here, because it is wrong for these
views: its throttles would refuse heartbeats, its parsers accept forms, its ATOMIC_REQUESTS roll
back a vote that was already promised. The node's own transaction is over when a reply is made.

    signature missing or wrong  401   before the body is parsed, and unsigned: nobody is known
    of another cluster          412      not for this node      421
    larger than any message     413      malformed              400
    sender no member            404      sender was removed     410      (propose and read_index)
    not leader, entry lost, change of members refused           409
    command refused             422      leader busy            503      outcome unknown     504
    of a newer release          501
    our database fails          503
    our own fault               500      a fixed text; the log says what happened

Messages of Raft are taken from strangers too, and answered with 200: a follower that lags does not
know a new leader yet, and that a sender was removed is told by PreVoteResponse, for its core to
act on (`effects.Removed`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from django.db import InterfaceError, OperationalError, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from . import operations, tracing
from .conf import get_config, url_problem
from .core import messages
from .exceptions import (
    AuthenticationError,
    InvalidMessageError,
    MessageRefusedError,
    MessageTooLargeError,
    NotLeaderError,
    RaftConfigError,
    RemovedNodeError,
    UnknownNodeError,
)
from .node import Node, get_node
from .transport import refusals, strict, wire
from .transport.auth import Caller, Signer
from .transport.client import signer_for

logger = logging.getLogger("raft_config")

READ_BYTES = 1024 * 1024
MAX_PROBLEM = 500
NO_DATABASE = b'{"error": "DatabaseError", "detail": "The database of this node fails now."}'

Handler = Callable[[Node, Caller, bytes], bytes]
"""Makes the reply's body from a request's."""


class OneContentNegotiation(BaseContentNegotiation):
    """What a peer sends and accepts is known."""

    def select_parser(self, _request: Request, _parsers: Any) -> None:
        return None

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class RpcView(APIView):
    """One POST: the reply's body is what `handle` makes of the request's."""

    http_method_names = ("post",)
    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = ()
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = OneContentNegotiation
    versioning_class = None
    schema = None

    handle: Handler | None = None
    signer: Signer | None = None
    caller: Caller | None = None
    """Who asked, once that is proved: from then on every reply is signed."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Exempt from CSRF (as all of DRF) and from ATOMIC_REQUESTS of whatever database."""
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def perform_authentication(self, _request: Request) -> None:
        """Leave it to `post`; DRF would make the project's anonymous user."""

    def post(self, request: Request) -> HttpResponse:
        """Verify, then handle."""
        self.signer = signer_for(get_config())
        if self.signer is None or self.handle is None:
            raise AuthenticationError("This node has no SECRETS: it takes no messages.")
        received: list[bytes] = []

        def read() -> bytes:
            received.append(_read(request._request))  # noqa: SLF001 - DRF's would parse it
            return received[0]

        self.caller = self.signer.verify_request("POST", request.path, request.headers, read)
        node, name = get_node(), self.handle.__name__.removeprefix("handle_")
        with tracing.answering(name, node.node_id, request.headers):
            return self._reply(200, self.handle(node, self.caller, received[0]))

    def handle_exception(self, exc: Exception) -> HttpResponse:  # type: ignore[override]  # as DRF
        """Answer every error: the project's handler, or Django's page, is no reply to a node."""
        self.caller = self.caller or getattr(exc, "caller", None)
        if isinstance(exc, MethodNotAllowed):
            return self._reply(405, b'{"error": "MethodNotAllowed", "detail": "POST only."}')
        reply = refusals.reply_for(exc)
        if reply is not None:
            # The sender tells its operator, once; here it would be a line per heartbeat.
            logger.debug("Refused with status %d: %s", reply[0], exc)
            if isinstance(exc, MessageRefusedError):
                sender = self.caller.node_id if self.caller else ""
                get_node().journal.refused(sender, type(exc).__name__)
            return self._reply(*reply)
        if isinstance(exc, (OperationalError, InterfaceError)):
            # It was restarted, cut off or locked: no fault of this code, so no traceback.
            logger.warning("A message of a peer was not taken in, the database fails: %s", exc)
            return self._reply(503, NO_DATABASE)
        logger.error("A message of a peer could not be answered", exc_info=exc)
        return self._reply(
            500, b'{"error": "InternalError", "detail": "See the log of this node."}'
        )

    def _reply(self, status: int, body: bytes) -> HttpResponse:
        headers = {}
        if self.signer is not None and self.caller is not None:
            headers = self.signer.sign_reply(self.caller, status, body)
        return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def _read(request: HttpRequest) -> bytes:
    """The body, up to our own limit: Django's, DATA_UPLOAD_MAX_MEMORY_SIZE, is for forms."""
    declared = request.META.get("CONTENT_LENGTH") or "0"
    too_large = MessageTooLargeError(f"A body may have {wire.MAX_BODY_BYTES} bytes at most.")
    if not (declared.isascii() and declared.isdigit()):
        raise InvalidMessageError("The Content-Length is no number.")
    if len(declared) > strict.MAX_DIGITS or int(declared) > wire.MAX_BODY_BYTES:
        raise too_large
    found = bytearray()
    try:
        while chunk := request.read(READ_BYTES):
            found += chunk
            if len(found) > wire.MAX_BODY_BYTES:
                raise too_large
    except UnreadablePostError as error:
        raise InvalidMessageError(f"The body broke off: {error}") from error
    return bytes(found)


# -- what each RPC does with a body that is known to come from a node


def _fields(body: bytes, readers: Mapping[str, strict.Reader]) -> dict[str, Any]:
    return strict.fields_of(strict.load_json(body), readers, is_newer=False)


def _require_member(node: Node, caller: Caller) -> None:
    """Only a leader knows for certain who belongs to the cluster; any other says who leads."""
    state = node.state
    if not state.is_leader or caller.node_id in state.configuration.by_id:
        return
    if caller.node_id in state.configuration.removed:
        raise RemovedNodeError(f"Node {caller.node_id} was removed; let it join again.")
    raise UnknownNodeError(f"Node {caller.node_id} is no member; let it join first.")


def _require_listed(node: Node, caller: Caller) -> None:
    """What is asked of any node is taken from those that it knows as members."""
    _require_member(node, caller)
    if caller.node_id not in node.state.configuration.by_id:
        raise UnknownNodeError(f"Node {node.node_id} knows of no member {caller.node_id}.")


def handle_raft(node: Node, caller: Caller, body: bytes) -> bytes:
    """Answer a request of Raft."""
    envelope = wire.decode_envelope(body)
    if (envelope.sender, envelope.recipient) != (caller.node_id, node.node_id):
        raise InvalidMessageError("The envelope and the signature name different nodes.")
    if caller.node_id == node.node_id:
        raise InvalidMessageError("A node asks itself for no vote: two of them have one NODE_ID.")
    if not isinstance(envelope.message, messages.Request):
        raise InvalidMessageError("A response answers a request; it is not sent on its own.")
    return wire.encode_envelope(node.receive(envelope))


def handle_propose(node: Node, caller: Caller, body: bytes) -> bytes:
    """Commands that a member passes on; this node must lead, they are forwarded only once."""
    commands = _fields(body, {"commands": strict.items_of(strict.data)})["commands"]
    _require_member(node, caller)
    seconds = node.config.write_timeout_seconds
    accepted = node.propose(commands, timeout_seconds=seconds)
    node.courier.hurry(caller.node_id)  # where somebody waits until it is applied there as well
    return wire.dump_json({"index": accepted.index, "term": accepted.term})


def handle_read_index(node: Node, caller: Caller, body: bytes) -> bytes:
    """The index that answers a linearizable read on the caller's node."""
    _fields(body, {})
    _require_member(node, caller)
    seconds = node.config.write_timeout_seconds
    return wire.dump_json({"index": node.read_index(timeout_seconds=seconds)})


def _address(value: Any) -> str:
    """Where the leader will post to, and every page of the members shows it."""
    if problem := url_problem(strict.text(value)):
        strict.refuse(f"an address {problem}")
    return str(value)


def handle_join(node: Node, caller: Caller, body: bytes) -> bytes:
    """A newcomer asks any member to be let in, which passes that on to the leader, once."""
    readers = {
        "node_id": strict.identifier,
        "address": _address,
        "incarnation": strict.text,
        "promote": strict.boolean,
    }
    found = _fields(body, readers)
    asks_for_itself = caller.node_id == found["node_id"]
    if not asks_for_itself:
        _require_member(node, caller)
    try:
        accepted = node.join(**found)
    except NotLeaderError as error:
        if error.leader_id is None or not asks_for_itself:
            raise
        address = node.address_of(error.leader_id)
        seconds = node.config.write_timeout_seconds
        return wire.dump_json(node.transport.call(error.leader_id, address, "join", found, seconds))
    return wire.dump_json({"index": accepted.index if accepted else node.state.configuration.index})


def handle_operate(node: Node, caller: Caller, body: bytes) -> bytes:
    """What an operator of another member wants done, or planned, here."""
    readers = {
        "name": strict.text,
        "node_id": strict.identifier_or_nothing,
        "address": strict.text,
        "promote": strict.boolean,
        "user": strict.text,
        "only_plan": strict.boolean,
        "force": strict.boolean,
    }
    found = _fields(body, readers)
    _require_listed(node, caller)
    choice = {name: found.pop(name) for name in ("only_plan", "force")}
    operation = operations.Operation(**found)
    operations.check(operation)
    if operation.name in operations.DONE_BY_THE_NODE and operation.node_id != node.node_id:
        raise InvalidMessageError("It can be done by nobody but the node that it concerns.")
    return wire.dump_json(operations.answer_here(node, operation, **choice))


def handle_describe(node: Node, _caller: Caller, body: bytes) -> bytes:
    """This node by its own word, to any node: one that is shut out wants to know why."""
    _fields(body, {})
    return wire.dump_json(asdict(operations.describe(node)))


def handle_probe(node: Node, caller: Caller, body: bytes) -> bytes:
    """Whether this node reaches the caller, where it believes it to be."""
    _fields(body, {})
    _require_listed(node, caller)
    address, problem = node.address_of(caller.node_id), ""
    try:
        node.transport.call(caller.node_id, address, "ping", {}, node.config.rpc_timeout_seconds)
    except RaftConfigError as error:
        problem = str(error)[:MAX_PROBLEM]
    return wire.dump_json({"address": address, "problem": problem})


def handle_digest(node: Node, caller: Caller, body: bytes) -> bytes:
    """What identifies all that is applied here, and the index up to which it is."""
    _fields(body, {})
    _require_listed(node, caller)
    index, digest = node.storage.digest()
    return wire.dump_json({"index": index, "digest": digest})


def handle_ping(node: Node, _caller: Caller, body: bytes) -> bytes:
    """Whether this node's web tier answers, and its database with it."""
    _fields(body, {})
    return wire.dump_json({"term": node.state.current_term})
