"""What an operator does to a cluster while it works and the network is bad."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.nodes import wait_for
from demo_site.processes import RAFT, WEB

from .cluster import FaultyCluster
from .links import Rule
from .registry import Proof, again_and_again, fault, ruled

NO_BROKER = "kombu|redis|Connection to broker lost"
"""What Celery says, with tracebacks of its own, while it has no broker."""

BAD: Rule = {"drop reply": 0.05, "reset": 0.05, "delay": 0.1}


@fault("leadership moved, under loss", seconds=2)
def leadership_moved(cluster: FaultyCluster) -> Iterator[Proof]:
    before = max(each.term for each in cluster.states().values())

    def moved() -> bool:
        follower = cluster.followers()[0]
        cluster.manage(cluster.wait_for_leader(), "raft_transfer", "--yes", follower)
        return max(each.term for each in cluster.states().values()) > before

    with ruled(cluster, cluster.all_pairs(), BAD):
        wait_for(moved, 120)
        now = max(each.term for each in cluster.states().values())
        yield lambda: f"from term {before} to term {now}"


@fault("snapshots, under loss", seconds=8)
def snapshots(cluster: FaultyCluster) -> Iterator[Proof]:
    """On every node in turn, while a node that lags may need one."""
    taken = [0]

    def take(ends: threading.Event) -> None:
        for node_id in cluster.node_ids:
            taken[0] += cluster.manage(node_id, "raft_snapshot", "--yes")
            if ends.is_set():
                return

    with ruled(cluster, cluster.all_pairs(), BAD), again_and_again(take):
        wait_for(lambda: taken[0] > 0)  # on a busy machine a command takes some seconds to begin
        yield lambda: f"{taken[0]} taken" if taken[0] else ""


@fault("node added and removed, under loss", seconds=1)
def member_added_and_removed(cluster: FaultyCluster) -> Iterator[Proof]:
    with ruled(cluster, cluster.all_pairs(), BAD):
        newcomer = cluster.grow()
        wait_for(lambda: _has_vote(cluster, newcomer), 90)
        yield lambda: f"{newcomer} was a voter"
        while not _removed(cluster, newcomer):
            pass
    cluster.forget(newcomer)


@fault("dead member replaced, under loss", seconds=1)
def member_replaced(cluster: FaultyCluster) -> Iterator[Proof]:
    """A machine is lost; it is removed, and another one joins under its name."""
    with ruled(cluster, cluster.all_pairs(), BAD):
        lost = random.choice(cluster.followers())
        cluster.kill(lost)
        wait_for(lambda: _removed(cluster, lost), 90)
        cluster.renew(lost)
        wait_for(lambda: _has_vote(cluster, lost), 90)
        yield lambda: f"{lost} is a voter with another database"


def _removed(cluster: FaultyCluster, node_id: str) -> bool:
    return cluster.manage(cluster.wait_for_leader(), "raft_members", "remove", "--yes", node_id)


@fault("broker gone and back", seconds=8, broker=True, excused=NO_BROKER)
def broker_back(cluster: FaultyCluster) -> Iterator[Proof]:
    """No ticks come to any node; whoever leads is deposed by nobody, and beats no heart."""
    broker = cluster.broker
    assert broker is not None
    broker.stop()
    try:
        yield lambda: "" if broker.answers() else f"nobody listens on port {broker.port}"
    finally:
        broker.start()


def _has_vote(cluster: FaultyCluster, node_id: str) -> bool:
    query = f"select voter from raft_config_member where node_id = '{node_id}'"  # noqa: S608
    return [bool(row[0]) for row in cluster.rows(cluster.wait_for_leader(), query)] == [True]


@fault("rolling restart, under delays", seconds=1)
def rolling_restart(cluster: FaultyCluster) -> Iterator[Proof]:
    """As a deploy does: node after node, first what drives it, then its web server."""
    before = {child.pid for node_id in cluster.node_ids for child in cluster.of(node_id)}
    with ruled(cluster, cluster.all_pairs(), {"delay": 0.2}):
        _restart_all(cluster)
        now = {child.pid for node_id in cluster.node_ids for child in cluster.of(node_id)}
        yield lambda: f"{len(now - before)} processes are new" if not now & before else ""


def _restart_all(cluster: FaultyCluster) -> None:
    for node_id in cluster.node_ids:
        cluster.stop(node_id, RAFT)
        cluster.stop(node_id, WEB)
        cluster.start(node_id)
        wait_for(lambda node_id=node_id: cluster.answers(node_id), 60)
        wait_for(lambda: cluster.leader() is not None, 60)


@fault("secret changed, node after node", seconds=1)
def secret_changed(cluster: FaultyCluster) -> Iterator[Proof]:
    """First all verify the new one too, then all sign with it, then none knows the old one."""
    old = cluster.cluster.environment(cluster.cluster.nodes[0])["SECRETS"]
    new = secrets.token_urlsafe(48)
    cluster.secrets.append(new)
    for both in (f"{old} {new}", f"{new} {old}", new):
        cluster.cluster = replace(cluster.cluster, secrets=dict.fromkeys(cluster.node_ids, both))
        _restart_all(cluster)
    yield lambda: "3 times 3 restarts"
