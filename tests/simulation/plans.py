"""Clients' writes that take effect by themselves: later, or back again; and their cancellation.

No client sees when such a write takes effect; afterwards the committed log tells. What it did, if
anything, stands in the history as an operation between the request and the first moment at which
any node had applied it. One that did nothing stands in no history, and one that was cancelled
while it was pending must have done nothing: whoever reads it has found a bug.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from raft_config.state_machine import (
    AnyCommand,
    CancelSchedule,
    Command,
    FireSchedule,
    decode_command,
)

from .invariants import require
from .linearizability import Operation
from .world import SimMachine, World

if TYPE_CHECKING:
    from .clients import Request

LATER, TEMPORARY, CANCEL = "later", "temporary", "cancel"
PLANNED = (LATER, TEMPORARY, CANCEL)
SHARE = 0.3
"""Of the clients' operations, in a world that has scheduled changes."""


class Plans:
    """What is scheduled as far as the clients know, and what came of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pending: dict[int, str] = {}
        """The requests of scheduled changes whose ids are known, and that nobody cancelled."""
        self.restorable: set[Any] = set()
        """Values that may have come back: only others are set at one index in all their life."""
        self._temporary: set[Any] = set()
        self._effects: dict[str, Operation] = {}
        """What each request may do later."""
        self._cancelled: set[str] = set()
        self._requests: dict[int, str] = {}
        """Scheduled changes in the committed log: id -> request."""

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
        """What the history is told of a request at once: `index`, if known, is its entry's."""
        key, argument, invoked_at = request.key, request.argument, request.invoked_at
        if request.kind == LATER:
            effect = Operation(key, "write", argument, None, invoked_at, None)
            return self._plan(request, effect, index)
        if request.kind == CANCEL:
            if result and returned_at is not None:
                self._cancelled.add(argument)
            return []
        if request.kind == TEMPORARY:
            old, new = argument
            end = Operation(key, "cas", (new, old), True, invoked_at, None)
            made = Operation(key, "cas", argument, result, invoked_at, returned_at)
            return [] if result is False else [made, *self._plan(request, end, index)]
        if request.kind == "cas" and result is False and argument[0] in self.restorable:
            return []  # the same value may have come back at another index
        return [Operation(key, request.kind, argument, result, invoked_at, returned_at)]

    def _plan(self, request: Request, effect: Operation, schedule_id: int) -> list[Operation]:
        self._effects[request.request_id] = effect
        if schedule_id:  # else the client cannot know what to cancel
            self.pending[schedule_id] = request.request_id
        return []

    def effect_of(self, index: int, command: bytes, replayed: SimMachine) -> list[Operation]:
        """What an entry of the committed log did for a plan; the log is replayed up to there."""
        decoded = decode_command(command)
        if index in replayed.scheduled:
            self._requests[index] = decoded.request_id
        did_something = bool(replayed.history) and replayed.history[-1].index == index
        if not isinstance(decoded, FireSchedule) or not did_something:
            return []
        request_id = self._requests[decoded.schedule_id]
        require(request_id not in self._cancelled, "What was cancelled took effect", request_id)
        seen_at = self.world.first_applied[index]
        return [replace(self._effects[request_id], returned_at=seen_at)]
