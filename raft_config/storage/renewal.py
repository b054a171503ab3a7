"""A database that begins anew: from a backup, as what a survivor has left, or as a newcomer.

Whatever it had promised before is forgotten; so whoever calls this gives it another incarnation,
and with it another generation, or nothing that it could have promised anything to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from django.db import transaction

from ..core.configuration import Configuration
from ..core.log import Entry, SnapshotMeta
from ..core.state import NodeState
from ..exceptions import InvariantViolatedError
from ..models import NODE_ROW, Member, Node
from .codec import decode_state, encode_state
from .log import STORED_CHUNK_BYTES, DatabaseLog
from .machine import HASHES, DatabaseMachine, hash_of
from .node_row import NodeRow
from .transaction import digest_of, mirror_members

Told = Callable[[int, int], None]
"""Hears of long work how much is done, and how much there is."""


def nobody(_done: int, _total: int) -> None:
    """Hears it, where nobody waits."""


APPLIED_AT_ONCE_BYTES = 4 * 1024 * 1024

NOTHING = b'{"answered":{},"format":1,"history":[],"scheduled":[],"values":{}}'
"""The state machine of a node that has applied nothing."""


def begin_as_newcomer(alias: str, state: NodeState) -> None:
    """Forget everything: the node is `state`, which has no log."""
    with transaction.atomic(using=alias, durable=True):
        NodeRow(alias).lock()
        DatabaseMachine(alias).restore(NOTHING)
        log = DatabaseLog(alias, base=(0, 0))
        log.erase()
        _store(alias, state, (0, 0))


def begin_from_backup(
    alias: str, state: NodeState, data: bytes, entries: Sequence[Entry] = ()
) -> None:
    """Forget everything, and begin with this state machine, as of the state's snapshot_index.

    `entries` follow on it, and are not committed yet.
    """
    with transaction.atomic(using=alias, durable=True):
        NodeRow(alias).lock()
        DatabaseMachine(alias).restore(data)
        _begin(alias, state, data, entries)


def begin_as_survivor(
    alias: str,
    found_anew: Callable[[NodeState], tuple[NodeState, Sequence[Entry]]],
    told: Told = nobody,
) -> NodeState:
    """Keep all that the log holds, committed or not, as the state machine of a new cluster.

    `found_anew` makes of the state as it is the new one, and the entries that follow on it.
    """
    with transaction.atomic(using=alias, durable=True):
        row = NodeRow(alias).lock()
        if row is None or row["halted_by"]:
            raise InvariantViolatedError(
                f"The log of this node cannot be applied to its end: "
                f"{row['halted_by'] if row else 'there is none'}. Upgrade it first."
            )
        before = decode_state(row)
        log = DatabaseLog(alias, base=(row["base_index"], row["base_term"]))
        machine = DatabaseMachine(alias)
        apply_all(log, machine, before.last_applied, before.last_log_index, told)
        state, entries = found_anew(before)
        _begin(alias, state, machine.snapshot(), entries)
    return state


def apply_all(
    log: DatabaseLog, machine: DatabaseMachine, applied: int, last: int, told: Told = nobody
) -> None:
    """Apply what follows on `applied`. Raises what says that an entry cannot be."""
    first = applied
    while applied < last:
        entries = log.entries(
            applied + 1, max_entries=last - applied, max_bytes=APPLIED_AT_ONCE_BYTES
        )
        if not entries:
            raise InvariantViolatedError(f"Entry {applied + 1} is not stored.")
        outcome = machine.apply(entries)
        if outcome.problem is not None:
            raise outcome.problem
        applied += outcome.applied
        told(applied - first, last - first)


def _begin(alias: str, state: NodeState, data: bytes, entries: Sequence[Entry]) -> None:
    index, term = state.snapshot_index, state.last_log_term
    meta = SnapshotMeta(index, term, state.configuration, len(data), digest_of(data))
    log = DatabaseLog(alias, base=(index, term))
    log.erase()
    for offset in range(0, len(data), STORED_CHUNK_BYTES):
        log.store_chunk(offset, data[offset:][:STORED_CHUNK_BYTES])
    base = log.install(meta)
    if entries:
        log.append(entries, replacing=False)
        last = entries[-1]
        state = replace(state, last_log_index=last.index, last_log_term=last.term)
    _store(alias, state, base)


def _store(alias: str, state: NodeState, base: tuple[int, int]) -> None:
    columns = {
        **encode_state(state),
        "base_index": base[0],
        "base_term": base[1],
        "halted_by": "",
        "durable_saves": 0,
        "checked_index": 0,
        "checked_hash": 0,
        "values_hash": hash_of(DatabaseMachine(alias).values()) % HASHES,
    }
    Node.objects.using(alias).update_or_create(pk=NODE_ROW, defaults=columns)
    Member.objects.using(alias).all().delete()
    mirror_members(alias, Configuration(), state.configuration)
