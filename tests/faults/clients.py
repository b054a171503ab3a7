"""Clients of the API on several threads, through all nodes; what they saw is a history.

A change is tried again under its request id, through another node, until its outcome is known or
the client has lost patience; then it is recorded as unknown. 503 promises that nothing was
changed (docs/api.md), and is believed: a history in which it was changed after all has no order.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.simulation.linearizability import Operation

from .cluster import USER

ATTEMPTS = 5
TIMEOUT_SECONDS = 4.0
PAUSE_SECONDS = 0.05
"""Between two attempts; a person waits longer."""

EXPECTED = {200, 409, 502, 503, 504}
"""502: the answer of another node could not be used, whatever it did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended: "ok", "failed" (without any effect) or "unknown"."""

    kind: str
    result: str
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A value that a client was told is set, and by which entry."""

    name: str
    value: str
    index: int


class Answer:
    """What came back, or did not."""

    def __init__(self, response: requests.Response | None) -> None:
        self.status = 0 if response is None else response.status_code
        self.body: dict[str, Any] = {}
        if response is not None and response.content:
            try:
                self.body = response.json()
            except ValueError:
                self.status = 0  # broken off


class Clients:
    """All clients of a run, and what they saw together."""

    def __init__(self, urls: Mapping[str, str], names: Sequence[str]) -> None:
        self.urls = urls
        self.names = names
        self.history: list[Operation] = []
        self.outcomes: list[Outcome] = []
        self.acknowledged: list[Acknowledged] = []
        self.seen_locally: list[Acknowledged] = []
        self.codes: Counter[str] = Counter()
        """What answers said, by status and code."""
        self.unexpected: list[str] = []
        self._clock = itertools.count()
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._current: dict[str, tuple[int, str]] = {}
        """Index and value that somebody has read last, for who compares and sets."""

    @contextmanager
    def at_work(self, count: int) -> Iterator[None]:
        """So many threads, for as long as the block lasts."""
        threads = [threading.Thread(target=self._work) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ends.set()
            for thread in threads:
                thread.join(ATTEMPTS * TIMEOUT_SECONDS + 10)

    def succeeded(self) -> int:
        return sum(each.result == "ok" for each in self.outcomes)

    def first_write_after(self, instant: float) -> Outcome | None:
        """The first change that was begun after that instant and acknowledged."""
        found = [
            each
            for each in self.outcomes
            if each.kind != "read" and each.result == "ok" and each.began_at >= instant
        ]
        return min(found, key=lambda each: each.ended_at, default=None)

    # -- one operation after the other

    def _work(self) -> None:
        session = requests.Session()
        session.trust_env = False
        session.auth = USER
        while not self._ends.is_set():
            name = random.choice(self.names)
            (kind,) = random.choices(
                ("read", "local", "write", "cas", "reset"), weights=(30, 10, 40, 15, 5)
            )
            if kind == "local":
                self._read_locally(session, name)
            elif kind == "read":
                self.read(session, name)
            else:
                self.change(session, name, kind)

    def read(self, session: requests.Session, name: str) -> str | None:
        """Read linearizably through any node; the value."""
        began_at = time.monotonic()
        for node_id in self._nodes():
            invoked_at = next(self._clock)
            answer = self._ask(session, "GET", node_id, name, {"consistency": "linearizable"})
            if answer.status == requests.codes.ok:
                value, index = answer.body["value"], answer.body["index"]
                self._record(Operation(name, "read", None, value, invoked_at, next(self._clock)))
                self._count("read", "ok", began_at)
                with self._lock:
                    self._current[name] = index, value
                return str(value)
            if self._ends.wait(PAUSE_SECONDS):
                break
        self._count("read", "failed", began_at)
        return None

    def _read_locally(self, session: requests.Session, name: str) -> None:
        """Read what a node has applied: it may be old, but it must have been so once."""
        began_at = time.monotonic()
        node_id = random.choice(list(self.urls))
        answer = self._ask(session, "GET", node_id, name, {})
        is_ok = answer.status == requests.codes.ok
        if is_ok and answer.body["index"]:
            seen = Acknowledged(name, answer.body["value"], answer.body["index"])
            self.seen_locally.append(seen)
        self._count("local read", "ok" if is_ok else "failed", began_at)

    def change(self, session: requests.Session, name: str, kind: str) -> bool:
        """Write, compare and set, or reset; whether that is known to be done."""
        began_at, invoked_at = time.monotonic(), next(self._clock)
        request_id = uuid.uuid4().hex
        value = "" if kind == "reset" else request_id
        index, current = self._current.get(name, (0, ""))
        expected = {"expected": index} if kind == "cas" else {}
        argument = (current, value) if kind == "cas" else value
        may_be_done = False
        for node_id in self._nodes():
            if kind == "reset":
                sent = {"request_id": request_id}
                answer = self._ask(session, "DELETE", node_id, name, sent)
            else:
                body = {"value": value, "request_id": request_id, **expected}
                answer = self._ask(session, "PUT", node_id, name, body)
            if answer.status in (200, 409):
                self._note(name, kind, argument, invoked_at, answer)
                self._count(kind, "ok", began_at)
                return answer.status == requests.codes.ok
            may_be_done = may_be_done or answer.status != requests.codes.service_unavailable
            if self._ends.wait(PAUSE_SECONDS):
                break
        if may_be_done:
            self._record(Operation(name, _kind(kind), argument, None, invoked_at, None))
        self._count(kind, "unknown" if may_be_done else "failed", began_at)
        return False

    def _note(self, name: str, kind: str, argument: Any, invoked_at: int, answer: Answer) -> None:
        """Record a change whose outcome is known."""
        is_done = answer.status == requests.codes.ok
        returned_at = next(self._clock)
        self._record(Operation(name, _kind(kind), argument, is_done, invoked_at, returned_at))
        if is_done and kind != "reset":
            value = argument[1] if kind == "cas" else argument
            self.acknowledged.append(Acknowledged(name, value, answer.body["index"]))

    # -- asking

    def _nodes(self) -> list[str]:
        """Some nodes in a random order, each time another one."""
        found = random.sample(list(self.urls), len(self.urls))
        return list(itertools.islice(itertools.cycle(found), ATTEMPTS))

    def _ask(
        self,
        session: requests.Session,
        method: str,
        node_id: str,
        name: str,
        content: dict[str, Any],
    ) -> Answer:
        where = {"json": content} if method == "PUT" else {"params": content}
        url = f"{self.urls[node_id]}api/settings/{name}/"
        try:
            response = session.request(method, url, timeout=TIMEOUT_SECONDS, **where)
        except requests.RequestException as error:
            self.codes[type(error).__name__] += 1
            return Answer(None)
        answer = Answer(response)
        self.codes[f"{answer.status} {answer.body.get('code', '')}".strip()] += 1
        if answer.status and answer.status not in EXPECTED:
            self.unexpected.append(f"{method} {url}: {response.status_code} {response.text[:300]}")
        return answer

    def _record(self, operation: Operation) -> None:
        self.history.append(operation)

    def _count(self, kind: str, result: str, began_at: float) -> None:
        self.outcomes.append(Outcome(kind, result, began_at, time.monotonic()))


def _kind(kind: str) -> str:
    return "write" if kind == "reset" else kind
