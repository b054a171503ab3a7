"""Waiting until something was applied here, by this process or by another one of the node.

Whoever steps replies in this process tells the others. What other processes do shows in the version
file: one of those who wait looks into it, for all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from .conf import RaftConfig
from .version_file import version_file_of

LOOK_SECONDS = 0.001
"""How often that one looks."""


class News:
    """One per process and node; any number of threads may wait."""

    def __init__(self, config: RaftConfig) -> None:
        self._file = version_file_of(config)
        self._changed = threading.Condition()
        self._looking = threading.Lock()
        self._told = 0

    def seen(self) -> tuple[int, int]:
        """Something else once anything was told here, or applied by any process."""
        return self._told, self._file.token()

    def tell(self) -> None:
        """Wake those who wait: something may have changed."""
        with self._changed:
            self._told += 1
            self._changed.notify_all()

    def wait(self, seen: tuple[int, int] | None, seconds: float, *, index: int = 0) -> None:
        """Until there is more than was `seen` (and it may be that `index` is applied), or so long.

        The database knows that for certain: the file may be from before a power cut.
        """
        self._wait(lambda: self._file.version() >= index and self.seen() != seen, seconds)

    def _wait(self, is_over: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._changed:
            while not is_over() and (left := deadline - time.monotonic()) > 0:
                if not self._looking.acquire(blocking=False):
                    self._changed.wait(left)
                    continue
                try:
                    self._look(is_over, deadline)
                finally:
                    self._looking.release()
                    self._changed.notify_all()  # another one looks now

    def _look(self, is_over: Callable[[], bool], deadline: float) -> None:
        seen = self.seen()
        while not is_over() and (left := deadline - time.monotonic()) > 0:
            self._changed.wait(min(left, LOOK_SECONDS))
            if self.seen() != seen:
                seen = self.seen()
                self._changed.notify_all()
