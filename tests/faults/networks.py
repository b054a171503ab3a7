"""Links that are cut, lose, repeat and garble."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator

from .cluster import FaultyCluster
from .links import Rule
from .registry import Proof, again_and_again, fault, ruled

CUT: Rule = {"drop": 1.0}


@fault("leader alone")
def leader_alone(cluster: FaultyCluster) -> Iterator[Proof]:
    leader = cluster.wait_for_leader()
    with ruled(cluster, cluster.between([leader], cluster.node_ids), CUT) as proof:
        yield proof


@fault("follower alone")
def minority(cluster: FaultyCluster) -> Iterator[Proof]:
    some = random.sample(cluster.followers(), 1)
    with ruled(cluster, cluster.between(some, cluster.node_ids), CUT) as proof:
        yield proof


@fault("leader and another alone", nodes=5)
def minority_of_two(cluster: FaultyCluster) -> Iterator[Proof]:
    leader = cluster.wait_for_leader()
    some = [leader, random.choice(cluster.followers())]
    others = [each for each in cluster.node_ids if each not in some]
    with ruled(cluster, cluster.between(some, others), CUT) as proof:
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
    with ruled(cluster, far, CUT) as proof:
        yield proof


@fault("bridge", nodes=5)
def bridge(cluster: FaultyCluster) -> Iterator[Proof]:
    """Two halves reach each other through one node alone."""
    nodes = random.sample(cluster.node_ids, len(cluster.node_ids))
    middle = len(nodes) // 2
    pairs = cluster.between(nodes[:middle], nodes[middle + 1 :])
    with ruled(cluster, pairs, CUT) as proof:
        yield proof


@fault("leader is not heard")
def one_way_out(cluster: FaultyCluster) -> Iterator[Proof]:
    """What the leader sends is lost; it can be asked."""
    leader = cluster.wait_for_leader()
    with ruled(cluster, cluster.pairs([leader], cluster.node_ids), CUT) as proof:
        yield proof


@fault("leader cannot be asked")
def one_way_in(cluster: FaultyCluster) -> Iterator[Proof]:
    """What is sent to the leader is lost; its own messages arrive."""
    leader = cluster.wait_for_leader()
    with ruled(cluster, cluster.pairs(cluster.node_ids, [leader]), CUT) as proof:
        yield proof


@fault("leader does not reach itself", seconds=8)
def own_url(cluster: FaultyCluster) -> Iterator[Proof]:
    leader = cluster.wait_for_leader()
    with ruled(cluster, [(leader, leader)], {"reset": 1.0}) as proof:
        yield proof


@fault("single link")
def single_link(cluster: FaultyCluster) -> Iterator[Proof]:
    """The leader and one follower do not reach each other; the third reaches both."""
    leader = cluster.wait_for_leader()
    other = random.choice(cluster.followers())
    with ruled(cluster, cluster.between([leader], [other]), CUT) as proof:
        yield proof


@fault("no two nodes reach each other", seconds=14)
def all_cut(cluster: FaultyCluster) -> Iterator[Proof]:
    """For longer than a client has patience: what a leader has stored is committed afterwards."""
    with ruled(cluster, cluster.all_pairs(), CUT) as proof:
        yield proof


@fault("changing cuts", seconds=12)
def changing_cuts(cluster: FaultyCluster) -> Iterator[Proof]:
    """A third of all links, others every second."""
    total = [0]

    def cut(ends: threading.Event) -> None:
        pairs = random.sample(cluster.all_pairs(), len(cluster.all_pairs()) // 3)
        with cluster.links.ruled(pairs, CUT) as suffered:
            ends.wait(1)
            total[0] += suffered()

    with again_and_again(cut):
        yield lambda: f"{total[0]} requests suffered" if total[0] else ""


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
        with ruled(cluster, cluster.all_pairs(), rule) as proof:
            yield proof

    return hold


# urllib3 tells of headers that break off with a traceback, as a warning of its own.
for _name, _rule in EVILS_OF.items():
    fault(_name, seconds=8, excused="HeaderParsingError")(_evil(_rule))
