"""Waiting until something was applied here, by this process or by another one of the node.

Whoever steps something in this process tells those for whom the wait is over, and wakes nobody
else. What other processes do shows in the version file: one of those who wait looks into it, for
all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .conf import RaftConfig
from .version_file import version_file_of

LOOK_SECONDS = 0.001
"""How often that one looks."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """Somebody who is to be woken, once."""

    is_over: Callable[[], bool]
    wake: Callable[[], None]


class News:
    """One per process and node; any number of threads may wait."""

    def __init__(self, config: RaftConfig) -> None:
        self._file = version_file_of(config)
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._is_looking = False
        self._told = 0

    def seen(self) -> tuple[int, int]:
        """Something else once anything was told here, or applied by any process."""
        return self._told, self._file.token()

    def tell(self) -> None:
        """Something may have changed."""
        with self._lock:
            self._told += 1
            self._wake()

    def wait(self, seen: tuple[int, int] | None, seconds: float, *, index: int = 0) -> None:
        """Until there is more than was `seen` (and it may be that `index` is applied), or so long.

        The database knows that for certain: the file may be from before a power cut.
        """

        def is_over() -> bool:
            return self._file.version() >= index and self.seen() != seen

        deadline = time.monotonic() + seconds
        while not is_over() and (left := deadline - time.monotonic()) > 0:
            self._sleep(is_over, left)

    def when_applied(self, index: int, wake: Callable[[], None]) -> None:
        """Call `wake`, once, when it may be that `index` is applied.

        What another process applies is noticed only while anybody waits: look yourself at times.
        """
        with self._lock:
            self._waiting.append(_Waiting(lambda: self._file.version() >= index, wake))
            self._wake()

    def _wake(self) -> None:
        over, waiting = list[_Waiting](), list[_Waiting]()
        for each in self._waiting:
            (over if each.is_over() else waiting).append(each)
        self._waiting = waiting
        for each in over:
            each.wake()

    def _sleep(self, is_over: Callable[[], bool], seconds: float) -> None:
        """Until woken: because it is over, because the one who looked is done, or after so long."""
        asleep = threading.Lock()
        asleep.acquire()
        mine = _Waiting(is_over, asleep.release)
        with self._lock:
            if is_over():
                return
            self._waiting.append(mine)
            looks, self._is_looking = not self._is_looking, True
        try:
            if looks:
                self._look(asleep, seconds)
            else:
                asleep.acquire(timeout=seconds)
        finally:
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                if looks:
                    self._is_looking = False
                    if self._waiting:
                        self._waiting.pop(0).wake()  # and looks from now on

    def _look(self, asleep: threading.Lock, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        token = self._file.token()
        while (left := deadline - time.monotonic()) > 0:
            if asleep.acquire(timeout=min(left, LOOK_SECONDS)):
                return
            if self._file.token() != token:
                token = self._file.token()
                with self._lock:
                    self._wake()
