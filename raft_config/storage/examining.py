"""All that a node's tables hold of its log and its values, as of one instant, to be checked."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from ..core.configuration import Configuration, Member
from ..core.log import Entry, SnapshotMeta
from ..core.state import NodeState
from ..models import Member as MemberRow
from .codec import decode_state
from .log import DatabaseLog
from .machine import HASHES, DatabaseMachine, hash_of
from .node_row import NodeRow

NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Examined:
    """A whole node. The log is short enough for that, because it is compacted."""

    state: NodeState
    base: tuple[int, int]
    entries: tuple[Entry, ...]
    """Every row of the log, wherever it stands."""
    snapshot: SnapshotMeta | None
    snapshot_data: bytes
    data: bytes
    """What a snapshot taken now would hold."""
    values_hash: int
    expected_hash: int
    members: Configuration
    """As the table that people look at says."""


def examine(alias: str) -> Examined | None:
    """Everything, under the node's lock; None while there is no node."""
    with transaction.atomic(using=alias):
        row = NodeRow(alias).lock()
        if row is None:
            return None
        log = DatabaseLog(alias)
        machine = DatabaseMachine(alias)
        snapshot = log.snapshot
        rows = MemberRow.objects.using(alias).order_by("node_id")
        names = Member.__dataclass_fields__
        members = (Member(**{name: getattr(each, name) for name in names}) for each in rows)
        return Examined(
            state=decode_state(row),
            base=(row["base_index"], row["base_term"]),
            entries=log.all_entries(),
            snapshot=snapshot,
            snapshot_data=log.snapshot_chunk(0, NO_LIMIT) if snapshot else b"",
            data=machine.snapshot(),
            values_hash=row["values_hash"],
            expected_hash=hash_of(machine.values()) % HASHES,
            members=Configuration(tuple(members)),
        )
