"""HTTP and JSON to etcd: its gateway, `/v3`, at whichever of the endpoints answers.

Python's clients of etcd's gRPC are poorly kept, and urllib3 is here already. Nothing of the
environment is used, no redirect is followed and nothing is retried, as towards peers
(`transport.client`).

What may *not* live here: what the keys mean (`log`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import urllib3
from urllib3 import exceptions as failures

from ..conf import EtcdOptions
from ..exceptions import (
    InvalidCommandError,
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
    UnavailableError,
    noop,
)
from ..language import told

MAX_SHOWN: Final = 200
CONNECTIONS: Final = 8
"""So many are kept for the threads of a process, to each endpoint."""

STREAMED_BYTES: Final = 64 * 1024
CONNECT_TIMEOUT_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 60.0
"""A watch that says nothing for so long is begun anew: the other end may be gone."""

UNAUTHENTICATED: Final = 16
NO_ROOM: Final = 8
"""Codes of gRPC that need more than to be told."""

SILENCE: Final = noop(
    "etcd gives no answer: %(problems)s. Look at `etcdctl endpoint health`, and at the ENDPOINTS "
    "in RAFT_CONFIG['ETCD']. Reads go on with what this node has applied."
)

Answer = dict[str, Any]


class _TokenExpiredError(Exception):
    """The token has to be asked for anew."""


class Gateway:
    """One per process; safe to share between threads."""

    def __init__(self, options: EtcdOptions, *, timeout_seconds: float) -> None:
        self.options = options
        self.timeout_seconds = timeout_seconds
        self._token = ""
        self._preferred = 0
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,
            ca_certs=options.ca or None,
            cert_file=options.cert or None,
            key_file=options.key or None,
        )

    def ask(self, path: str, content: Mapping[str, Any]) -> Answer:
        """Post to the first member that answers.

        Raises UnavailableError (for certain nothing was stored), PeerUnavailableError (it may have
        been), PeerRejectedError (something is to be corrected), InvalidCommandError (too large).
        """
        problems: list[PeerUnavailableError] = []
        endpoints = self.options.endpoints
        for place in range(self._preferred, self._preferred + len(endpoints)):
            try:
                answer = self._ask(endpoints[place % len(endpoints)], path, content)
            except PeerUnavailableError as error:  # noqa: PERF203 - the next one is asked
                problems.append(error)
            else:
                self._preferred = place % len(endpoints)
                return answer
        said = "; ".join(map(told, problems))
        if all(isinstance(each, PeerUnreachableError) for each in problems):
            raise UnavailableError(SILENCE, problems=said)
        raise PeerUnavailableError(SILENCE, problems=said)

    @property
    def endpoint(self) -> str:
        """The one that answered last."""
        return self.options.endpoints[self._preferred]

    def status(self, endpoint: str) -> Answer:
        """What the member at one endpoint says of itself; raises as `ask`."""
        return self._ask(endpoint, "maintenance/status", {})

    def watch(self, key: str) -> Iterator[None]:
        """Something each time that the key may have changed, the first time at once.

        Ends when etcd ends it, or is silent for long; raises as `ask`.
        """
        endpoint = self.endpoint
        content = {"create_request": {"key": encoded(key.encode())}}
        response = self._post(endpoint, "watch", content, SILENCE_SECONDS, stream=True)
        try:
            for line in _lines(response):
                if "canceled" in json.loads(line).get("result", {"canceled": True}):
                    return
                yield
        except (failures.HTTPError, ValueError) as error:
            raise _silence(endpoint, error) from error
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        self._pool.clear()

    def _ask(self, endpoint: str, path: str, content: Mapping[str, Any]) -> Answer:
        try:
            return self._ask_once(endpoint, path, content)
        except _TokenExpiredError:
            self._token = ""
        try:
            return self._ask_once(endpoint, path, content)
        except _TokenExpiredError as error:
            raise PeerRejectedError(
                noop("etcd at %(endpoint)s takes no login: %(error)s"),
                endpoint=endpoint,
                error=error,
            ) from error

    def _ask_once(self, endpoint: str, path: str, content: Mapping[str, Any]) -> Answer:
        response = self._post(endpoint, path, content, self.timeout_seconds)
        return _answer(endpoint, response.status, response.data)

    def _post(
        self,
        endpoint: str,
        path: str,
        content: Mapping[str, Any],
        seconds: float,
        *,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self.options.user and not path.startswith("auth/"):
            headers["Authorization"] = self._token or self._log_in(endpoint)
        connect = min(CONNECT_TIMEOUT_SECONDS, seconds)
        try:
            return self._pool.request(
                "POST",
                f"{endpoint}/v3/{path}",
                body=json.dumps(content).encode(),
                headers=headers,
                timeout=urllib3.Timeout(connect=connect, read=seconds),
                preload_content=not stream,
                redirect=False,
            )
        except (failures.SSLError, OSError) as error:  # a file that cannot be read is the latter
            raise PeerRejectedError(
                noop(
                    "%(endpoint)s has no certificate to trust (%(error)s). Correct CA, CERT and "
                    "KEY in RAFT_CONFIG['ETCD']."
                ),
                endpoint=endpoint,
                error=error,
            ) from error
        except failures.HTTPError as error:
            raise _silence(endpoint, error) from error

    def _log_in(self, endpoint: str) -> str:
        login = {"name": self.options.user, "password": self.options.password}
        self._token = str(self._ask_once(endpoint, "auth/authenticate", login)["token"])
        return self._token


def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """One JSON text each, as they come."""
    rest = b""
    for chunk in response.stream(STREAMED_BYTES):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from filter(None, lines)


def _answer(endpoint: str, status: int, body: bytes) -> Answer:
    """What was answered. Raises what says who has to do what, as `Gateway.ask`."""
    try:
        found = json.loads(body)
        says, code = found.get("message", ""), found.get("code")
    except (ValueError, AttributeError):  # no JSON, or no object: it is no etcd
        found, says, code = {}, ascii(body[:MAX_SHOWN].decode(errors="replace")), None
    if status == HTTPStatus.OK:
        return dict(found)
    if code == UNAUTHENTICATED or says == "etcdserver: invalid auth token":
        raise _TokenExpiredError(says)
    if says == "etcdserver: request is too large":
        raise InvalidCommandError(
            noop("The change is larger than etcd takes (--max-request-bytes).")
        )
    facts = {"endpoint": endpoint, "status": status, "says": says}
    if code == NO_ROOM:
        raise UnavailableError(
            noop(
                "%(endpoint)s answers with status %(status)d: %(says)s. Nothing was stored. Make "
                "room there, and disarm its alarm."
            ),
            **facts,
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        raise PeerUnavailableError(
            noop("%(endpoint)s answers with status %(status)d: %(says)s"), **facts
        )
    raise PeerRejectedError(
        noop(
            "%(endpoint)s answers with status %(status)d: %(says)s. Correct RAFT_CONFIG['ETCD'], "
            "or what its user may do there."
        ),
        **facts,
    )


def _silence(endpoint: str, error: Exception) -> PeerUnavailableError:
    """Whether it can have received something depends on where it ended."""
    is_unreachable = isinstance(error, failures.NewConnectionError | failures.ConnectTimeoutError)
    made = PeerUnreachableError if is_unreachable else PeerUnavailableError
    return made(
        noop("%(endpoint)s does not answer (%(error)s)"),
        endpoint=endpoint,
        error=type(error).__name__,
    )


def encoded(data: bytes) -> str:
    """As the gateway wants keys and values."""
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes:
    """What `encoded` made."""
    return base64.b64decode(text)
