"""Every fault by its name: a block that holds it, and yields the proof that it happened.

A proof is counted from outside, never taken from what the nodes say: requests that a proxy
swallowed, pids that are gone, a term that a database has reached.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from demo_site.processes import RAFT, WEB

from .cluster import FaultyCluster
from .links import Rule

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
    excused: str = ""
    """What logs may say with a traceback while it lasts, because it is the truth."""


FAULTS: dict[str, Fault] = {}


def fault(name: str, **more: object) -> Callable[[Callable[..., Iterator[Proof]]], Held]:
    """Enter a generator into the catalogue."""

    def enter(function: Callable[..., Iterator[Proof]]) -> Held:
        hold: Held = contextmanager(function)
        FAULTS[name] = Fault(name, hold, **more)  # type: ignore[arg-type]
        return hold

    return enter


# -- the network

CUT: Rule = {"drop": 1.0}


@contextmanager
def _ruled(cluster: FaultyCluster, pairs: list[tuple[str, str]], rule: Rule) -> Iterator[Proof]:
    with cluster.links.ruled(pairs, rule) as suffered:
        yield lambda: f"{suffered()} requests suffered" if suffered() else ""


@fault("leader alone")
def leader_alone(cluster: FaultyCluster) -> Iterator[Proof]:
    leader = cluster.wait_for_leader()
    with _ruled(cluster, cluster.between([leader], cluster.node_ids), CUT) as proof:
        yield proof


@fault("follower alone")
def minority(cluster: FaultyCluster) -> Iterator[Proof]:
    some = random.sample(cluster.followers(), 1)
    with _ruled(cluster, cluster.between(some, cluster.node_ids), CUT) as proof:
        yield proof


@fault("leader and another alone", nodes=5)
def minority_of_two(cluster: FaultyCluster) -> Iterator[Proof]:
    leader = cluster.wait_for_leader()
    some = [leader, random.choice(cluster.followers())]
    others = [each for each in cluster.node_ids if each not in some]
    with _ruled(cluster, cluster.between(some, others), CUT) as proof:
        yield proof


@fault("ring", nodes=5)
def ring(cluster: FaultyCluster) -> Iterator[Proof]:
    """Each node reaches its two neighbours alone."""
    nodes = random.sample(cluster.node_ids, len(cluster.node_ids))
    count = len(nodes)
    far = [
        (nodes[one], nodes[two])
        for one in range(count)
        for two in range(count)
        if (one - two) % count not in (0, 1, count - 1)
    ]
    with _ruled(cluster, far, CUT) as proof:
        yield proof


@fault("bridge", nodes=5)
def bridge(cluster: FaultyCluster) -> Iterator[Proof]:
    """Two halves reach each other through one node alone."""
    nodes = random.sample(cluster.node_ids, len(cluster.node_ids))
    middle = len(nodes) // 2
    pairs = cluster.between(nodes[:middle], nodes[middle + 1 :])
    with _ruled(cluster, pairs, CUT) as proof:
        yield proof


@fault("leader is not heard")
def one_way_out(cluster: FaultyCluster) -> Iterator[Proof]:
    """What the leader sends is lost; it can be asked."""
    leader = cluster.wait_for_leader()
    with _ruled(cluster, cluster.pairs([leader], cluster.node_ids), CUT) as proof:
        yield proof


@fault("leader cannot be asked")
def one_way_in(cluster: FaultyCluster) -> Iterator[Proof]:
    """What is sent to the leader is lost; its own messages arrive."""
    leader = cluster.wait_for_leader()
    with _ruled(cluster, cluster.pairs(cluster.node_ids, [leader]), CUT) as proof:
        yield proof


@fault("leader does not reach itself", seconds=8)
def own_url(cluster: FaultyCluster) -> Iterator[Proof]:
    leader = cluster.wait_for_leader()
    with _ruled(cluster, [(leader, leader)], {"reset": 1.0}) as proof:
        yield proof


@fault("single link")
def single_link(cluster: FaultyCluster) -> Iterator[Proof]:
    """The leader and one follower do not reach each other; the third reaches both."""
    leader = cluster.wait_for_leader()
    other = random.choice(cluster.followers())
    with _ruled(cluster, cluster.between([leader], [other]), CUT) as proof:
        yield proof


@fault("no two nodes reach each other")
def all_cut(cluster: FaultyCluster) -> Iterator[Proof]:
    with _ruled(cluster, cluster.all_pairs(), CUT) as proof:
        yield proof


@fault("changing cuts", seconds=12)
def changing_cuts(cluster: FaultyCluster) -> Iterator[Proof]:
    """A third of all links, others every second."""
    with _changing(cluster, CUT) as proof:
        yield proof


@contextmanager
def _changing(cluster: FaultyCluster, rule: Rule) -> Iterator[Proof]:
    import threading  # noqa: PLC0415

    ends, total = threading.Event(), [0]

    def change() -> None:
        while not ends.is_set():
            pairs = random.sample(cluster.all_pairs(), len(cluster.all_pairs()) // 3)
            with cluster.links.ruled(pairs, rule) as suffered:
                ends.wait(1)
                total[0] += suffered()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield lambda: f"{total[0]} requests suffered" if total[0] else ""
    finally:
        ends.set()
        thread.join()


EVILS_OF: dict[str, Rule] = {
    "loss": {"drop": 0.2, "drop reply": 0.1},
    "resets": {"reset": 0.2, "reset reply": 0.1},
    "replies lost after the work was done": {"drop reply": 0.3},
    "delays and reordering": {"delay": 0.5},
    "late answers": {"answer late": 0.3},
    "duplicates": {"duplicate": 0.5},
    "truncation": {"truncate": 0.15, "truncate request": 0.15},
    "5xx of a proxy": {"5xx": 0.15, "5xx reply": 0.15},
    "everything at once": {
        **dict.fromkeys(("drop", "drop reply", "reset", "reset reply"), 0.03),
        **dict.fromkeys(("answer late", "truncate", "truncate request"), 0.03),
        **dict.fromkeys(("5xx", "5xx reply"), 0.03),
        **dict.fromkeys(("delay", "duplicate"), 0.1),
    },
}


def _evil(rule: Rule) -> Callable[[FaultyCluster], Iterator[Proof]]:
    def hold(cluster: FaultyCluster) -> Iterator[Proof]:
        with _ruled(cluster, cluster.all_pairs(), rule) as proof:
            yield proof

    return hold


# urllib3 tells of headers that break off with a traceback, as a warning of its own.
for _name, _rule in EVILS_OF.items():
    fault(_name, seconds=8, excused="HeaderParsingError")(_evil(_rule))


# -- processes


@contextmanager
def _killed(cluster: FaultyCluster, node_ids: list[str], *kinds: str) -> Iterator[Proof]:
    pids = [child.pid for node_id in node_ids for child in cluster.of(node_id, *kinds)]
    for node_id in node_ids:
        cluster.kill(node_id, *kinds)
    gone = [pid for pid in pids if not _is_there(pid)]
    try:
        yield lambda: f"pids {gone} are gone" if gone == pids else ""
    finally:
        for node_id in node_ids:
            cluster.start(node_id)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@fault("leader killed")
def leader_killed(cluster: FaultyCluster) -> Iterator[Proof]:
    with _killed(cluster, [cluster.wait_for_leader()]) as proof:
        yield proof


@fault("web server of the leader killed")
def web_killed(cluster: FaultyCluster) -> Iterator[Proof]:
    with _killed(cluster, [cluster.wait_for_leader()], WEB) as proof:
        yield proof


@fault("Celery of the leader killed")
def celery_killed(cluster: FaultyCluster) -> Iterator[Proof]:
    """No ticks: neither heartbeats nor elections come from this node."""
    with _killed(cluster, [cluster.wait_for_leader()], RAFT) as proof:
        yield proof


@fault("all nodes killed", seconds=1)
def all_killed(cluster: FaultyCluster) -> Iterator[Proof]:
    with _killed(cluster, cluster.node_ids) as proof:
        yield proof


@fault("web workers killed, one after the other", seconds=8)
def workers_killed(cluster: FaultyCluster) -> Iterator[Proof]:
    """Of any node, while it works; gunicorn starts another."""
    import threading  # noqa: PLC0415

    ends, gone = threading.Event(), []

    def kill() -> None:
        while not ends.wait(0.7):
            workers = cluster.workers(random.choice(cluster.node_ids))
            if workers:
                gone.append(random.choice(workers))
                os.kill(gone[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield lambda: f"{len(gone)} workers killed" if gone else ""
    finally:
        ends.set()
        thread.join()


@contextmanager
def _paused(cluster: FaultyCluster, node_id: str, *kinds: str) -> Iterator[Proof]:
    """The fault is over when the block is; whoever wakes knows nothing of the time between."""
    children = cluster.of(node_id, *kinds)
    for child in children:
        child.signal_group(signal.SIGSTOP)
    try:
        yield lambda: f"pids {[each.pid for each in children if _is_stopped(each.pid)]} stopped"
    finally:
        for child in children:
            child.signal_group(signal.SIGCONT)


def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - no file that lies anywhere
        return stat.read().rpartition(")")[2].split()[0] == "T"


@fault("leader paused for 1 s", seconds=1)
def leader_paused_shortly(cluster: FaultyCluster) -> Iterator[Proof]:
    with _paused(cluster, cluster.wait_for_leader()) as proof:
        yield proof


@fault("leader paused for 5 s")
def leader_paused(cluster: FaultyCluster) -> Iterator[Proof]:
    with _paused(cluster, cluster.wait_for_leader()) as proof:
        yield proof


@fault("leader paused for 25 s", seconds=25)
def leader_paused_long(cluster: FaultyCluster) -> Iterator[Proof]:
    with _paused(cluster, cluster.wait_for_leader()) as proof:
        yield proof


@fault("Celery of the leader paused")
def celery_paused(cluster: FaultyCluster) -> Iterator[Proof]:
    with _paused(cluster, cluster.wait_for_leader(), RAFT) as proof:
        yield proof


def wait(seconds: float) -> None:
    time.sleep(seconds)
