"""A node's journal: what happened to it, and how it was in the last hour; for people alone.

Every process of the node adds what it sees: the driver how it ticks, whoever writes how long that
took. A process keeps what it measured in memory, and adds it to the rings every ten seconds at the
most; so measuring costs no commit per write or heartbeat. An event is rare, and stored at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError

from . import measures
from .core import effects
from .core.configuration import Configuration
from .core.effects import Effect
from .core.state import NOT_HEARD, Leader, NodeState
from .exceptions import CommandError, ConflictError
from .storage.rings import SAMPLE_SECONDS, Measured, Rings

logger = logging.getLogger("raft_config")

REPEATED_SECONDS = 60.0
"""A peer that is refused knocks with every message: one event in so many seconds will do."""

LATE_SECONDS = 0.1
"""A driver that looks so much later than planned was late."""

NOT_FAILED = (CommandError, ConflictError)
"""A write that is refused for what it says did not fail: the cluster did its work."""


class Journal:
    """One per process and node; safe to share between threads."""

    def __init__(self, alias: str, clock: Callable[[], float] = time.time) -> None:
        self.rings = Rings(alias)
        self.clock = clock
        self._lock = threading.Lock()
        self._measured = Measured()
        self._is_empty = True
        self._stored_at = 0.0
        self._planned: float | None = None
        self._members = ""
        self._repeated: dict[tuple[str, str, str], float] = {}

    # -- events

    def note(
        self, kind: str, *, term: int = 0, subject: str = "", detail: str = "", user: str = ""
    ) -> None:
        """Remember an event. A database that cannot take it must not stop what is told of."""
        try:
            self.rings.note(
                self.clock(), kind, term=term, subject=subject, detail=detail, user=user
            )
        except DatabaseError as error:
            logger.debug("The event %s was not stored: %s", kind, error)

    def tell(self, effect: Effect, node_id: str, term: int) -> None:
        """Remember what a step of the core tells, if that is an event."""
        if isinstance(effect, effects.RoleChanged):
            if effect.role == "candidate":
                measures.CAMPAIGNS.inc()
                self.note("election", term=effect.term, subject=node_id)
        elif isinstance(effect, effects.LeaderChanged):
            kind = "leader" if effect.leader_id else "no leader"
            self.note(kind, term=effect.term, subject=effect.leader_id or "")
        elif isinstance(effect, effects.MembershipChanged):
            self._tell_members(effect.configuration, term)
        elif isinstance(effect, effects.PeerRejected):
            self._note_once("refused", effect.node_id, effect.reason.value)
        elif isinstance(effect, effects.Removed):
            self._note_once("removed", effect.by, "")
        else:
            self._tell_snapshot(effect, term)

    def _tell_members(self, configuration: Configuration, term: int) -> None:
        """Not that an incarnation or an address became known: only who belongs to it."""
        members = configuration.members
        told = ", ".join(
            each.node_id if each.voter else f"{each.node_id} (learner)" for each in members
        )
        if told != self._members:
            self._members = told
            self.note("members", term=term, detail=told)

    def _tell_snapshot(self, effect: Effect, term: int) -> None:
        if isinstance(effect, effects.Compact):
            self.note("snapshot", term=term, detail=str(effect.index))
        elif isinstance(effect, effects.Restore):
            self.note("restored", term=term, detail=str(effect.meta.last_included_index))

    def refused(self, peer: str, reason: str) -> None:
        """Remember that a peer refuses us, or we refuse it."""
        self._note_once("refused", peer, reason)

    def _note_once(self, kind: str, subject: str, detail: str) -> None:
        key, now = (kind, subject, detail), self.clock()
        with self._lock:
            if now < self._repeated.get(key, 0.0):
                return
            self._repeated = {each: at for each, at in self._repeated.items() if at > now}
            self._repeated[key] = now + REPEATED_SECONDS
        self.note(kind, subject=subject, detail=detail)

    # -- samples

    @contextmanager
    def timed_write(self) -> Iterator[None]:
        """Measure a write that comes in here, and how it ends."""
        begun, failed = time.perf_counter(), 1
        try:
            with measures.timed_write():
                yield
            failed = 0
        except NOT_FAILED:
            failed = 0
            raise
        finally:
            seconds = time.perf_counter() - begun
            with self._lock:
                self._measured.writes += 1
                self._measured.failed_writes += failed
                self._measured.write_seconds += seconds
                self._measured.slowest_seconds = max(seconds, self._measured.slowest_seconds)
                self._is_empty = False
            self.flush()

    def driven(self, now: float, wait_seconds: float) -> None:
        """The driver looked, and will again after so long; then it shows how late it is."""
        if self._planned is not None:
            late = max(0.0, now - self._planned)
            measures.LATENESS.observe(late)
            with self._lock:
                self._measured.late_ticks += late > LATE_SECONDS
                self._measured.lateness_seconds = max(late, self._measured.lateness_seconds)
        self._planned = now + wait_seconds

    def sample(self, load: Callable[[], NodeState | None]) -> None:
        """As driver: store a sample if it is time to; only then is the state loaded."""
        with self._lock:
            self._measured.ticks += 1
        if self._is_early():
            return
        state = load()
        if state is None:
            return
        with self._lock:
            self._measured.term = state.current_term
            self._measured.commit_index = state.commit_index
            self._measured.lag_entries = lag_of(state)
            self._is_empty = False
        self.flush()

    def flush(self, *, is_asked: bool = False) -> None:
        """Add what was measured here to the sample of now: every ten seconds, or when asked for."""
        if self._is_early() and not is_asked:
            return
        with self._lock:
            if self._is_empty:
                return
            measured, self._measured = self._measured, Measured()
            self._is_empty = True
            self._stored_at = now = self.clock()
        try:
            self.rings.measure(now, measured)
        except DatabaseError as error:
            logger.debug("A sample was not stored: %s", error)

    def _is_early(self) -> bool:
        # Either way: a clock that was set back must not stop it.
        return abs(self.clock() - self._stored_at) < SAMPLE_SECONDS


def lag_of(state: NodeState) -> int:
    """How many entries this follower, or the slowest member a leader has heard, still lacks."""
    if isinstance(state.role, Leader):
        peers = state.role.progress.values()
        known = [each.match_index for each in peers if each.version != NOT_HEARD]
        return state.last_log_index - min(known, default=state.last_log_index)
    return state.commit_index - state.last_applied
