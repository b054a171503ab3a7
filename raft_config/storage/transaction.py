"""One event on its way through the database: what `core.corridor` asks of a storage.

It lives as long as the transaction that holds the lock on the node's row, and writes exactly what
has changed. What may *not* live here: when the transaction begins and ends.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence

from ..core.configuration import Configuration
from ..core.effects import Append, Compact, Effect, Restore, StoreChunk, must_be_durable
from ..core.events import Applied
from ..core.log import SnapshotMeta
from ..core.state import NodeState
from ..exceptions import InvariantViolatedError
from ..models import Member
from ..state_machine import Answer
from .codec import Columns, decode_state, encode_changes
from .durability import DurabilityNeededError, relax_this_commit
from .log import DatabaseLog
from .machine import HASHES, DatabaseMachine
from .node_row import NodeRow

APPLIED_AT_ONCE_BYTES = 4 * 1024 * 1024
"""So much of the log is in memory at a time while it is applied."""

CHECKED_ENTRIES = 256
"""After so many entries each node remembers the hash of its values, for the others to compare: also
under a stream of writes, in which no two nodes are level when they are asked."""

logger = logging.getLogger("raft_config.storage")


class Transaction:
    """`core.corridor.Storage` over the locked row of the node in the database `alias`.

    It may take in several events; `end` comes after the last of them.
    """

    def __init__(
        self, stored: NodeRow, row: Columns, *, will_flush: bool, must_flush: bool = False
    ) -> None:
        """`row` as it was locked; whether the commit will be flushed, and must be in any case."""
        alias = self.alias = stored.alias
        self._row = stored
        self.state = self._stored = decode_state(row)
        self.log = DatabaseLog(alias, base=(row["base_index"], row["base_term"]))
        self._machine = DatabaseMachine(alias)
        self._must_flush = must_flush
        self._will_flush = will_flush
        self._last_stored_index = self.state.last_log_index
        self._halted_by = row["halted_by"]
        self._values_hash = row["values_hash"]
        self._saves_before: int = row["durable_saves"]
        self.durable_saves = self._saves_before
        self._columns: Columns = {}
        """What changes in the row beside the state."""

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What the commands are answered that were applied, by their request ids."""
        return self._machine.answers

    def write(self, effect: Effect) -> None:
        """See `core.corridor.Storage`."""
        if isinstance(effect, (Append, Restore, Compact)):
            self._need_flush()
        if isinstance(effect, Append):
            replacing = effect.entries[0].index <= self._last_stored_index
            self.log.append(effect.entries, replacing=replacing)
            self._last_stored_index = effect.entries[-1].index
        elif isinstance(effect, StoreChunk):
            self.log.store_chunk(effect.offset, effect.data)
        elif isinstance(effect, Restore):
            self._restore(effect.meta)
        elif isinstance(effect, Compact):
            self._compact(effect)

    def apply(self, first: int, last: int) -> Applied:
        """See `core.corridor.Storage`.

        A node that was halted tries one entry: after an upgrade it goes on by itself.
        """
        size = 0
        applied = first - 1
        while applied < last:
            # The hash is known where a batch ends: at each of these indexes, on every node.
            most = 1 if self._halted_by else min(last, _next_checked(applied)) - applied
            entries = self.log.entries(
                applied + 1, max_entries=most, max_bytes=APPLIED_AT_ONCE_BYTES
            )
            if not entries:
                raise InvariantViolatedError(f"Entry {applied + 1} is committed, but not stored.")
            count, hash_change, problem = self._machine.apply(entries)
            self._set_hash(self._values_hash + hash_change)
            size += sum(len(entry.command) for entry in entries[:count])
            applied += count
            if count and applied % CHECKED_ENTRIES == 0:
                self._note_checked(applied, self._values_hash)
            self.note_halt(f"Entry {applied + 1}: {problem}" if problem else "")
            if problem:
                break
        return Applied(applied, size)

    def save(self, before: NodeState, after: NodeState, effects: Sequence[Effect]) -> None:
        """See `core.corridor.Storage`."""
        if must_be_durable(before, after, effects):
            self._need_flush()
        # One flush, one count, however many events it is for.
        if self._must_flush and self.durable_saves == self._saves_before:
            self.durable_saves = self._columns["durable_saves"] = self._saves_before + 1
        if after.configuration is not before.configuration:
            mirror_members(self.alias, before.configuration, after.configuration)
        if before.incoming is not None and after.incoming is None:
            self.log.forget_incoming()
        self.state = after

    def end(self) -> None:
        """Write the row, once, and choose the cheaper commit if none of the events needs more."""
        columns = encode_changes(self._stored, self.state) | self._columns
        if columns:
            self._row.update(columns)
        if not self._must_flush:
            relax_this_commit(self.alias)

    def _need_flush(self) -> None:
        if not self._will_flush:
            raise DurabilityNeededError
        self._must_flush = True

    def note_halt(self, reason: str) -> None:
        """Store why this release cannot go on, and tell it once; "" when it can."""
        if reason == self._halted_by:
            return
        self._halted_by = self._columns["halted_by"] = reason
        if reason:
            logger.critical(
                "Nothing more is applied on this node until it is upgraded. %s",
                reason,
                extra={"node": self.state.node_id},
            )

    def _compact(self, effect: Compact) -> None:
        data = self._machine.snapshot()
        meta = SnapshotMeta(
            effect.index, effect.term, effect.configuration, len(data), digest_of(data)
        )
        self._set_base(self.log.compact(meta, data, effect.keep_from))

    def _restore(self, meta: SnapshotMeta) -> None:
        data = self.log.incoming_bytes()
        if digest_of(data) != meta.digest:
            raise InvariantViolatedError("The snapshot received is not the one that was sent.")
        self._set_hash(self._machine.restore(data))
        self._note_checked(0, 0)
        self._set_base(self.log.install(meta))
        self.note_halt("")

    def _set_hash(self, found: int) -> None:
        """Keep the hash of the applied values; whoever applies nothing writes nothing."""
        self._values_hash = found % HASHES
        self._columns["values_hash"] = self._values_hash

    def _note_checked(self, index: int, values_hash: int) -> None:
        self._columns["checked_index"], self._columns["checked_hash"] = index, values_hash

    def _set_base(self, base: tuple[int, int]) -> None:
        self._columns["base_index"], self._columns["base_term"] = base


def _next_checked(index: int) -> int:
    return index - index % CHECKED_ENTRIES + CHECKED_ENTRIES


def mirror_members(alias: str, before: Configuration, after: Configuration) -> None:
    """Bring the table of members from one configuration to the other."""
    gone = before.by_id.keys() - after.by_id.keys()
    if gone:
        Member.objects.using(alias).filter(node_id__in=gone).delete()
    changed = [each for each in after.members if before.by_id.get(each.node_id) != each]
    columns = ("address", "voter", "promote", "incarnation", "version")
    Member.objects.using(alias).bulk_create(
        [
            Member(node_id=each.node_id, **{name: getattr(each, name) for name in columns})
            for each in changed
        ],
        update_conflicts=True,
        unique_fields=["node_id"],
        update_fields=list(columns),
    )


def digest_of(data: bytes) -> str:
    """What identifies the bytes of a snapshot."""
    return hashlib.sha256(data).hexdigest()
