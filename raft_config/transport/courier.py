"""Carries messages to peers from a pool of threads: a dead peer never delays a live one.

The threads of the pool speak HTTP and nothing else. What comes back is handed to a single further
thread, which steps through the node's database, at once, all that has come while it was at work.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from django.db import connections

from .. import measures, tracing
from ..core.messages import Envelope
from ..exceptions import PeerError, PeerRejectedError

logger = logging.getLogger("raft_config")

THREADS_PER_PEER = 4
"""Of each peer its own: one that hangs holds up nobody else."""

MAX_UNDER_WAY = 2 * THREADS_PER_PEER
"""Messages to one peer that wait or are being posted; a further one is dropped, as by a network."""


MOST_AT_ONCE = 64
"""Replies that are stepped in one transaction."""


class Transport(Protocol):
    """How a message reaches a peer, and its reply comes back."""

    def send(self, envelope: Envelope, base_url: str) -> Envelope:
        """Post a message; the peer's reply. Raises PeerUnavailableError, PeerRejectedError."""

    def call(
        self,
        receiver_id: str,
        base_url: str,
        name: str,
        payload: dict[str, object],
        timeout_seconds: float,
    ) -> dict[str, object]:
        """Ask for what `client.REPLIES` names. Raises the error that the reply names."""

    def identify(self, base_url: str) -> str:
        """The id of the node found there. Raises PeerUnavailableError, PeerRejectedError."""


class Courier:
    """One per process. Started on first use, so after a fork; `close` ends its threads."""

    def __init__(
        self, transport: Transport, on_replies: Callable[[Sequence[Envelope]], None]
    ) -> None:
        self._transport = transport
        self._on_replies = on_replies
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._under_way: dict[str, int] = {}
        self._refused: set[str] = set()
        self._refusals: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Envelope | None] = queue.SimpleQueue()
        self._stepper: threading.Thread | None = None
        self._lock = threading.Lock()
        self._is_closed = False

    def post(self, envelope: Envelope, base_url: str) -> None:
        """Send a message soon; its reply will be stepped."""
        peer = envelope.recipient
        with self._lock:
            if self._is_closed or self._under_way.get(peer, 0) >= MAX_UNDER_WAY:
                return
            self._under_way[peer] = self._under_way.get(peer, 0) + 1
            pool = self._pools.get(peer)
            if pool is None:
                pool = self._pools[peer] = ThreadPoolExecutor(THREADS_PER_PEER, f"raft-{peer}")
            if self._stepper is None:
                self._stepper = threading.Thread(target=self._step, name="raft-step", daemon=True)
                self._stepper.start()
            try:
                pool.submit(tracing.carried(self._carry), envelope, base_url)
            except RuntimeError:  # the interpreter is ending, which no lock of ours can foresee
                self._is_closed = True

    def refusals(self) -> Iterator[tuple[str, str]]:
        """Which peers have begun to refuse messages since this was asked last, and why."""
        with suppress(queue.Empty):
            while True:
                yield self._refusals.get_nowait()

    def close(self) -> None:
        """End the threads; what is under way is lost, as in a crash."""
        with self._lock:
            self._is_closed = True
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        if self._stepper is not None:
            self._replies.put(None)
            self._stepper.join()

    def _carry(self, envelope: Envelope, base_url: str) -> None:
        peer = envelope.recipient
        try:
            self._replies.put(self._transport.send(envelope, base_url))
            self._refused.discard(peer)
        except PeerError as error:
            self._note(peer, error)
        finally:
            with self._lock:
                self._under_way[peer] -= 1

    def _note(self, peer: str, error: PeerError) -> None:
        """An operator acts on a refusal, once; that a peer is down shows in the status."""
        measures.RPC_ERRORS.labels(peer, type(error).__name__).inc()
        is_news = isinstance(error, PeerRejectedError) and peer not in self._refused
        level = logging.WARNING if is_news else logging.DEBUG
        logger.log(level, "No answer from node %s: %s", peer, error)
        if is_news:
            self._refused.add(peer)
            self._refusals.put((peer, str(error)))

    def _step(self) -> None:
        try:
            self._step_all()
        finally:
            connections.close_all()  # of this thread, which ends

    def _step_all(self) -> None:
        while (reply := self._replies.get()) is not None:
            replies = [reply]
            with suppress(queue.Empty):
                while len(replies) < MOST_AT_ONCE:
                    more = self._replies.get_nowait()
                    if more is None:
                        self._replies.put(None)  # the end comes after these
                        break
                    replies.append(more)
            self._step_together(replies)

    def _step_together(self, replies: Sequence[Envelope]) -> None:
        try:
            self._on_replies(replies)
        except Exception:
            if len(replies) == 1:
                logger.exception("A reply of node %s could not be stepped", replies[0].sender)
                return
            for each in replies:  # nothing was kept, and one must not take the others with it
                self._step_together([each])
