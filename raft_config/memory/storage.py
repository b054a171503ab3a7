"""Log, state machine and storage in memory; the storage loses what was not made durable.

A crash here is a power cut: it takes every relaxed save since the last durable one, or a suffix of
them, together and in order (DESIGN §2.3). What may *not* live here: deciding anything.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from ..core.effects import (
    Append,
    Compact,
    Effect,
    Restore,
    StoreChunk,
    must_be_durable,
)
from ..core.events import Applied
from ..core.log import Entry, LogView, SnapshotMeta
from ..core.state import NodeState
from ..core.turn import within_bounds
from ..exceptions import InvariantViolatedError
from ..state_machine import (
    HISTORY_ENTRIES,
    REMEMBERED_ENTRIES,
    Answer,
    Record,
    Scheduled,
    State,
    Value,
    apply,
    decode_command,
    dump_snapshot,
    load_snapshot,
)

KEPT_RESULTS = 1024
"""How many results of applied commands a node keeps for those who wait for them."""

KEPT_RELAXED_STATES = 64
"""How many relaxed saves a crash can choose among; the oldest are forgotten first."""


class StateMachine(Protocol):
    """What committed commands act on. Must be deterministic: same commands, same bytes."""

    def apply(self, index: int, command: bytes) -> Any:
        """Apply the command of the entry at `index`; the result goes to whoever proposed it."""

    def snapshot(self) -> bytes:
        """Everything, as bytes that `restore` understands."""

    def restore(self, data: bytes) -> None:
        """Replace everything by what a snapshot holds; b"" stands for the empty beginning."""


class MemoryStateMachine:
    """The settings in dicts, and their history."""

    def __init__(self) -> None:
        self.state = State()
        self.history: deque[Record] = deque()

    @property
    def values(self) -> dict[str, Value]:
        """The values that are set."""
        return self.state.values

    @property
    def answered(self) -> dict[str, Answer]:
        """The answers that are remembered, the oldest first."""
        return self.state.answered

    @property
    def scheduled(self) -> dict[int, Scheduled]:
        """The changes that wait for their time."""
        return self.state.scheduled

    def apply(self, index: int, command: bytes) -> Answer:
        """Apply a command made by `state_machine.encode_command`."""
        decoded = decode_command(command)
        changes = apply(self.state, decoded, index)
        self.state.take(decoded.request_id, index, changes)
        self.history.extend(changes.records)
        self._forget(index)
        return changes.answer

    def _forget(self, index: int) -> None:
        while self.history and self.history[0].index <= index - HISTORY_ENTRIES:
            self.history.popleft()
        while self.answered:
            oldest = next(iter(self.answered))
            if index - self.answered[oldest].index < REMEMBERED_ENTRIES:
                return
            del self.answered[oldest]

    def snapshot(self) -> bytes:
        """The whole state as JSON."""
        return dump_snapshot(self.state, self.history)

    def restore(self, data: bytes) -> None:
        """Take over a snapshot."""
        self.state, history = load_snapshot(data) if data else (State(), [])
        self.history = deque(history)


class MemoryLog(LogView):
    """Entries in a list, and the latest snapshot. `base` is what was compacted away last."""

    def __init__(self) -> None:
        self.base_index = 0
        self.base_term = 0
        self.kept: list[Entry] = []
        self._snapshot: SnapshotMeta | None = None
        self.snapshot_bytes = b""

    @property
    def snapshot(self) -> SnapshotMeta | None:
        """What identifies the latest snapshot."""
        return self._snapshot

    def term_at(self, index: int) -> int | None:
        """See `LogView`."""
        position = index - self.base_index
        if position == 0:
            return self.base_term
        return self.kept[position - 1].term if 0 < position <= len(self.kept) else None

    def entries(self, start: int, *, max_entries: int, max_bytes: int) -> Sequence[Entry]:
        """See `LogView`."""
        position = start - self.base_index - 1
        return within_bounds(self.kept[position : position + max_entries], max_entries, max_bytes)

    def floor_of_term(self, index: int, term: int) -> tuple[int, int]:
        """See `LogView`."""
        for entry in reversed(self.kept[: max(0, index - self.base_index)]):
            if entry.term <= term:
                return entry.index, entry.term
        return self.base_index, self.base_term

    def snapshot_chunk(self, offset: int, max_bytes: int) -> bytes:
        """See `LogView`."""
        return self.snapshot_bytes[offset : offset + max_bytes]

    def append(self, entries: Sequence[Entry]) -> None:
        """Replace all at and after the first one's index."""
        del self.kept[entries[0].index - self.base_index - 1 :]
        self.kept.extend(entries)

    def store_snapshot(self, meta: SnapshotMeta, data: bytes, keep_from: int) -> None:
        """Put a snapshot in place, and forget the entries before `keep_from`."""
        base = max(self.base_index, keep_from - 1)
        base_term = self.term_at(base)
        if base_term is None:  # a snapshot that came from the leader, past our own log
            base, base_term, self.kept = meta.last_included_index, meta.last_included_term, []
        else:
            del self.kept[: base - self.base_index]
        self.base_index, self.base_term = base, base_term
        self._snapshot, self.snapshot_bytes = meta, data


class MemoryStorage:
    """State, log and state machine, saved together; relaxed saves are lost in a crash."""

    def __init__(self, state: NodeState, machine: StateMachine) -> None:
        self.state = state
        self.log = MemoryLog()
        self.machine = machine
        self.results: dict[int, Any] = {}
        self.halted_by: Exception | None = None
        """Why nothing more is applied here: the next entry is beyond this release."""
        self.durable_state = state
        """The state that the worst crash would leave now."""
        self._relaxed: deque[tuple[NodeState, bytes]] = deque(maxlen=KEPT_RELAXED_STATES)
        self._chunks = self._durable_chunks = b""

    def save(self, before: NodeState, after: NodeState, effects: Sequence[Effect]) -> None:
        """Commit one transaction: the difference of two states, and what was written with it."""
        self.state = after
        if must_be_durable(before, after, effects):
            self.durable_state, self._durable_chunks = after, self._chunks
            self._relaxed.clear()
        elif after is not before:
            self._relaxed.append((after, self._chunks))

    def write(self, effect: Effect) -> None:
        """Do what an effect asks for within the transaction, Apply apart."""
        if isinstance(effect, Append):
            self.log.append(effect.entries)
        elif isinstance(effect, StoreChunk):
            self._chunks = self._chunks[: effect.offset] + effect.data
        elif isinstance(effect, Restore):
            self._restore(effect.meta)
        elif isinstance(effect, Compact):
            self._compact(effect)

    def apply(self, first: int, last: int) -> Applied:
        """Apply the entries `first` to `last`, or those before one that cannot be applied here."""
        if self.halted_by is not None:
            return Applied(first - 1)
        size = 0
        entries = self.log.entries(first, max_entries=last - first + 1, max_bytes=1 << 62)
        for entry in entries:
            try:
                self._apply_entry(entry)
            except Exception as error:  # noqa: BLE001 - whatever it is, skipping would be worse
                self.halted_by = error
                return Applied(entry.index - 1, size)
            size += len(entry.command)
        return Applied(last, size)

    def _apply_entry(self, entry: Entry) -> None:
        if entry.command:
            self.results[entry.index] = self.machine.apply(entry.index, entry.command)
            self.results.pop(entry.index - KEPT_RESULTS, None)

    def crash(self, *, surviving: int = 0) -> None:
        """Lose the relaxed saves since the last durable one, but for the first `surviving`."""
        saves = [(self.durable_state, self._durable_chunks), *self._relaxed]
        self.durable_state, self._durable_chunks = saves[min(surviving, len(saves) - 1)]
        self.state, self._chunks = self.durable_state, self._durable_chunks
        self._relaxed.clear()
        self.results.clear()
        self.machine.restore(self.log.snapshot_bytes)
        if self.state.snapshot_index < self.state.last_applied:
            self.apply(self.state.snapshot_index + 1, self.state.last_applied)

    def _compact(self, effect: Compact) -> None:
        data = self.machine.snapshot()
        meta = SnapshotMeta(
            effect.index, effect.term, effect.configuration, len(data), digest_of(data)
        )
        self.log.store_snapshot(meta, data, effect.keep_from)

    def _restore(self, meta: SnapshotMeta) -> None:
        if digest_of(self._chunks) != meta.digest:
            raise InvariantViolatedError("The snapshot received is not the one that was sent.")
        self.machine.restore(self._chunks)
        self.log.kept = []
        self.log.store_snapshot(meta, self._chunks, meta.last_included_index + 1)
        self._chunks = b""


def digest_of(data: bytes) -> str:
    """What identifies the bytes of a snapshot."""
    return hashlib.sha256(data).hexdigest()
