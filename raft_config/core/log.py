"""The log as the core sees it: entries, and a read-only view of those that are stored.

The core never loads the log. It keeps the last index and term in its state and asks the view for
the few things that cannot be derived from them; an implementation over a database answers each
with one indexed query. What may *not* live here: writing (an effect, see `effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from .configuration import Configuration

ENTRY_OVERHEAD_BYTES = 64
"""Counted for each entry beside its command when a batch is bounded by bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command, a new configuration, or (neither) the no-op that opens a term."""

    index: int
    term: int
    command: bytes = b""
    configuration: Configuration | None = None

    @property
    def size_bytes(self) -> int:
        """What the entry weighs in a batch."""
        return len(self.command) + ENTRY_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class SnapshotMeta:
    """What identifies a snapshot: where it stands in the log, and the digest of its bytes."""

    last_included_index: int
    last_included_term: int
    configuration: Configuration
    size_bytes: int
    digest: str


class LogView(Protocol):
    """What a step may ask of the stored log and of the stored snapshot."""

    def term_at(self, index: int) -> int | None:
        """The term of the entry at `index`; None when it is compacted away or past the end.

        The entry just before the first one kept (the *base*) still has its term here; the base
        of a log that was never compacted is index 0, of term 0.
        """

    def entries(self, start: int, *, max_entries: int, max_bytes: int) -> Sequence[Entry]:
        """Consecutive entries from `start`, within both bounds, but at least one if any."""

    def floor_of_term(self, index: int, term: int) -> tuple[int, int]:
        """Index and term of the last entry at or below `index` whose term is at most `term`.

        The base when no entry kept qualifies.
        """

    @property
    def snapshot(self) -> SnapshotMeta | None:
        """The latest complete snapshot, if any was taken or received."""

    def snapshot_chunk(self, offset: int, max_bytes: int) -> bytes:
        """Bytes of the latest snapshot from `offset`, at most `max_bytes` of them."""
