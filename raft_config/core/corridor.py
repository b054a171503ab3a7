"""The corridor behind every door of a node: load, step, write, apply, save, in one transaction.

Whatever the storage is, the order is the same, and it is here once. The runtime opens the
transaction around it, and sends what is to be sent after it has committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .effects import Apply, Effect
from .events import Applied, Event
from .log import LogView
from .raft import step
from .settings import RaftSettings
from .state import NodeState


class Storage(Protocol):
    """A node's disk, within one transaction that holds the node's lock."""

    @property
    def state(self) -> NodeState:
        """The state as it was saved last."""

    @property
    def log(self) -> LogView:
        """The stored log, with what this transaction has written so far."""

    def write(self, effect: Effect) -> None:
        """Do what Append, StoreChunk, Restore or Compact ask for; ignore any other effect."""

    def apply(self, first: int, last: int) -> Applied:
        """Apply these entries to the state machine, or those before one that cannot be applied.

        Such an entry is never skipped: it is reported, and nothing is applied from then on.
        """

    def save(self, before: NodeState, after: NodeState, effects: Sequence[Effect]) -> None:
        """Save the difference of two states; durably if `effects.must_be_durable` says so."""


def perform(
    storage: Storage, event: Event, *, settings: RaftSettings, now: float, jitter: float
) -> list[Effect]:
    """Take one event through the storage; returns the effects, to be sent after the commit."""
    before = storage.state
    after, effects = step(before, event, log=storage.log, settings=settings, now=now, jitter=jitter)
    for effect in effects:
        storage.write(effect)
    apply = next((effect for effect in effects if isinstance(effect, Apply)), None)
    if apply is not None:
        applied = storage.apply(after.last_applied + 1, apply.through)
        after, more = step(
            after, applied, log=storage.log, settings=settings, now=now, jitter=jitter
        )
        for effect in more:
            storage.write(effect)
        effects += more
    storage.save(before, after, effects)
    return effects
