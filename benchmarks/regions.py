"""Writes and failover when the voters are far apart: on paper, and the real core in simulated time.

Links take so long one way; what a node computes takes nothing, so add to each write what it takes
on one machine (`benchmarks.writes`).

    write at the leader     2 d         to the peers and back: the nearer majority decides
    write at a follower     4 d         to the leader, there 2 d, and the news of the commit
    failover                T + T/n - H/2 + d + 6 d
        T, H: election timeout and heartbeat interval; the first of n - 1 followers whose wait, once
        to twice T, is over; then pre-vote, vote, and the commit of the new term's first entry
"""

from __future__ import annotations

import heapq
import random
import statistics
from itertools import count

from raft_config.core import RaftSettings
from raft_config.core.events import Propose
from raft_config.core.messages import Envelope
from raft_config.memory import MemoryNode
from raft_config.state_machine import Command, encode_command

LINKS_SECONDS = (0.001, 0.020, 0.080, 0.200)
VOTERS = (3, 5, 7)
RUNS = 200


class World:
    """Nodes with links between them, in simulated time; `see` is called after each event."""

    def __init__(
        self, voters: int, link_seconds: float, settings: RaftSettings, dice: random.Random
    ) -> None:
        self.now = 0.0
        self.link_seconds = link_seconds
        self.events: list[tuple[float, int, str, Envelope | None]] = []
        self.number = count()
        names = [f"n{place}" for place in range(voters)]
        self.nodes = {
            name: MemoryNode(
                name,
                self,
                members=names,
                settings=settings,
                incarnation=f"life of {name}",
                jitter=dice.random,
            )
            for name in names
        }
        for name in names:
            self._plan(self.nodes[name].tick(), name, None)

    def send(self, envelope: Envelope) -> None:
        self._plan(self.now + self.link_seconds, envelope.recipient, envelope)

    def _plan(self, at: float, name: str, envelope: Envelope | None) -> None:
        heapq.heappush(self.events, (at, next(self.number), name, envelope))

    def step(self) -> None:
        """Let the next thing happen."""
        self.now, _, name, envelope = heapq.heappop(self.events)
        node = self.nodes.get(name)
        if node is None:
            return
        if envelope is not None:
            node.receive(envelope)
        else:
            self._plan(max(node.tick(), self.now + 0.001), name, None)

    def leader(self) -> MemoryNode:
        """Who leads and has committed something of its term."""
        while True:
            for node in self.nodes.values():
                role = node.state.role
                if node.is_leader and node.state.commit_index >= getattr(role, "first_index", 0):
                    return node
            self.step()

    def write(self, leader: MemoryNode) -> tuple[float, float]:
        """Seconds until the leader, and one that passed the change on to it, have applied it."""
        begun_at = self.now
        leader.handle(Propose((encode_command(Command(f"{self.now}", {"A": "1"})),)))
        index = leader.state.last_log_index
        follower = next(each for each in self.nodes.values() if each is not leader)
        times = {}
        while len(times) < 2:  # noqa: PLR2004 - both of them
            for node in (leader, follower):
                if node.state.last_applied >= index:
                    times.setdefault(node.node_id, self.now - begun_at)
            self.step()
        return times[leader.node_id], self.link_seconds + times[follower.node_id]

    def failover(self, leader: MemoryNode) -> float:
        """Seconds from the leader's end until another one has committed its first entry."""
        begun_at = self.now
        del self.nodes[leader.node_id]
        self.leader()
        return self.now - begun_at


def settings_for(link: float) -> RaftSettings:
    """The defaults, while ten links fit into an election timeout; else longer waits."""
    timeout = max(0.8, 10 * link)
    return RaftSettings(
        election_timeout_seconds=timeout,
        heartbeat_interval_seconds=timeout / 4,
        append_retry_seconds=max(0.5, 5 * link),
    )


def main() -> None:
    """Print model and simulation for each distance and number of voters."""
    dice = random.Random(1)  # noqa: S311 - to be repeated
    print("model / simulated, in milliseconds")
    print("| one way | T | voters | write, leader | write, follower | failover, median |")
    print("|---|---|---|---|---|---|")
    for link in LINKS_SECONDS:
        settings = settings_for(link)
        timeout, beat = settings.election_timeout_seconds, settings.heartbeat_interval_seconds
        for voters in VOTERS:
            found = [simulated(World(voters, link, settings, dice), dice) for _ in range(RUNS)]
            models = (2 * link, 4 * link, timeout + timeout / voters - beat / 2 + 7 * link)
            cells = (
                f"{1000 * model:.0f} / {1000 * statistics.median(column):.0f}"
                for model, column in zip(models, zip(*found, strict=True), strict=True)
            )
            row = (f"{1000 * link:.0f}", f"{1000 * timeout:.0f}", str(voters), *cells)
            print(f"| {' | '.join(row)} |")


def simulated(world: World, dice: random.Random) -> tuple[float, float, float]:
    """A write at the leader, one at a follower, and a failover, in one life of a cluster."""
    world.leader()
    settled_at = world.now + 5 + dice.random()  # the end comes at any moment between two beats
    while world.now < settled_at:
        world.step()
    leader = world.leader()
    return *world.write(leader), world.failover(leader)


if __name__ == "__main__":
    main()
