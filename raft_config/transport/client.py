"""Asking a peer over HTTP: one signed POST, one signed reply.

Connections are kept alive in a session per thread, because `requests` does not promise that a
session bears several threads. Nothing of the environment is used (no proxies, no .netrc), no
redirect is followed, nothing is retried, and a reply is read only up to a limit.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from .. import exceptions
from ..conf import RaftConfig
from ..core.messages import Envelope
from ..exceptions import (
    InvalidMessageError,
    PeerError,
    PeerRejectedError,
    PeerUnavailableError,
    RaftConfigError,
)
from .auth import MessageRefusedError, Signer
from .wire import decode_envelope, dump_json, encode_envelope, load_json

MAX_REPLY_BYTES = 1024 * 1024
CONNECT_TIMEOUT_SECONDS = 1.0
SERVER_ERRORS = 500

REBUILT: Mapping[str, tuple[str, ...]] = {
    "NotLeaderError": ("leader_id", "term"),
    "EntryLostError": ("index", "term"),
    "OutcomeUnknownError": ("request_id",),
    "UnavailableError": (),
    "InvalidCommandError": (),
    "MembershipError": (),
}
"""The errors that travel in a reply, and the facts they are made of; () for their text alone."""


class HttpTransport:
    """Reaches peers at their base URLs. Safe to share between threads."""

    def __init__(self, signer: Signer, *, timeout_seconds: float) -> None:
        self.signer = signer
        self.timeout_seconds = timeout_seconds
        self._local = threading.local()

    def send(self, envelope: Envelope, base_url: str) -> Envelope:
        """Post a message of Raft; the peer's reply. Raises PeerUnavailable-, PeerRejectedError."""
        body = encode_envelope(envelope)
        status, reply = self._post(envelope.recipient, base_url, "raft", body, self.timeout_seconds)
        if status != requests.codes.ok:
            raise _refusal_of(envelope.recipient, status, reply)
        try:
            return decode_envelope(reply)
        except InvalidMessageError as error:
            raise PeerRejectedError(f"Node {envelope.recipient} answered: {error}") from error

    def call(
        self,
        receiver_id: str,
        base_url: str,
        name: str,
        payload: dict[str, object],
        timeout_seconds: float,
    ) -> dict[str, object]:
        """Ask for propose, read_index, join or ping; raises the error that the reply names."""
        body = dump_json(payload)
        status, reply = self._post(receiver_id, base_url, name, body, timeout_seconds)
        try:
            content = load_json(reply)
        except InvalidMessageError as error:
            raise PeerRejectedError(f"Node {receiver_id} answered: {error}") from error
        if status != requests.codes.ok or not isinstance(content, dict):
            raise _error_in(content) or _refusal_of(receiver_id, status, reply)
        return content

    def identify(self, base_url: str) -> str:
        """The id that a node claims at this URL; whether it is one shows when it is spoken to."""
        response = self._request("GET", f"{base_url}/rpc/identity/", None, {}, self.timeout_seconds)
        found = load_json(_read(response))
        if not isinstance(found, dict) or not isinstance(found.get("node_id"), str):
            raise PeerRejectedError(f"There is no node at {base_url}; correct the URL.")
        return str(found["node_id"])

    def _post(
        self, receiver_id: str, base_url: str, name: str, body: bytes, timeout_seconds: float
    ) -> tuple[int, bytes]:
        url = f"{base_url}/rpc/{name}/"
        signed = self.signer.sign_request("POST", urlsplit(url).path, body, receiver=receiver_id)
        headers = {**signed, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        response = self._request("POST", url, body, headers, timeout_seconds)
        reply = _read(response)
        try:
            self.signer.verify_reply(signed, response.status_code, response.headers, reply)
        except MessageRefusedError as error:
            if response.status_code >= SERVER_ERRORS:
                raise PeerUnavailableError(
                    f"{base_url} answers with status {response.status_code}; look at its log."
                ) from error
            raise PeerRejectedError(
                f"{base_url} answered with status {response.status_code}, not signed by node "
                f"{receiver_id}: {error}"
            ) from error
        return response.status_code, reply

    def _request(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout_seconds: float,
    ) -> requests.Response:
        connect = min(CONNECT_TIMEOUT_SECONDS, timeout_seconds)
        try:
            return self._session().request(
                method,
                url,
                data=body,
                headers=dict(headers),
                timeout=(connect, timeout_seconds),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise PeerUnavailableError(f"{url} does not answer: {error}") from error

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.headers.clear()
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=0))
            self._local.session = session
        return session


def _read(response: requests.Response) -> bytes:
    """The body, up to the limit; reading it whole gives the connection back."""
    try:
        found: bytes = response.raw.read(MAX_REPLY_BYTES + 1, decode_content=False)
    except Exception as error:  # urllib3's errors are not wrapped when its stream is read
        response.close()
        raise PeerUnavailableError(f"{response.url} broke off: {error}") from error
    if len(found) > MAX_REPLY_BYTES:
        response.close()
        raise PeerRejectedError(f"{response.url} answers with more than {MAX_REPLY_BYTES} bytes.")
    response.close()
    return found


def _refusal_of(receiver_id: str, status: int, reply: bytes) -> PeerError:
    detail = reply[:300].decode(errors="replace")
    if status >= SERVER_ERRORS:
        return PeerUnavailableError(f"Node {receiver_id} failed with status {status}: {detail}")
    return PeerRejectedError(f"Node {receiver_id} refused with status {status}: {detail}")


def _error_in(content: Any) -> RaftConfigError | None:
    """The error that a signed reply names, made again from its facts."""
    if not isinstance(content, dict) or content.get("error") not in REBUILT:
        return None
    name = str(content["error"])
    made: Any = getattr(exceptions, name)
    facts = [content.get(fact) for fact in REBUILT[name]]
    error: RaftConfigError = made(*facts) if facts else made(str(content.get("detail", "")))
    return error


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
