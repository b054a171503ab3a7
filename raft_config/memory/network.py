"""A network in memory, with a clock of its own: time passes when `run` is called.

Messages arrive in order after a fixed delay, unless a link is cut. For a network that misbehaves
in every other way, see the simulator in the tests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ..core.effects import Accepted
from ..core.messages import Envelope
from ..exceptions import UnavailableError
from .node import MemoryNode


class MemoryNetwork:
    """Nodes find each other here by their ids. Times are in seconds."""

    def __init__(
        self, *, delay_seconds: float = 0.001, tick_interval_seconds: float = 0.05
    ) -> None:
        self.now = 0.0
        self.nodes: dict[str, MemoryNode] = {}
        self.delay_seconds = delay_seconds
        self.tick_interval_seconds = tick_interval_seconds
        self._cut: set[frozenset[str]] = set()
        self._under_way: deque[tuple[float, Envelope]] = deque()

    def add(self, node: MemoryNode) -> MemoryNode:
        """Let the others reach this node, and its clock tick."""
        self.nodes[node.node_id] = node
        return node

    def cut(self, *node_ids: str) -> None:
        """Separate these nodes from all others, until `heal`."""
        others = self.nodes.keys() - set(node_ids)
        self._cut.update(frozenset((one, other)) for one in node_ids for other in others)

    def heal(self) -> None:
        """Mend every link."""
        self._cut.clear()

    def is_connected(self, one: str, other: str) -> bool:
        """Whether a message from one to the other would arrive."""
        return other in self.nodes and frozenset((one, other)) not in self._cut

    def send(self, envelope: Envelope) -> None:
        """Let the message arrive after the delay."""
        self._under_way.append((self.now + self.delay_seconds, envelope))

    def forward(self, sender: str, leader_id: str, commands: tuple[bytes, ...]) -> Accepted:
        """Propose at the leader at once. Raises ProposalError."""
        if not self.is_connected(sender, leader_id):
            raise UnavailableError(
                f"Node {leader_id} leads, but cannot be reached; try again later."
            )
        return self.nodes[leader_id].accept(commands)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        self.run_until(lambda: self.now >= end, at_most_seconds=seconds + 1)

    def run_until(self, condition: Callable[[], bool], *, at_most_seconds: float = 60.0) -> None:
        """Let time pass until the condition holds. Raises TimeoutError."""
        end = self.now + at_most_seconds
        next_tick = self.now
        while not condition():
            if self.now > end:
                raise TimeoutError(f"Not so within {at_most_seconds} s.")
            if self._under_way and self._under_way[0][0] <= next_tick:
                self.now, envelope = self._under_way.popleft()
                if self.is_connected(envelope.sender, envelope.recipient):
                    self.nodes[envelope.recipient].receive(envelope)
                continue
            self.now = next_tick
            next_tick += self.tick_interval_seconds
            for node in list(self.nodes.values()):
                node.tick()
