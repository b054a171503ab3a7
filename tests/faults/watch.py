"""Looks into all databases many times a second, and remembers what must never happen."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from typing_extensions import Self

from .cluster import FaultyCluster, State, leader_in

LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Look:
    """What stood in the databases at an instant."""

    at: float
    states: dict[str, State]


class Watch:
    """The looks of a run. A term has one leader, and a node gives it one vote."""

    def __init__(self, cluster: FaultyCluster) -> None:
        self.looks: list[Look] = []
        self.violations: list[str] = []
        self._cluster = cluster
        self._leaders: dict[int, str] = {}
        self._votes: dict[tuple[str, int], str] = {}
        self._terms: dict[str, int] = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ends.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> Look:
        """Look now."""
        states = self._cluster.states()
        look = Look(time.monotonic(), states)
        self.looks.append(look)
        for node_id, state in states.items():
            self._check(node_id, state)
        return look

    def _check(self, node_id: str, state: State) -> None:
        life = f"{node_id} {self._cluster.lives[node_id]}"
        if state.term < self._terms.get(life, 0):
            self._violate(f"{node_id} fell back to term {state.term}")
        self._terms[life] = state.term
        if state.role == "leader":
            first = self._leaders.setdefault(state.term, node_id)
            if first != node_id:
                self._violate(f"{first} and {node_id} both led term {state.term}")
        if state.voted_for:
            vote = self._votes.setdefault((life, state.term), state.voted_for)
            if vote != state.voted_for:
                self._violate(f"{node_id} voted for two nodes in term {state.term}")
        if not state.last_applied <= state.commit_index <= state.last_log_index:
            self._violate(f"{node_id} has its indexes out of order: {state}")

    def _violate(self, text: str) -> None:
        if text not in self.violations:
            self.violations.append(text)

    def new_leader_after(self, instant: float) -> float | None:
        """Seconds until somebody led a higher term than any leader before; None: nobody did."""
        before = [each for each in self.looks if each.at < instant]
        led = max((_led(each) for each in before), default=0)
        for each in self.looks:
            if each.at >= instant and _led(each) > led:
                return each.at - instant
        return None

    def caught_up_after(self, instant: float) -> float | None:
        """Seconds until all nodes had applied what was committed anywhere at that instant."""
        at_once = next((each for each in self.looks if each.at >= instant), None)
        if at_once is None:
            return None
        target = max((each.commit_index for each in at_once.states.values()), default=0)
        for look in self.looks:
            applied = [each.last_applied for each in look.states.values()]
            is_whole = len(applied) == len(self._cluster.node_ids)
            if look.at >= instant and is_whole and min(applied) >= target:
                return look.at - instant
        return None


def _led(look: Look) -> int:
    leader = leader_in(look.states)
    return look.states[leader].term if leader else 0
