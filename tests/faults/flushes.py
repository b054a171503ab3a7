"""Do kill -9 at each durable write: the process that makes a node's n-th flush dies in it.

`dying.c` stands between the processes of a node and libc; a file that they map says in which flush.
SQLite only: PostgreSQL's server flushes, and not a process of the node.
"""

from __future__ import annotations

import mmap
import random
import threading
from collections.abc import Iterator

from .cluster import FaultyCluster
from .proxied import CONTROL
from .registry import Proof, again_and_again, fault

FLUSHES = range(1, 13)
"""A write takes one or two, on either side, and a checkpoint of SQLite's two."""

PATIENCE_SECONDS = 5.0


def die_in(control: mmap.mmap, flush: int, *, after: bool) -> None:
    """Let the process die that makes this flush from now on."""
    CONTROL.pack_into(control, 0, 0, flush, after, 0)


def who_died(control: mmap.mmap) -> int:
    """Its pid, 0 while nobody has."""
    return int(CONTROL.unpack_from(control)[3])


@fault("killed at each durable write", seconds=20, flushes=True)
def killed_at_each_flush(cluster: FaultyCluster) -> Iterator[Proof]:
    """Of the leader or of a follower, at one flush after the other; what died is started again."""
    numbers = iter([(each, after) for each in FLUSHES for after in (False, True)])
    died: list[str] = []

    def kill_one(ends: threading.Event) -> None:
        flush, after = next(numbers, (random.choice(FLUSHES), random.random() < 0.5))
        node_id = random.choice(cluster.node_ids)
        with cluster.cluster.control_file(node_id).open("r+b") as file:
            control = mmap.mmap(file.fileno(), CONTROL.size)
        die_in(control, flush, after=after)
        waited = 0.0
        while not who_died(control) and waited < PATIENCE_SECONDS and not ends.wait(0.05):
            waited += 0.05
        if pid := who_died(control):
            died.append(f"{pid} in flush {flush} of {node_id}")
        die_in(control, 0, after=False)
        control.close()
        ends.wait(0.5)
        cluster.start(node_id)  # a worker of the web server comes back by itself

    with again_and_again(kill_one):
        yield lambda: f"{len(died)} processes died: {', '.join(died[:3])} ..." if died else ""
