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

FOR_ALL = (Refusal.NOT_LEADER, Refusal.TRANSFERRING)
"""What is refused for these reasons is refused whatever the commands are."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    commands: tuple[bytes, ...]
    answer: Future[Answered] = field(default_factory=Future)


class GroupCommit:
    """The proposals of the threads of one process."""

    def __init__(self, append: Callable[[tuple[bytes, ...]], Answered]) -> None:
        """`append` proposes commands, all or none of them."""
        self._append = append
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []

    def propose(self, commands: Sequence[bytes]) -> Answered:
        """Append commands, all or none of them. Raises what `append` does."""
        mine = _Waiting(tuple(commands))
        with self._lock:
            self._waiting.append(mine)
        with self._turn:
            if not mine.answer.done():
                with self._lock:
                    group, self._waiting = self._waiting, []
                self._store(group)
        return mine.answer.result()

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
