"""Asking a peer over HTTP: one signed POST, one signed reply.

Connections are kept alive in a pool that all threads share. Nothing of the environment is used (no
proxies, no .netrc), no redirect is followed, nothing is retried (the caller knows whether that
makes sense), and a reply is read only up to a limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3 import exceptions as failures

from .. import tracing
from ..conf import RaftConfig
from ..core import messages
from ..core.messages import Envelope
from ..exceptions import (
    InvalidMessageError,
    MessageRefusedError,
    MisdirectedError,
    PeerRejectedError,
    PeerSilentError,
    PeerUnavailableError,
    PeerUnreachableError,
)
from . import refusals
from .auth import Signer
from .strict import (
    Reader,
    boolean,
    fields_of,
    identifier,
    integer,
    items_of,
    load_json,
    text,
)
from .wire import MAX_BODY_BYTES, decode_envelope, dump_json, encode_envelope

MAX_REPLY_BYTES: Final = 64 * 1024
"""Replies name a few numbers, or one error."""

CONNECT_TIMEOUT_SECONDS: Final = 1.0
MOST_PEERS: Final = 256
MOST_CONNECTIONS: Final = 64
"""So many are kept to one peer; the connection of one thread more is closed after use."""
MAX_SHOWN: Final = 200

_FACTS_IN_TEXT: Final = (
    *("node_id", "incarnation", "generation", "role", "leader_id", "halted_by", "release"),
    "signs_with",
)
_FACTS_IN_NUMBERS: Final = (
    *("term", "last_log_index", "last_log_term", "commit_index", "last_applied"),
    *("snapshot_index", "version", "clock_ms", "values_hash", "log_entries", "log_bytes"),
    *("checked_index", "checked_hash"),
    *("snapshot_bytes", "late_ms"),
)

REPLIES: Final[Mapping[str, Mapping[str, Reader]]] = {
    "propose": {"index": integer, "term": integer},
    "read_index": {"index": integer},
    "join": {"index": integer},
    "ping": {"term": integer},
    "operate": {
        "text": text,
        "refusal": text,
        "may_force": boolean,
        "is_done": boolean,
        "index": integer,
    },
    "describe": {
        **dict.fromkeys(_FACTS_IN_TEXT, text),
        **dict.fromkeys(_FACTS_IN_NUMBERS, integer),
        **dict.fromkeys(("is_newcomer", "may_lead", "drained", "is_driven"), boolean),
        **dict.fromkeys(("is_late", "is_rolled_back"), boolean),
        "verifies": items_of(text),
        "members": items_of(identifier),
        "up": items_of(identifier),
    },
    "probe": {"address": text, "problem": text},
    "digest": {"index": integer, "digest": text},
}
"""What each call is answered with; a newer release may add fields."""

_ANSWERS: Final[Mapping[type[messages.Message], type[messages.Message]]] = {
    messages.RequestPreVote: messages.PreVoteResponse,
    messages.RequestVote: messages.RequestVoteResponse,
    messages.AppendEntries: messages.AppendEntriesResponse,
    messages.InstallSnapshot: messages.InstallSnapshotResponse,
    messages.TimeoutNow: messages.TimeoutNowResponse,
}

# A status that no node of ours signed: what is between us, or what else lives there.
_LATER: Final = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_HINTS: Final[Mapping[int, str]] = {
    400: "If it is Django's own 400, add the host of this URL to ALLOWED_HOSTS there.",
    401: "Compare SECRETS of both nodes.",
    403: "Look for a firewall, or for a middleware that asks for a login.",
    404: "Correct the URL: it must end with the prefix under which raft_config.urls is mounted.",
    413: "Let the proxy on the way pass bodies of MAX_BATCH_BYTES and a half.",
}
UNREACHABLE: Final = (
    failures.ConnectTimeoutError,
    failures.NameResolutionError,
    failures.NewConnectionError,
)
"""The peer has received nothing; of anything else it may have."""

_REDIRECT: Final = "It redirects; give this node the URL that it leads to, https for instance."
_NO_NODE: Final = "Look who answers there, and whether a proxy removes the Signature headers."


class HttpTransport:
    """Reaches peers at their base URLs. Safe to share between threads, not across a fork."""

    def __init__(self, signer: Signer, *, timeout_seconds: float) -> None:
        self.signer = signer
        self.timeout_seconds = timeout_seconds
        self._pools = PoolManager(MOST_PEERS, maxsize=MOST_CONNECTIONS)

    def send(self, envelope: Envelope, base_url: str) -> Envelope:
        """Post a message of Raft; the peer's reply. Raises PeerUnavailable-, PeerRejectedError."""
        peer = envelope.recipient
        body = encode_envelope(envelope)
        status, content = self._ask(peer, base_url, "raft", body, self.timeout_seconds)
        if status != HTTPStatus.OK:
            raise refusals.peer_error(peer, status, content)
        try:
            reply = decode_envelope(content)
            _check_answer(envelope, reply)
        except InvalidMessageError as error:
            raise _unreadable(peer, error) from error
        return reply

    def call(
        self,
        receiver_id: str,
        base_url: str,
        name: str,
        payload: dict[str, object],
        timeout_seconds: float,
    ) -> dict[str, object]:
        """Ask for what `REPLIES` names; raises the error that the reply names.

        Beside that: PeerUnreachableError (it received nothing), PeerUnavailableError (it may have),
        PeerRejectedError.
        """
        status, content = self._ask(
            receiver_id, base_url, name, dump_json(payload), timeout_seconds
        )
        if status != HTTPStatus.OK:
            raise refusals.error_in(receiver_id, status, content)
        try:
            return fields_of(load_json(content), REPLIES[name], is_newer=True)
        except InvalidMessageError as error:
            raise _unreadable(receiver_id, error) from error

    def identify(self, base_url: str) -> str:
        """The id of the node at this URL, by its own signed word.

        A ping that is meant for ourselves is refused by whoever lives there, under its own name.
        """
        try:
            self._post(self.signer.node_id, base_url, "ping", b"{}", self.timeout_seconds)
        except MisdirectedError as error:
            return str(error.caller.node_id)
        except MessageRefusedError as error:
            raise PeerRejectedError(f"{base_url} answers, but: {error}") from error
        raise PeerRejectedError(
            f"The node at {base_url} has the id of this one, {self.signer.node_id}. "
            "Correct the URL, or give this node a NODE_ID of its own."
        )

    def _ask(
        self, receiver_id: str, base_url: str, name: str, body: bytes, timeout_seconds: float
    ) -> tuple[int, bytes]:
        try:
            with tracing.asking(name, receiver_id):
                return self._post(receiver_id, base_url, name, body, timeout_seconds)
        except MessageRefusedError as error:
            raise PeerRejectedError(
                f"The answer of {base_url} is not to be used: {error}"
            ) from error

    def _post(
        self, receiver_id: str, base_url: str, name: str, body: bytes, timeout_seconds: float
    ) -> tuple[int, bytes]:
        """Status and body of a reply that is proved to be the receiver's."""
        if not base_url:  # as of a leader that was removed, and has not been replaced yet
            raise PeerUnreachableError(f"No URL of node {receiver_id} is known; try again later.")
        url = f"{base_url}/rpc/{name}/"
        signed = self._signed(receiver_id, url, body)
        response = self._request(url, body, signed, timeout_seconds)
        try:
            content = _read(url, response)
        finally:
            response.close()  # what was read whole has gone back to its pool
        if "Signature" not in response.headers:
            raise _unsigned(receiver_id, url, response.status, content)
        # A header that comes twice is joined here, and then in no signed form.
        self.signer.verify_reply(signed, response.status, dict(response.headers), content)
        return response.status, content

    def _signed(self, receiver_id: str, url: str, body: bytes) -> dict[str, str]:
        if len(body) > MAX_BODY_BYTES:
            raise PeerRejectedError(
                f"A message of {len(body)} bytes is more than any node takes ({MAX_BODY_BYTES}). "
                "Lower MAX_BATCH_BYTES and SNAPSHOT_CHUNK_BYTES."
            )
        try:
            return self.signer.sign_request("POST", urlsplit(url).path, body, receiver=receiver_id)
        except ValueError as error:
            raise PeerRejectedError(f"Node {receiver_id!r} at {url!r}: {error}") from error

    def _request(
        self, url: str, body: bytes, signed: Mapping[str, str], timeout_seconds: float
    ) -> BaseHTTPResponse:
        connect = min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)
        headers = {
            **tracing.headers(),
            **signed,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        try:
            return self._pools.connection_from_url(url).urlopen(
                "POST",
                urlsplit(url).path,
                body,
                headers,
                retries=False,  # and so no redirect either
                timeout=Timeout(connect, timeout_seconds),
                preload_content=False,
            )
        except failures.SSLError as error:
            raise PeerRejectedError(f"{url} has no certificate to trust: {error}") from error
        except (failures.LocationValueError, ValueError) as error:
            raise PeerRejectedError(f"{url!r} is no URL to post to: {error}") from error
        except UNREACHABLE as error:
            raise PeerUnreachableError(f"{url} does not answer: {error}") from error
        except failures.ReadTimeoutError as error:
            raise PeerSilentError(f"{url} does not answer: {error}") from error
        except failures.HTTPError as error:
            raise PeerUnavailableError(f"{url} does not answer: {error}") from error


def _read(url: str, response: BaseHTTPResponse) -> bytes:
    """The body, up to the limit; reading it whole gives the connection back."""
    found = bytearray()
    try:
        # To its very end: a body that is shorter than its stated length shows only there.
        while chunk := response.read(MAX_REPLY_BYTES + 1 - len(found), decode_content=False):
            found += chunk
    except (failures.HTTPError, OSError) as error:
        raise PeerUnavailableError(f"{url} broke off: {error}") from error
    if len(found) > MAX_REPLY_BYTES:
        raise PeerRejectedError(f"{url} answers with more than {MAX_REPLY_BYTES} bytes.")
    return bytes(found)


def _check_answer(request: Envelope, reply: Envelope) -> None:
    if (reply.sender, reply.recipient) != (request.recipient, request.sender):
        raise InvalidMessageError("The reply's envelope and its signature name different nodes.")
    expected = _ANSWERS[type(request.message)]
    if not isinstance(reply.message, (expected, messages.Rejected)):
        found, asked = type(reply.message).__name__, type(request.message).__name__
        raise InvalidMessageError(f"{found} is no reply to {asked}.")


def _unsigned(
    receiver_id: str, url: str, status: int, content: bytes
) -> PeerUnavailableError | PeerRejectedError:
    """The error for an answer that anybody may have written."""
    text = (
        f"{url} answered for node {receiver_id} with status {status}, unsigned: {_said(content)}."
    )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        return PeerUnavailableError(f"{text} Look at its log, and at the proxy's.")
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    hint = _REDIRECT if is_redirect else _HINTS.get(status, _NO_NODE)
    return PeerRejectedError(f"{text} {hint}")


def _said(content: bytes) -> str:
    """What somebody says, cut and escaped; of a refusal by one of ours the sentence alone."""
    try:
        detail = load_json(content)["detail"]
    except (InvalidMessageError, KeyError, TypeError):
        detail = None
    said = detail if isinstance(detail, str) else content[:MAX_SHOWN].decode(errors="replace")
    return ascii(said[:MAX_SHOWN])


def _unreadable(receiver_id: str, error: Any) -> PeerRejectedError:
    return PeerRejectedError(
        f"Node {receiver_id} sent a reply that this release cannot read: {error} "
        "Run the same release on both."
    )


@lru_cache(maxsize=1)
def signer_for(config: RaftConfig) -> Signer | None:
    """This process's signer, which remembers nonces; None on a node without peers or secrets."""
    if not config.secrets:
        return None
    return Signer(
        config.secrets,
        config.cluster_id,
        config.node_id,
        max_skew_seconds=config.max_clock_skew_seconds,
    )


def transport_for(config: RaftConfig) -> HttpTransport:
    """How this node reaches its peers. A node without peers has a transport that it never uses."""
    signer = signer_for(config) or Signer(("-",), config.cluster_id, config.node_id)
    return HttpTransport(signer, timeout_seconds=config.rpc_timeout_seconds)
