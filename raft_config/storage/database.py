"""A node's database: lock, load, step, save, commit (DESIGN §2).

    BEGIN (SQLite: IMMEDIATE) | SELECT the node's row FOR UPDATE | step, save, ... | COMMIT

Any number of processes and threads may do this at once; the row's lock makes them one node. What is
returned may be sent: it has been committed. What may *not* live here: rules of Raft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from django.db import OperationalError, transaction

from ..core import corridor
from ..core.configuration import Configuration
from ..core.effects import Effect
from ..core.events import Event
from ..core.settings import RaftSettings
from ..core.state import NodeState
from ..exceptions import InvalidCommandError, RolledBackError
from ..models import Node
from ..state_machine import Answer, AnyCommand, Command, Value
from .codec import Columns, decode_state, encode_state
from .durability import DurabilityNeededError, relaxed_commits
from .flush_watch import FlushWatch
from .high_water import HighWater, saves_in
from .log import DatabaseLog
from .machine import DatabaseMachine
from .node_row import NodeRow
from .transaction import Transaction, digest_of, mirror_members

MAX_SCHEDULED = 1000
"""So many changes may wait for their time: all of them are in every snapshot."""

MOST_RECENT_ANSWERS = 1000
"""A process keeps the answers of what it applied for those who wait for them."""

COUNTED_COLUMNS = ("node_id", "incarnation", "durable_saves")

Performed = tuple[NodeState, NodeState, list[Effect]]
"""The state before the events, the state after them, and what may now be sent."""


class DatabaseStorage:
    """The storage of one node; one object per process and alias serves all threads."""

    def __init__(
        self,
        alias: str,
        node_defaults: Callable[[], NodeState],
        high_water: HighWater | None = None,
    ) -> None:
        """`node_defaults` makes the state of a node that has no row; the first one stored wins."""
        self.alias = alias
        self.node_defaults = node_defaults
        self.log = DatabaseLog(alias)
        self._machine = DatabaseMachine(alias)
        self._row = NodeRow(alias)
        self._flushes = FlushWatch(alias)
        self._recent_answers: dict[str, Answer] = {}
        self._high_water = high_water or HighWater()

    # -- the one way to change anything

    def perform(
        self,
        *events: Event,
        settings: RaftSettings,
        now: float,
        jitter: float,
        likely_durable: bool,
    ) -> Performed:
        """Take events through, one after the other, and commit all of them together.

        `likely_durable` is a guess: when wrong it costs time, never safety. Nothing is kept if this
        raises: InvariantViolatedError (RolledBackError among them), a database's error, or
        RuntimeError within `atomic`.
        """
        self._flushes.settle()
        try:
            return self._perform(events, settings, now, jitter, likely_durable=likely_durable)
        except OperationalError as error:
            self._flushes.doubt(error)
            raise

    def _perform(
        self,
        events: Sequence[Event],
        settings: RaftSettings,
        now: float,
        jitter: float,
        *,
        likely_durable: bool,
    ) -> Performed:
        def perform(*, flush: bool) -> Performed:
            with transaction.atomic(using=self.alias, durable=True):
                stored = self._begin(will_flush=flush)
                before, effects = stored.state, list[Effect]()
                for event in events:
                    effects += corridor.perform(
                        stored, event, settings=settings, now=now, jitter=jitter
                    )
                stored.end()
            # Before anything is sent that rests on it.
            if flush:
                self._flushes.make_good()
            self._high_water.rise(stored.state.incarnation, stored.durable_saves)
            self._note_answers(stored.answers)
            return before, stored.state, effects

        if not likely_durable:
            try:
                with relaxed_commits(self.alias) as is_relaxed:
                    return perform(flush=not is_relaxed)
            except DurabilityNeededError:
                pass  # rolled back, and nothing was sent: the same step again, durably
        return perform(flush=True)

    def halt(self, reason: str) -> None:
        """Note why this release cannot take in what the cluster has agreed on."""
        with transaction.atomic(using=self.alias, durable=True):
            stored = self._begin(will_flush=True)
            stored.note_halt(reason)
            stored.save(stored.state, stored.state, ())
            stored.end()
        self._flushes.make_good()

    def _begin(self, *, will_flush: bool) -> Transaction:
        # Before anything else is read: two workers must never answer from the same vote (§2.1).
        row = self._row.lock()
        if row is not None:
            if (error := _rolled_back(row, self._high_water.word())) is not None:
                raise error  # it may have forgotten its vote: nothing may rest on it
            return Transaction(self._row, row, will_flush=will_flush)
        if not will_flush:
            raise DurabilityNeededError
        return Transaction(self._row, self._create_row(), will_flush=True, must_flush=True)

    def _create_row(self) -> Columns:
        columns = encode_state(self.node_defaults())
        # A second process waits here for the first one's commit, and then takes what that stored.
        Node.objects.using(self.alias).bulk_create([Node(**columns)], ignore_conflicts=True)
        row = cast("Columns", self._row.lock())
        mirror_members(self.alias, Configuration(), decode_state(row).configuration)
        return row

    # -- looking, without the lock

    def load(self) -> NodeState | None:
        """The state as it was committed last; None while there is no row."""
        row = self._row.look()
        return decode_state(row) if row is not None else None

    def version(self) -> int:
        """last_applied: the values are those of the log up to there."""
        row = self._row.look(("last_applied",))
        return int(row["last_applied"]) if row is not None else 0

    def values(self, names: Iterable[str] | None = None) -> dict[str, Value]:
        """The values of these names that are set, or all of them."""
        return self._machine.values(names)

    def answer(self, request_id: str, index: int = 0) -> Answer | None:
        """What became of a request, while the state machine remembers it.

        With the `index` of its entry this asks no database where this process applied that.
        """
        found = self._recent_answers.get(request_id)
        if found is not None and found.index == index:
            return found
        return self._machine.answer(request_id)

    def _note_answers(self, answers: Mapping[str, Answer]) -> None:
        if len(self._recent_answers) > MOST_RECENT_ANSWERS:
            self._recent_answers = {}
        self._recent_answers.update(answers)

    def result(self, index: int) -> Answer | None:
        """The answer of the entry at `index`; None also for a retry: its answer is the first's."""
        return self._machine.result(index)

    def due_times(self, limit: int) -> list[tuple[float, int]]:
        """When the next scheduled changes are due, and their ids; the next one first."""
        return self._machine.due_times(limit)

    def require_room(self, commands: Iterable[AnyCommand]) -> None:
        """Raise InvalidCommandError if more changes would be scheduled than are kept.

        To be asked before the log, for the sake of order: a few more do no harm.
        """
        wanted = sum(isinstance(each, Command) and each.makes_schedule for each in commands)
        if wanted and self._machine.count_scheduled() + wanted > MAX_SCHEDULED:
            raise InvalidCommandError(
                f"{MAX_SCHEDULED} changes are scheduled already, and more are not kept. "
                "Cancel some, or wait until some are made."
            )

    def snapshot(self) -> tuple[NodeState, bytes]:
        """The state, and all that is applied as one text, as of the same instant."""
        with transaction.atomic(using=self.alias):
            row = self._row.lock()
            state = decode_state(row) if row is not None else self.node_defaults()
            return state, self._machine.snapshot()

    def digest(self) -> tuple[int, str]:
        """last_applied, and what identifies all that is applied; equal on nodes that agree."""
        state, data = self.snapshot()
        return state.last_applied, digest_of(data)

    def applied_hash(self) -> tuple[int, int]:
        """last_applied, and the hash of the values as of there: the same on every node."""
        row = self._row.look(("last_applied", "values_hash"))
        return (row["last_applied"], row["values_hash"]) if row is not None else (0, 0)

    def checked_hash(self) -> tuple[int, int]:
        """The same as of an index at which every node remembers it; 0 while there was none."""
        row = self._row.look(("checked_index", "checked_hash"))
        return (row["checked_index"], row["checked_hash"]) if row is not None else (0, 0)

    def halted_by(self) -> str:
        """Why nothing more is applied here; "" when nothing is wrong."""
        known = self._high_water.word()
        row = self._row.look(("halted_by", *COUNTED_COLUMNS))
        return str(_rolled_back(row, known) or row["halted_by"]) if row is not None else ""

    def rolled_back(self) -> RolledBackError | None:
        """What is wrong if the database is an older copy of itself, as far as can be known."""
        known = self._high_water.word()
        row = self._row.look(COUNTED_COLUMNS)
        return _rolled_back(row, known) if row is not None else None


def _rolled_back(row: Columns, known: int) -> RolledBackError | None:
    saves = saves_in(known, row["incarnation"])
    if row["durable_saves"] >= saves:
        return None
    return RolledBackError(row["node_id"], row["durable_saves"], saves)
