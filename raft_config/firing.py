"""When scheduled changes are made: the leader proposes it once its clock has passed their time.

The command is an ordinary entry, so every node makes the change at the same place of the log; and
it ends the schedule, so it is made once, however often and by whichever leaders it was proposed.
What may *not* live here: making it (`state_machine`), and a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .state_machine import FireSchedule, encode_command

FIRED_AT_ONCE = 64
"""So many of them become one proposal; the others follow when these are made."""


class Firing:
    """What one process of a leader has to propose, and has proposed already."""

    def __init__(
        self, pending: Callable[[int], Sequence[tuple[float, int]]], *, at_once: int = FIRED_AT_ONCE
    ) -> None:
        """`pending` gives the first so many scheduled changes: when each is due, and its id."""
        self._load = pending
        self._at_once = min(at_once, FIRED_AT_ONCE)
        self._loaded_at = -1
        self._pending: Sequence[tuple[float, int]] = ()
        self._under_way = (-1, -1)
        """The term of the last proposal, and the index of its last entry."""

    def due(self, now: float, *, last_applied: int, term: int) -> tuple[bytes, ...]:
        """The commands to propose now; asks what is pending only when something was applied.

        None while the last proposal is under way: a leader keeps its entries, so in the same term
        it will be applied.
        """
        proposed_term, index = self._under_way
        if proposed_term == term and last_applied < index:
            return ()
        if self._loaded_at != last_applied:
            self._pending = self._load(self._at_once)
            self._loaded_at = last_applied
        return tuple(
            encode_command(FireSchedule.of(schedule_id, now))
            for apply_at, schedule_id in self._pending
            if apply_at <= now
        )

    def note_proposed(self, term: int, last_index: int) -> None:
        """What `due` gave was accepted, up to `last_index`."""
        self._under_way = (term, last_index)
