"""Carries messages to peers from a pool of threads: a dead peer never delays a live one.

The threads of the pool speak HTTP and nothing else. What comes back is handed to a single further
thread, which steps through the node's database, at once, all that has come while it was at work.

What nobody waits for is held for a moment (`core.patience`). While writes follow each other, the
next append then tells a peer of the last commit too, and the next proposal takes the reply of the
slower peer along: half the messages and half the transactions of a write are not needed.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from django.db import InterfaceError, OperationalError, connections

from .. import measures, tracing
from ..core.messages import Envelope
from ..core.patience import may_be_sent_later, takes_place_of
from ..exceptions import PeerError, PeerRejectedError

logger = logging.getLogger("raft_config")

THREADS_PER_PEER = 4
"""Of each peer its own: one that hangs holds up nobody else."""

MAX_UNDER_WAY = 2 * THREADS_PER_PEER
"""Messages to one peer that wait or are being posted; a further one is dropped, as by a network."""


MOST_AT_ONCE = 64
"""Replies that are stepped in one transaction."""

HELD_SECONDS = 0.005
"""How long what nobody waits for is held at the most."""


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
        self,
        transport: Transport,
        on_replies: Callable[[Sequence[Envelope]], None],
        may_wait: Callable[[Envelope], bool] = lambda _: False,
    ) -> None:
        """`on_replies` steps replies; `may_wait` tells whether nobody waits for one."""
        self._transport = transport
        self._on_replies = on_replies
        self._may_wait = may_wait
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._under_way: dict[str, int] = {}
        self._refused: set[str] = set()
        self._refusals: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self._changed = threading.Condition()
        """Held by whoever looks at, or changes, any of what follows."""
        self._held: dict[str, tuple[Envelope, str]] = {}
        self._hurried: set[str] = set()
        self._replies: list[Envelope] = []
        self._is_urgent = False
        self._deadline: float | None = None
        """Until when messages and replies are held, by the monotonic clock."""
        self._stepper: threading.Thread | None = None
        self._is_closed = self._is_over = False

    def post(self, envelope: Envelope, base_url: str) -> None:
        """Send a message soon; its reply will be stepped."""
        peer = envelope.recipient
        with self._changed:
            earlier = self._held.pop(peer, None)
            if earlier and not takes_place_of(envelope.message, earlier[0].message):
                self._submit(*earlier)
            if may_be_sent_later(envelope.message) and peer not in self._hurried:
                self._held[peer] = (envelope, base_url)
                self._hold()
            else:
                self._hurried.discard(peer)
                self._submit(envelope, base_url)

    def hurry(self, peer: str) -> None:
        """Somebody waits there for the news of a commit: hold it no longer, or not at all."""
        with self._changed:
            if held := self._held.pop(peer, None):
                self._submit(*held)
            else:
                self._hurried.add(peer)

    def take_replies(self) -> list[Envelope]:
        """The replies that are here, for a caller who steps them with something of its own."""
        with self._changed:
            found, self._replies = self._replies, []
            self._is_urgent = False
            return found

    def _submit(self, envelope: Envelope, base_url: str) -> None:
        peer = envelope.recipient
        if self._is_closed or self._under_way.get(peer, 0) >= MAX_UNDER_WAY:
            return
        self._under_way[peer] = self._under_way.get(peer, 0) + 1
        pool = self._pools.get(peer)
        if pool is None:
            pool = self._pools[peer] = ThreadPoolExecutor(THREADS_PER_PEER, f"raft-{peer}")
        self._start()
        try:
            pool.submit(tracing.carried(self._carry), envelope, base_url)
        except RuntimeError:  # the interpreter is ending, which no lock of ours can foresee
            self._is_closed = True

    def _start(self) -> None:
        if self._stepper is None and not self._is_closed:
            self._stepper = threading.Thread(target=self._step, name="raft-step", daemon=True)
            self._stepper.start()

    def _hold(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + HELD_SECONDS
            self._start()
            self._changed.notify_all()

    def refusals(self) -> Iterator[tuple[str, str]]:
        """Which peers have begun to refuse messages since this was asked last, and why."""
        with suppress(queue.Empty):
            while True:
                yield self._refusals.get_nowait()

    def close(self) -> None:
        """End the threads; what has not begun to be sent is lost, as in a crash."""
        with self._changed:
            self._send_held()
            self._is_closed = True
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._stepper is not None:
            self._stepper.join()

    def _carry(self, envelope: Envelope, base_url: str) -> None:
        peer = envelope.recipient
        try:
            self._receive(self._transport.send(envelope, base_url))
            self._refused.discard(peer)
        except PeerError as error:
            self._note(peer, error)
        finally:
            with self._changed:
                self._under_way[peer] -= 1

    def _receive(self, reply: Envelope) -> None:
        with self._changed:
            self._replies.append(reply)
            if self._may_wait(reply):
                self._hold()
            else:
                self._is_urgent = True
                self._changed.notify_all()

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
        while (replies := self._come()) is not None:
            self._step_together(replies)
            with self._changed:
                if self._patience() == 0:
                    self._send_held()

    def _come(self) -> list[Envelope] | None:
        """What to step now, be it nothing because messages must go; None at the end."""
        with self._changed:
            while not (self._is_urgent or self._is_over or self._patience() == 0):
                self._changed.wait(self._patience())
            if self._is_over and not self._replies:
                return None
            found, self._replies = self._replies[:MOST_AT_ONCE], self._replies[MOST_AT_ONCE:]
            self._is_urgent = bool(self._replies)
            return found

    def _patience(self) -> float | None:
        """For how many seconds more anything is held; None where nothing is."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _send_held(self) -> None:
        for each in self._held.values():
            self._submit(*each)
        self._held.clear()
        self._deadline = None
        if self._replies:
            self._hold()

    def _step_together(self, replies: Sequence[Envelope]) -> None:
        if not replies:
            return
        try:
            self._on_replies(replies)
        except Exception as error:  # noqa: BLE001 - each is told of below
            if len(replies) == 1:
                _tell_of(error, replies[0].sender)
                return
            self.step_apart(replies)

    def step_apart(self, replies: Sequence[Envelope]) -> None:
        """Step each of them alone: nothing was kept, and one must not take the others with it."""
        for each in replies:
            self._step_together([each])


def _tell_of(error: Exception, sender: str) -> None:
    """A database that was restarted, cut off or locked is no fault of this code: no traceback."""
    is_ours = not isinstance(error, (OperationalError, InterfaceError))
    level = logging.ERROR if is_ours else logging.WARNING
    text = "A reply of node %s could not be stepped: %s"
    logger.log(level, text, sender, error, exc_info=error if is_ours else None)
