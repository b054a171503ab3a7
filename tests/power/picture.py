"""All that a node's tables hold, as two digests: of what must survive, and of everything."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from raft_config.storage import DatabaseStorage
from raft_config.storage.durability import relax_this_commit
from raft_config.storage.examining import Examined, examine


@dataclass(frozen=True, slots=True)
class Picture:
    """`hard` is what promises rest on: terms, votes, the log, snapshots and members."""

    hard: str
    whole: str


def picture_of(found: Examined) -> Picture:
    state = found.state
    promised = (
        state.current_term,
        state.voted_for,
        state.configuration,
        state.incarnation,
        found.base,
        found.entries,
        found.snapshot,
        found.snapshot_data,
    )
    return Picture(_digest(promised), _digest(found))


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()[:20]


def look(alias: str = "default") -> Examined | None:
    """Everything, None while there is no node.

    Whoever looks flushes nothing, although to PostgreSQL a lock is a change.
    """
    with transaction.atomic(using=alias):
        relax_this_commit(alias)
        return examine(alias)


class RecordedStorage(DatabaseStorage):
    """Writes down how the tables are after each commit, before anything else may happen."""

    def __init__(self, alias: str, node_defaults: Any, diary: Any) -> None:
        super().__init__(alias, node_defaults)
        self.diary = diary

    def perform(self, *events: Any, **options: Any) -> Any:
        performed = super().perform(*events, **options)
        picture = picture_of(look(self.alias))
        self.diary.write(event=type(events[0]).__name__, hard=picture.hard, whole=picture.whole)
        return performed
