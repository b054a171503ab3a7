"""HTTP and JSON to etcd: its gateway, `/v3`, at whichever of the endpoints answers.

`requests` is here already, and the Python clients of etcd's gRPC are poorly kept. A session per
thread, nothing of the environment, no redirects, as towards peers (`transport.client`).

What may *not* live here: what the keys mean (`log`).
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import requests
from requests import exceptions as failures

from ..conf import EtcdOptions
from ..exceptions import (
    InvalidCommandError,
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
    UnavailableError,
)

MAX_SHOWN: Final = 200
CONNECT_TIMEOUT_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 60.0
"""A watch that says nothing for so long is begun anew: the other end may be gone."""

UNAUTHENTICATED: Final = 16
NO_ROOM: Final = 8
"""Codes of gRPC that need more than to be told."""

REMEDY: Final = (
    "Look at `etcdctl endpoint health`, and at the ENDPOINTS in RAFT_CONFIG['ETCD']. "
    "Reads go on with what this node has applied."
)

Answer = dict[str, Any]


class _TokenExpiredError(Exception):
    """The token has to be asked for anew."""


class Gateway:
    """One per process; safe to share between threads."""

    def __init__(self, options: EtcdOptions, *, timeout_seconds: float) -> None:
        self.options = options
        self.timeout_seconds = timeout_seconds
        self._local = threading.local()
        self._token = ""
        self._preferred = 0

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
        text = f"etcd gives no answer: {'; '.join(map(str, problems))}. {REMEDY}"
        if all(isinstance(each, PeerUnreachableError) for each in problems):
            raise UnavailableError(text)
        raise PeerUnavailableError(text)

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
        timeout = (CONNECT_TIMEOUT_SECONDS, SILENCE_SECONDS)
        try:
            with self._post(endpoint, "watch", content, timeout, stream=True) as response:
                for line in response.iter_lines():
                    if "canceled" in json.loads(line).get("result", {"canceled": True}):
                        return
                    yield
        except failures.RequestException as error:
            raise _silence(endpoint, error) from error

    def close(self) -> None:
        """Of this thread."""
        if (session := getattr(self._local, "session", None)) is not None:
            session.close()

    def _ask(self, endpoint: str, path: str, content: Mapping[str, Any]) -> Answer:
        try:
            return self._ask_once(endpoint, path, content)
        except _TokenExpiredError:
            self._token = ""
        try:
            return self._ask_once(endpoint, path, content)
        except _TokenExpiredError as error:
            raise PeerRejectedError(f"etcd at {endpoint} takes no login: {error}") from error

    def _ask_once(self, endpoint: str, path: str, content: Mapping[str, Any]) -> Answer:
        timeout = (min(CONNECT_TIMEOUT_SECONDS, self.timeout_seconds), self.timeout_seconds)
        try:
            with self._post(endpoint, path, content, timeout) as response:
                status, body = response.status_code, response.content
        except failures.SSLError as error:
            raise PeerRejectedError(
                f"{endpoint} has no certificate to trust ({error}). Correct CA, CERT and KEY in "
                "RAFT_CONFIG['ETCD']."
            ) from error
        except (failures.ConnectionError, failures.Timeout) as error:
            raise _silence(endpoint, error) from error
        except failures.RequestException as error:
            raise PeerRejectedError(f"{endpoint} cannot be asked: {error}") from error
        return _answer(endpoint, status, body)

    def _post(
        self,
        endpoint: str,
        path: str,
        content: Mapping[str, Any],
        timeout: tuple[float, float],
        *,
        stream: bool = False,
    ) -> requests.Response:
        headers = {}
        if self.options.user and not path.startswith("auth/"):
            headers["Authorization"] = self._token or self._log_in(endpoint)
        return self._session().post(
            f"{endpoint}/v3/{path}",
            data=json.dumps(content),
            headers=headers,
            timeout=timeout,
            stream=stream,
            allow_redirects=False,
        )

    def _log_in(self, endpoint: str) -> str:
        login = {"name": self.options.user, "password": self.options.password}
        self._token = str(self._ask_once(endpoint, "auth/authenticate", login)["token"])
        return self._token

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.verify = self.options.ca or True
            if self.options.cert:
                session.cert = (self.options.cert, self.options.key)
            self._local.session = session
        return session


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
        raise InvalidCommandError("The change is larger than etcd takes (--max-request-bytes).")
    text = f"{endpoint} answers with status {status}: {says}"
    if code == NO_ROOM:
        raise UnavailableError(
            f"{text}. Nothing was stored. Make room there, and disarm its alarm."
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        raise PeerUnavailableError(text)
    raise PeerRejectedError(f"{text}. Correct RAFT_CONFIG['ETCD'], or what its user may do there.")


def _silence(endpoint: str, error: Exception) -> PeerUnavailableError:
    """Whether it can have received something depends on where it ended."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    is_unreachable = isinstance(error, failures.ConnectTimeout) or type(reason).__name__ in {
        "NewConnectionError",
        "NameResolutionError",
    }
    made = PeerUnreachableError if is_unreachable else PeerUnavailableError
    return made(f"{endpoint} does not answer ({type(reason or error).__name__})")


def encoded(data: bytes) -> str:
    """As the gateway wants keys and values."""
    return base64.b64encode(data).decode()


def decoded(text: str) -> bytes:
    """What `encoded` made."""
    return base64.b64decode(text)
