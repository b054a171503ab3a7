"""Clocks that jump and drift: each node has one of its own, by `following`."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

from .cluster import FaultyCluster
from .registry import Proof, again_and_again, fault

HOUR_SECONDS = 3600.0
SLICE_SECONDS = 0.05

Chooser = Callable[[FaultyCluster], list[str]]


def the_leader(cluster: FaultyCluster) -> list[str]:
    return [cluster.wait_for_leader()]


def a_follower(cluster: FaultyCluster) -> list[str]:
    return [random.choice(cluster.followers())]


def everyone(cluster: FaultyCluster) -> list[str]:
    return cluster.node_ids


def _jump(choose: Chooser, seconds: float) -> Callable[[FaultyCluster], Iterator[Proof]]:
    """Away and, when the block ends, back."""

    def hold(cluster: FaultyCluster) -> Iterator[Proof]:
        chosen = choose(cluster)
        for node_id in chosen:
            cluster.set_clock(node_id, seconds)
        try:
            yield lambda: _seen(cluster, chosen, seconds)
        finally:
            for node_id in chosen:
                cluster.set_clock(node_id, 0)

    return hold


def _seen(cluster: FaultyCluster, chosen: list[str], seconds: float) -> str:
    """What processes of these nodes hold for the time, which must be off by about so much."""
    found = [cluster.clock_of(node_id) - time.time() for node_id in chosen]
    is_off = all(abs(each - seconds) < abs(seconds) / 2 for each in found)
    return f"clocks off by {[round(each, 1) for each in found]} s" if is_off else ""


def _drift(choose: Chooser, share: float) -> Callable[[FaultyCluster], Iterator[Proof]]:
    """Run faster or slower by that share, in small slices; the end sets the clock right."""

    def hold(cluster: FaultyCluster) -> Iterator[Proof]:
        chosen, begun_at = choose(cluster), time.monotonic()

        def turn(ends: threading.Event) -> None:
            for node_id in chosen:
                cluster.set_clock(node_id, share * (time.monotonic() - begun_at))
            ends.wait(SLICE_SECONDS)

        try:
            with again_and_again(turn):
                passed = lambda: share * (time.monotonic() - begun_at)  # noqa: E731
                yield lambda: _seen(cluster, chosen, passed())
        finally:
            for node_id in chosen:
                cluster.set_clock(node_id, 0)

    return hold


for _name, _choose in {
    "of the leader": the_leader,
    "of a follower": a_follower,
    "of all nodes": everyone,
}.items():
    fault(f"clock {_name} 1 h ahead", seconds=8, clocks=True)(_jump(_choose, HOUR_SECONDS))
    fault(f"clock {_name} 1 h behind", seconds=8, clocks=True)(_jump(_choose, -HOUR_SECONDS))
for _name, _choose in {"of the leader": the_leader, "of a follower": a_follower}.items():
    fault(f"clock {_name} half as fast again", seconds=10, clocks=True)(_drift(_choose, 0.5))
    fault(f"clock {_name} half as fast", seconds=10, clocks=True)(_drift(_choose, -0.5))
