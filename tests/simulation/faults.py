"""What is done to the world, and what its operators do, at random moments.

Faults stay within what Raft promises to survive: any number of crashes and partitions, but a
database is only wiped when the others know by which incarnation to refuse it, and never more of
them at a time than a minority.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from raft_config.core.effects import Accepted
from raft_config.core.events import (
    AddLearner,
    AllowLeadership,
    ChangeAddress,
    Drain,
    Event,
    Promote,
    Remove,
    TakeSnapshot,
    TransferLeadership,
)

from .world import SimNode, World

MAX_NODES = 7


class Faults:
    """Draws a fault at intervals; each has a name, under which it is counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wiped: set[str] = set()
        self._kinds: list[Callable[[], str]] = [
            self._power_cut,
            self._power_cut,
            self._kill,
            self._isolate_one,
            self._isolate_leader,
            self._split,
            self._cut_one_way,
            self._bridge,
            self._ring,
            self._heal,
            self._heal,
            self._pause,
            self._drain,
            self._transfer,
            self._snapshot,
        ]
        if world.knobs.clock_faults:
            self._kinds += [self._jump_clock, self._drift_clock]
        if world.knobs.membership_changes:
            self._kinds += [self._add, self._add, self._remove, self._promote, self._move]
        if world.knobs.wipes:
            self._kinds += [self._wipe] * 5
        # Dice of their own: these draws shift no other fault of the seed.
        self._drain_dice = random.Random(f"drains of {world.seed}")
        self._plan_next()

    def _plan_next(self) -> None:
        mean = self.world.knobs.fault_interval_seconds
        self.world.schedule(self.world.rng.expovariate(1 / mean), self._strike, None)

    def _strike(self, _: object) -> None:
        if self.world.is_calm:
            return
        name = self.world.rng.choice(self._kinds)()
        if name:
            self.world.counts[name] += 1
            self.world.note(name)
        self._plan_next()

    def _any_node(self) -> SimNode:
        return self.world.rng.choice(list(self.world.nodes.values()))

    # -- machines

    def _power_cut(self) -> str:
        sim = self._any_node()
        if sim.is_up:
            self.world.power_cut(sim)
        return ""

    def _kill(self) -> str:
        """A process dies; what the database was told, durably or not, stays."""
        sim = self._any_node()
        if not sim.is_up:
            return ""
        survivors = self.world.rng.choice((1 << 30, self.world.rng.randrange(8)))
        self.world.power_cut(sim, surviving=survivors)
        return "kills"

    def _pause(self) -> str:
        self._any_node().paused_until = self.world.now + self.world.rng.uniform(0.2, 6.0)
        return "pauses"

    def _jump_clock(self) -> str:
        self._any_node().clock_offset += self.world.rng.choice((-3600.0, -2.0, 2.0, 3600.0))
        return "clock jumps"

    def _drift_clock(self) -> str:
        sim = self._any_node()
        shown = sim.now
        sim.clock_rate = self.world.rng.uniform(0.5, 1.5)
        sim.clock_offset = shown - self.world.now * sim.clock_rate
        return "clock drifts"

    def _wipe(self) -> str:
        """A machine comes back with an empty database and its old id."""
        world, leader = self.world, self.world.leader()
        if leader is None or not _is_settled(world, leader):
            return ""
        sim = self._any_node()
        voters = leader.node.state.configuration.voters
        if sim.node_id not in voters or 2 * (len(self.wiped) + 1) >= len(voters):
            return ""
        if not all(_knows(each, sim) for each in world.nodes.values() if each is not sim):
            return ""
        self.wiped.add(sim.node_id)
        world.start_node(sim.node_id, world.first_ids, life=sim.life + 1)
        world.schedule(world.rng.uniform(1, 5), self._replace, sim.node_id)
        return "wipes"

    def _replace(self, node_id: str) -> None:
        """The operator's remedy for a wiped node: remove it, then add it again."""
        sim, leader = self.world.nodes[node_id], self.world.leader()
        if leader is not None and node_id in self.wiped:
            member = leader.node.state.configuration.by_id.get(node_id)
            incarnation = sim.node.state.incarnation
            if member is None:
                self._operate(leader, AddLearner(node_id, incarnation=incarnation))
            elif member.incarnation != incarnation:
                self._operate(leader, Remove(node_id))
            elif leader.node.state.configuration.index <= leader.node.state.commit_index:
                self.wiped.discard(node_id)
                self.world.counts["replaced"] += 1
                return
        self.world.schedule(1.0, self._replace, node_id)

    # -- links

    def _cut(self, senders: list[str], receivers: list[str]) -> None:
        self.world.cut_links.update(
            (one, other) for one in senders for other in receivers if one != other
        )

    def _separate(self, group: list[str]) -> None:
        others = [node_id for node_id in self.world.nodes if node_id not in group]
        self._cut(group, others)
        self._cut(others, group)

    def _isolate_one(self) -> str:
        self._separate([self._any_node().node_id])
        return "isolations"

    def _isolate_leader(self) -> str:
        leader = self.world.leader()
        if leader is None:
            return ""
        self._separate([leader.node_id])
        return "leader isolations"

    def _split(self) -> str:
        node_ids = list(self.world.nodes)
        self.world.rng.shuffle(node_ids)
        self._separate(node_ids[: self.world.rng.randint(1, max(1, len(node_ids) - 1))])
        return "splits"

    def _cut_one_way(self) -> str:
        sim = self._any_node()
        others = [node_id for node_id in self.world.nodes if self.world.rng.random() < 0.7]
        if self.world.rng.random() < 0.5:
            self._cut([sim.node_id], others)
        else:
            self._cut(others, [sim.node_id])
        return "one-way cuts"

    def _bridge(self) -> str:
        """Two halves that hear each other only through one node."""
        node_ids = list(self.world.nodes)
        self.world.rng.shuffle(node_ids)
        middle = len(node_ids) // 2
        self._cut(node_ids[:middle], node_ids[middle + 1 :])
        self._cut(node_ids[middle + 1 :], node_ids[:middle])
        return "bridges"

    def _ring(self) -> str:
        """Each node reaches only its two neighbours."""
        node_ids = list(self.world.nodes)
        self.world.rng.shuffle(node_ids)
        count = len(node_ids)
        for place, node_id in enumerate(node_ids):
            near = {node_ids[(place + 1) % count], node_ids[(place - 1) % count]}
            self._cut([node_id], [other for other in node_ids if other not in near])
        return "rings"

    def _heal(self) -> str:
        self.world.cut_links.clear()
        return "heals"

    # -- operators

    def _operate(self, sim: SimNode, event: Event) -> bool:
        if not sim.is_up or self.world.now < sim.paused_until:
            return False
        effects = self.world.handle(sim, event)
        return any(isinstance(effect, Accepted) for effect in effects)

    def _change(self, event: Event) -> str:
        """Ask whoever believes to lead; only accepted changes count."""
        leaders = [sim for sim in self.world.nodes.values() if sim.node.is_leader]
        if leaders and self._operate(self.world.rng.choice(leaders), event):
            return "membership changes"
        return ""

    def _add(self) -> str:
        leader = self.world.leader()
        if leader is None:
            return ""
        configuration = leader.node.state.configuration
        absent = [each for each in self.world.nodes if each not in configuration.by_id]
        if absent:
            node_id = self.world.rng.choice(absent)
        elif len(self.world.nodes) < MAX_NODES:
            node_id = chr(ord("a") + len(self.world.nodes))
            self.world.start_node(node_id, [])
        else:
            return ""
        return self._change(AddLearner(node_id, promote=self.world.rng.random() < 0.7))

    def _remove(self) -> str:
        leader = self.world.leader()
        if leader is None or len(leader.node.state.configuration.voters) <= 2:
            return ""
        members = list(leader.node.state.configuration.by_id)
        if self.wiped:  # taking a voter away as well could leave no majority
            return ""
        if self.world.rng.random() < 0.3:
            return self._change(Remove(leader.node_id))
        return self._change(Remove(self.world.rng.choice(members)))

    def _promote(self) -> str:
        return self._change(Promote(self._any_node().node_id))

    def _move(self) -> str:
        address = f"http://{self.world.rng.randrange(100)}.test"
        return self._change(ChangeAddress(self._any_node().node_id, address))

    def _drain(self) -> str:
        """Give a node a reason not to lead, or end one: the one must never undo the other."""
        sim, dice = self._any_node(), self._drain_dice
        state = sim.node.state
        is_drained, is_unreachable = state.drained, not state.may_lead
        concerns_drain = dice.random() < 0.5
        if is_drained != is_unreachable and dice.random() < 0.8:  # mostly the one there is
            concerns_drain = is_drained
        if concerns_drain:
            self._operate(sim, Drain(drained=not is_drained))
            return "drains"
        self._operate(sim, AllowLeadership(allowed=is_unreachable))
        return "unreachable"

    def _transfer(self) -> str:
        leader = self.world.leader()
        if leader is None:
            return ""
        self._operate(leader, TransferLeadership(self._any_node().node_id))
        return "transfers"

    def _snapshot(self) -> str:
        self._operate(self._any_node(), TakeSnapshot())
        return "snapshots asked"


def _is_settled(world: World, leader: SimNode) -> bool:
    """Whether nobody is in the middle of a change of members."""
    latest = leader.node.state.configuration
    return latest.index <= leader.node.state.commit_index and all(
        world.nodes[node_id].node.state.configuration == latest for node_id in latest.by_id
    )


def _knows(sim: SimNode, other: SimNode) -> bool:
    """Whether `sim` would tell this life of `other` from the next one, in all it might go by."""
    state = sim.node.state
    for configuration in (state.configuration, state.previous_configuration):
        member = configuration.by_id.get(other.node_id)
        if member is not None and member.incarnation == "":
            return False
    return True
