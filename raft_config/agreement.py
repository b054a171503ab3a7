"""The leader compares once in a while what the nodes have applied: a difference is an alarm.

Every node keeps a hash of its values beside last_applied. Where two nodes have applied exactly as
much, the hashes are equal, or one of the databases is broken. Under a stream of writes the nodes
are seldom level at the instant of asking; then nothing is concluded, and it is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from typing import Final

from .node import Node, get_node
from .picture import Answer, begin_asking, collect

logger = logging.getLogger("raft_config")

COMPARED_SECONDS: Final = 30.0


class Comparison:
    """One per process. Nothing waits here: what was asked is looked at the next time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_at = 0.0
        self._before = (0, 0)
        self._under_way: dict[str, Future[Answer]] = {}

    def go_on(self) -> None:
        """As leader: ask when it is time to, and conclude when all have answered."""
        node = get_node()
        with self._lock:
            if self._under_way:
                if all(each.done() for each in self._under_way.values()):
                    answers, self._under_way = collect(self._under_way, 0.0), {}
                    conclude(node, self._before, answers)
            elif time.monotonic() >= self._next_at:
                self._next_at = time.monotonic() + COMPARED_SECONDS
                if node.state.is_leader:
                    self._before = node.storage.applied_hash()
                    self._under_way = begin_asking(node)


def conclude(node: Node, before: tuple[int, int], answers: dict[str, Answer]) -> None:
    """Compare with what was applied here before asking, and now; tell of each change of mind."""
    ours = dict([before, node.storage.applied_hash()])
    known = node.journal.rings.disagreement()
    level = {
        node_id: answer.facts.values_hash == ours[answer.facts.last_applied]
        for node_id, answer in answers.items()
        if answer.facts is not None and answer.facts.last_applied in ours
    }
    differing = sorted(node_id for node_id, is_equal in level.items() if not is_equal)
    if differing and known not in differing:
        facts = {"node": node.node_id, "peer": differing[0]}
        logger.critical("Node %s has applied something else", differing[0], extra=facts)
        node.journal.note("disagreement", subject=differing[0], term=node.state.current_term)
    elif known and level.get(known):
        node.journal.note("agreement", subject=known, term=node.state.current_term)


comparison: Final = Comparison()
"""Of this process."""
