"""Keeps the clock of a node's process off by what a file says.

libfaketime would do it without a thread of ours, but Debian's (0.9.10) makes every `time.sleep` of
Python 3.11 fail. time-machine replaces the functions of `time` and `datetime` in C, so that also
those are wrong that somebody has taken before; what a process waits for is measured right.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import time_machine

POLL_SECONDS = 0.02

real = time_machine.escape_hatch.time
"""What works only once one travels."""


def follow(path: Path) -> None:
    """Do so from now on, in this process."""
    traveller = time_machine.travel(time.time() + read(path), tick=True).start()

    def poll() -> None:
        last = read(path)
        while True:
            threading.Event().wait(POLL_SECONDS)
            found = read(path)
            if found != last:
                traveller.move_to(real.time() + found, tick=True)
                last = found

    threading.Thread(target=poll, name="clock", daemon=True).start()


def read(path: Path) -> float:
    """By how many seconds the clock shall be off."""
    return float(path.read_text())
