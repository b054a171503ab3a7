"""What a fault is: a block that holds it, and yields the proof that it happened.

A proof is counted from outside, never taken from what the nodes say: requests that a proxy
swallowed, pids that are gone, a term that a database has reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from .cluster import FaultyCluster
from .links import Pair, Rule

Proof = Callable[[], str]
"""What was seen of the fault so far, "" for nothing."""

Held = Callable[[FaultyCluster], AbstractContextManager[Proof]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault."""

    name: str
    hold: Held
    seconds: float = 5.0
    nodes: int = 3
    clocks: bool = False
    """Whether each node needs a clock of its own."""
    flushes: bool = False
    """Whether processes must be able to die in a flush: not on PostgreSQL."""
    broker: bool = False
    """Whether a Redis that all nodes share brings them their ticks."""
    postgres: bool = False
    """Whether there is such a fault on PostgreSQL alone."""
    excused: str = ""
    """What logs may say with a traceback while it lasts, because it is the truth."""

    @property
    def needs(self) -> dict[str, bool]:
        """What the cluster must have, as for `cluster.running`."""
        return {"clocks": self.clocks, "flushes": self.flushes, "broker": self.broker}


FAULTS: dict[str, Fault] = {}


def fault(name: str, **more: object) -> Callable[[Callable[..., Iterator[Proof]]], Held]:
    """Enter a generator into the catalogue."""

    def enter(function: Callable[..., Iterator[Proof]]) -> Held:
        hold: Held = contextmanager(function)
        FAULTS[name] = Fault(name, hold, **more)  # type: ignore[arg-type]
        return hold

    return enter


@contextmanager
def ruled(cluster: FaultyCluster, pairs: list[Pair], rule: Rule) -> Iterator[Proof]:
    """Put a rule on links; the proof counts the requests that suffered."""
    with cluster.links.ruled(pairs, rule) as suffered:
        yield lambda: f"{suffered()} requests suffered" if suffered() else ""


@contextmanager
def again_and_again(work: Callable[[threading.Event], object], threads: int = 1) -> Iterator[None]:
    """Do it on so many threads until the block ends; `work` may wait for that event."""
    ends = threading.Event()

    def repeat() -> None:
        while not ends.is_set():
            work(ends)

    begun = [threading.Thread(target=repeat) for _ in range(threads)]
    for each in begun:
        each.start()
    try:
        yield
    finally:
        ends.set()
        for each in begun:
            each.join()
