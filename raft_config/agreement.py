"""The leader compares once in a while what the nodes have applied: a difference is an alarm.

Every node keeps a hash of its values beside last_applied, and remembers it as of every 256th index.
Where two nodes know it of the same index, the hashes are equal, or one of the databases is broken.
Under a stream of writes that is the remembered one: nodes are seldom level when they are asked.

With etcd every node does so for itself: it asks for the hash that the one ahead has left there.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Final

from .asking import Answer, begin_asking, collect
from .conf import ETCD
from .node import Node, get_node

logger = logging.getLogger("raft_config")

COMPARED_SECONDS: Final = 30.0


class Comparison:
    """One per process. Nothing waits here: what was asked is looked at the next time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._before: dict[int, int] = {}
        self._under_way: dict[str, Future[Answer]] = {}

    def go_on(self) -> None:
        """As the one that compares: ask when it is time to, and conclude when all have answered."""
        node = get_node()
        with self._lock:
            if self._under_way:
                if all(each.done() for each in self._under_way.values()):
                    answers, self._under_way = collect(self._under_way, 0.0), {}
                    conclude(node, self._before, answers)
            elif time.monotonic() >= self._next_at:
                self._next_at = time.monotonic() + COMPARED_SECONDS
                if node.state.is_leader or ETCD in node.state.configuration.by_id:
                    self._before = hashes_of(node)
                    self._under_way = begin_asking(node)


def hashes_of(node: Node) -> dict[int, int]:
    """Of which indexes this node knows the hash of its values now."""
    return dict([node.storage.checked_hash(), node.storage.applied_hash()])


def conclude(node: Node, before: Mapping[int, int], answers: Mapping[str, Answer]) -> None:
    """Compare with what was known here before asking, and now; tell of each change of mind."""
    ours = {**before, **hashes_of(node)}
    known = node.journal.rings.disagreement()
    level = {
        node_id: all(ours[index] == theirs[index] for index in common)
        for node_id, theirs in _told(answers)
        if (common := {index for index in theirs.keys() & ours.keys() if index})
    }
    differing = sorted(node_id for node_id, is_equal in level.items() if not is_equal)
    if differing and known not in differing:
        facts = {"node": node.node_id, "peer": differing[0]}
        logger.critical("Node %s has applied something else", differing[0], extra=facts)
        node.journal.note("disagreement", subject=differing[0], term=node.state.current_term)
    elif known and level.get(known):
        node.journal.note("agreement", subject=known, term=node.state.current_term)


def _told(answers: Mapping[str, Answer]) -> Iterator[tuple[str, dict[int, int]]]:
    for node_id, answer in answers.items():
        if answer.facts is not None:
            yield node_id, answer.facts.hashes


comparison: Final = Comparison()
"""Of this process."""
