"""How far long work is: a bar on one line of a terminal, and nothing at all in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.core.management.base import OutputWrapper

WIDTH: Final = 24
_TO_THE_START: Final = "\r"
_CLEAR_THE_REST: Final = "\x1b[K"


class Progress:
    """Work of so many steps, of which each may know how far it is itself."""

    def __init__(self, err: OutputWrapper, steps: int) -> None:
        self._err = err
        self._steps = steps
        self._step = -1
        self._text = ""
        self._shown = ""

    def step(self, text: str) -> None:
        """The next one begins."""
        self._step += 1
        self._text = text
        self.part(0, 1)

    def part(self, done: int, total: int) -> None:
        """So much of the present step is done."""
        percent = int(100 * (self._step + done / max(total, 1)) / self._steps)
        bar = "#" * (percent * WIDTH // 100)
        line = f"[{bar:<{WIDTH}}] {percent:3} % {self._text}"
        if line != self._shown and self._err.isatty():
            self._write(f"{_TO_THE_START}{line}{_CLEAR_THE_REST}")
            self._shown = line

    def _write(self, text: str) -> None:
        self._err.write(text, style_func=str, ending="")
        self._err.flush()

    def fill(self) -> None:
        """All of it is done."""
        self._step = self._steps - 1
        self.part(1, 1)

    def leave(self) -> None:
        """What is said next, an error above all, stands on a line of its own."""
        if self._shown:
            self._write("\n")


@contextmanager
def progress_on(err: OutputWrapper, steps: int = 1) -> Iterator[Progress]:
    """For as long as the work takes."""
    progress = Progress(err, steps)
    try:
        yield progress
        progress.fill()
    finally:
        progress.leave()
