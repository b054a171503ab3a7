"""Processes that are killed, stopped for a while, or one too many."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from demo_site import processes
from demo_site.processes import RAFT, ROOT, WEB

from .cluster import FaultyCluster
from .networks import CUT
from .registry import Proof, again_and_again, fault, ruled


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
    gone = []

    def kill(ends: threading.Event) -> None:
        ends.wait(0.7)
        workers = cluster.workers(random.choice(cluster.node_ids))
        if workers:
            gone.append(random.choice(workers))
            os.kill(gone[-1], signal.SIGKILL)

    with again_and_again(kill):
        yield lambda: f"{len(gone)} workers killed" if gone else ""


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


@fault("web server of the leader hangs", seconds=12)
def web_hangs(cluster: FaultyCluster) -> Iterator[Proof]:
    """Connections are accepted, and nothing is answered: another node has to lead."""
    with _paused(cluster, cluster.wait_for_leader(), WEB) as proof:
        yield proof


@fault("crowd at the leader", seconds=10)
def crowd(cluster: FaultyCluster) -> Iterator[Proof]:
    """So many write through the leader that its own ping has to wait; it must not step down."""
    leader = cluster.wait_for_leader()
    url = f"{cluster.cluster.node(leader).site_url}api/settings/SHOP_NAME/"
    begun_in = cluster.states()[leader].term
    command = [sys.executable, "-m", "tests.faults.crowd", url]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writers:

        def proof() -> str:
            told, _ = writers.communicate("", timeout=60)
            statuses = json.loads(told)
            term = cluster.states()[leader].term
            counts = f"{sum(statuses.values())} answered, {statuses.get('200', 0)} with 200"
            return f"{counts}; from term {begun_in} to {term}" if statuses.get("200") else ""

        try:
            assert writers.stdout
            writers.stdout.readline()  # they are at work
            yield proof
        finally:
            writers.kill()


@fault("leader alone, and without ticks", seconds=10)
def leader_asleep(cluster: FaultyCluster) -> Iterator[Proof]:
    """It cannot learn that it is deposed, nor that time passes; its web server goes on."""
    leader = cluster.wait_for_leader()
    pairs = cluster.between([leader], cluster.node_ids)
    with ruled(cluster, pairs, CUT) as proof, _paused(cluster, leader, RAFT):
        yield proof


@fault("slow ticks", seconds=10)
def slow_ticks(cluster: FaultyCluster) -> Iterator[Proof]:
    """Every node's Celery stands still for most of the time."""
    times = [0]

    def stutter(ends: threading.Event) -> None:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for node_id in cluster.node_ids:
                for child in cluster.of(node_id, RAFT):
                    child.signal_group(number)
            ends.wait(1.0 if number == signal.SIGSTOP else 0.3)
        times[0] += 1

    with again_and_again(stutter):
        yield lambda: f"stood still {times[0]} times" if times[0] else ""


@fault("doubled beat", seconds=10)
def doubled_beat(cluster: FaultyCluster) -> Iterator[Proof]:
    """A second worker with a beat of its own on every node."""
    doubles = [
        processes.start(cluster.cluster, cluster.cluster.node(node_id), RAFT)
        for node_id in cluster.node_ids
    ]
    try:
        yield lambda: f"pids {[each.pid for each in doubles if each.running]} are twins"
    finally:
        for each in doubles:
            each.signal_group(signal.SIGKILL)
            each.process.wait()
