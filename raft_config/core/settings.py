"""Limits and intervals of the core, checked when they are built.

Durations bear on liveness only: no value here, however bad, can make two nodes disagree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..exceptions import ConfigurationError

MIN_HEARTBEATS_PER_TIMEOUT = 3
"""A follower must be able to miss two heartbeats in a row without campaigning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaftSettings:
    """Durations in seconds, sizes in bytes. Raises ConfigurationError, which names the setting."""

    heartbeat_interval_seconds: float = 0.2
    """How often a leader lets each peer hear of it; below a third of the election timeout."""
    election_timeout_seconds: float = 0.8
    """The least time a follower waits without a leader; each wait is up to twice as long."""
    append_retry_seconds: float = 0.5
    """How long a leader waits for the answer to a batch before it sends it again."""
    max_batch_entries: int = 256
    """At most this many entries travel in one message ..."""
    max_batch_bytes: int = 512 * 1024
    """... and at most this many bytes of them."""
    max_command_bytes: int = 256 * 1024
    """A larger change is refused; not above `max_batch_bytes`."""
    max_uncommitted_entries: int = 1024
    """A leader that cannot commit refuses further proposals beyond this many."""
    max_apply_entries: int = 1024
    """At most this many entries are applied in one transaction."""
    max_pending_reads: int = 1024
    """At most this many linearizable reads wait for their majority."""
    snapshot_entries: int = 10_000
    """A snapshot is taken after this many applied entries ..."""
    snapshot_bytes: int = 16 * 1024 * 1024
    """... or after this many bytes of them, whichever comes first."""
    trailing_entries: int = 200
    """So many entries below a snapshot are kept, for followers that are a little behind."""
    snapshot_chunk_bytes: int = 512 * 1024
    """A snapshot travels in pieces of this size."""

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_number(each.name, getattr(self, each.name))
        self._check_proportions()

    def _check_proportions(self) -> None:
        most = self.election_timeout_seconds / MIN_HEARTBEATS_PER_TIMEOUT
        if self.heartbeat_interval_seconds >= most:
            raise ConfigurationError(
                "heartbeat_interval_seconds",
                f"must be below a third of election_timeout_seconds ({most:g}), "
                f"not {self.heartbeat_interval_seconds:g}",
            )
        if self.append_retry_seconds < self.heartbeat_interval_seconds:
            raise ConfigurationError(
                "append_retry_seconds", "must not be below heartbeat_interval_seconds"
            )
        if self.max_command_bytes > self.max_batch_bytes:
            raise ConfigurationError("max_command_bytes", "must not be above max_batch_bytes")


def _check_number(name: str, value: object) -> None:
    allowed = (int, float) if name.endswith("_seconds") else int
    if isinstance(value, bool) or not isinstance(value, allowed):
        kind = "a number" if name.endswith("_seconds") else "a whole number"
        raise ConfigurationError(name, f"must be {kind}, not {value!r}")
    least = 0 if name == "trailing_entries" else 1
    if not math.isfinite(value):
        raise ConfigurationError(name, f"must be finite, not {value!r}")
    if not (value > 0 or value == least):
        raise ConfigurationError(name, f"must be above 0, not {value!r}")
