"""Clients' writes that take effect by themselves: later, or back again; and their cancellation.

To a client such a write is one of unknown outcome: it may take effect at any time after it was
asked for, or never. One that was cancelled while it was pending never does, and so stands in no
history: whoever reads it has found a bug.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from raft_config.state_machine import AnyCommand, CancelSchedule, Command

from .linearizability import Operation
from .world import World

if TYPE_CHECKING:
    from .clients import Request

LATER, TEMPORARY, CANCEL = "later", "temporary", "cancel"
PLANNED = (LATER, TEMPORARY, CANCEL)
SHARE = 0.3
"""Of the clients' operations, in a world that has scheduled changes."""


class Plans:
    """What is scheduled as far as the clients know, and what each may still do."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pending: dict[int, Operation] = {}
        """Scheduled effects by their ids."""
        self.restorable: set[Any] = set()
        """Values that may have come back: only others are set at one index in all their life."""
        self._temporary: set[Any] = set()

    def draw(self, kind: str) -> str:
        """Another kind of operation in place of this one, now and then."""
        rng = self.world.schedule_rng
        if not self.world.has_schedules or rng.random() >= SHARE:
            return kind
        drawn = rng.choice((LATER, TEMPORARY, TEMPORARY, CANCEL))
        return LATER if drawn == CANCEL and not self.pending else drawn

    def make(
        self, kind: str, request_id: str, key: str, new: int, seen: tuple[Any, int]
    ) -> tuple[AnyCommand, str, Any]:
        """The command, what kind of operation it is after all, and its argument."""
        at = self.world.now + self.world.schedule_rng.uniform(0.0, 3.0)
        old, index = seen
        if kind == CANCEL:
            schedule_id = self.world.schedule_rng.choice(list(self.pending))
            return CancelSchedule(request_id, schedule_id), CANCEL, self.pending.pop(schedule_id)
        values = {key: json.dumps(new)}
        # What comes back in the place of a temporary value is known to no client.
        if kind == LATER or old in self._temporary:
            return Command(request_id, values, apply_at=at), LATER, new
        self._temporary.add(new)
        self.restorable.add(old)
        command = Command(request_id, values, expected={key: index}, expires_at=at)
        return command, TEMPORARY, (old, new)

    def operations(
        self, request: Request, result: Any, returned_at: int | None, index: int
    ) -> list[Operation]:
        """What the history is told of a request: `index`, if known, is that of its entry."""
        key, argument, invoked_at = request.key, request.argument, request.invoked_at
        if request.kind == LATER:
            return self._plan(Operation(key, "write", argument, None, invoked_at, None), index)
        if request.kind == CANCEL:
            return [] if result else [argument]
        if request.kind == TEMPORARY:
            old, new = argument
            end = Operation(key, "cas", (new, old), None, invoked_at, None)
            made = Operation(key, "cas", argument, result, invoked_at, returned_at)
            return [] if result is False else [made, *self._plan(end, index)]
        if request.kind == "cas" and result is False and argument[0] in self.restorable:
            return []  # the same value may have come back at another index
        return [Operation(key, request.kind, argument, result, invoked_at, returned_at)]

    def _plan(self, effect: Operation, schedule_id: int) -> list[Operation]:
        """An effect that can still be cancelled if its id is known; else it may come for ever."""
        if not schedule_id:
            return [effect]
        self.pending[schedule_id] = effect
        return []
