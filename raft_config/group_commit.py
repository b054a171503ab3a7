"""Group commit: what is proposed while an append is being stored goes together in the next one.

A flush to the disk costs the same for one command as for a hundred, and so does a message to a
peer. Nobody waits for company: a proposal that finds nothing under way is stored at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from .core.effects import Accepted, Refusal, Refused
from .core.state import NodeState

Answered = tuple[NodeState, Accepted | Refused]
"""What became of a proposal, and the state in which it did."""

SLEEP_SECONDS = 0.05
"""Who was answered sleeps no longer than that before it looks itself whether that is applied."""

MOST_COMMANDS = 100
MOST_BYTES = 512 * 1024
"""More than these are not stored at once: as much as one message takes, and one of etcd's."""

FOR_ALL = (Refusal.NOT_LEADER, Refusal.TRANSFERRING)
"""What is refused for these reasons is refused whatever the commands are."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What one caller proposes, who sleeps until that is answered or it is its turn to store."""

    commands: tuple[bytes, ...]
    answer: Future[Answered] = field(default_factory=Future)
    sleeps: threading.Lock = field(default_factory=threading.Lock)
    """Held while there is nothing to wake up for: many threads that wake for nothing cost more
    than the work."""

    def __post_init__(self) -> None:
        self.sleeps.acquire()

    def wake(self) -> None:
        """There is an answer, or it is its turn; said once for each."""
        self.sleeps.release()


def _as_many_as_fit(waiting: Sequence[_Waiting]) -> int:
    """How many of the first go together; one at least."""
    count = size = 0
    for place, each in enumerate(waiting, 1):
        count += len(each.commands)
        size += sum(map(len, each.commands))
        if place > 1 and (count > MOST_COMMANDS or size > MOST_BYTES):
            return place - 1
    return len(waiting)


class GroupCommit:
    """The proposals of the threads of one process; one of these threads stores for all."""

    def __init__(
        self,
        append: Callable[[tuple[bytes, ...]], Answered],
        when_applied: Callable[[int, Callable[[], None]], None],
    ) -> None:
        """`append` proposes commands, all or none of them.

        `when_applied` calls back when an index is applied here: nobody is woken before, as long as
        that takes no more than SLEEP_SECONDS.
        """
        self._append = append
        self._when_applied = when_applied
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_at_work = False

    def propose(self, commands: Sequence[bytes]) -> Answered:
        """Append commands, all or none of them. Raises what `append` does."""
        mine = _Waiting(tuple(commands))
        with self._lock:
            self._waiting.append(mine)
            must_wait, self._is_at_work = self._is_at_work, True
        if must_wait:
            self._sleep(mine)
        if not mine.answer.done():
            self._store_for_all(mine)
        return mine.answer.result()

    def _sleep(self, mine: _Waiting) -> None:
        try:
            while not mine.sleeps.acquire(timeout=SLEEP_SECONDS):
                if mine.answer.done():
                    return
        except BaseException:  # whoever gives up must not take the turn of the others with it
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                    if not mine.sleeps.locked():
                        self._pass_on()
            raise

    def _store_for_all(self, mine: _Waiting) -> None:
        with self._lock:
            count = _as_many_as_fit(self._waiting)
            group, self._waiting = self._waiting[:count], self._waiting[count:]
        try:
            self._store(group)
        finally:
            with self._lock:
                self._pass_on()
            for each in group:
                if each is not mine:
                    self._wake_when_over(each)

    def _wake_when_over(self, one: _Waiting) -> None:
        """Once nothing is left to wait for: what is accepted has to be applied as well."""
        if one.answer.exception() is None and isinstance(found := one.answer.result()[1], Accepted):
            self._when_applied(found.index + len(one.commands) - 1, one.wake)
        else:
            one.wake()

    def _pass_on(self) -> None:
        """Let the first of those that have come meanwhile store for them."""
        if self._waiting:
            self._waiting[0].wake()
        else:
            self._is_at_work = False

    def _store(self, group: Sequence[_Waiting]) -> None:
        try:
            self._answer(group)
        except BaseException as error:  # noqa: BLE001 - raised again, for each of them
            for each in group:
                if not each.answer.done():
                    each.answer.set_exception(error)

    def _answer(self, group: Sequence[_Waiting]) -> None:
        state, effect = self._append(tuple(each for one in group for each in one.commands))
        if isinstance(effect, Refused) and effect.refusal not in FOR_ALL and len(group) > 1:
            for each in group:  # one that is too large must not take the others with it
                self._answer([each])
            return
        for each in group:
            each.answer.set_result((state, effect))
            if isinstance(effect, Accepted):
                effect = replace(effect, index=effect.index + len(each.commands))
