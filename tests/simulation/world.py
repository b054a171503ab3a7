"""A seeded, single-threaded world: nodes, a network, clocks and disks that all misbehave.

Everything that happens is an event in one queue, ordered by simulated time; nothing else decides,
so a seed is a whole history. A step is one event taken from the queue: a message delivered, a
tick, a client's act, a fault. The nodes are the real ones of `raft_config.memory`.
"""

from __future__ import annotations

import heapq
import random
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from raft_config.core.effects import Accepted, Compact, Effect, RoleChanged, StoreChunk
from raft_config.core.events import AllowLeadership, Drain, Event, Propose, Receive, Tick
from raft_config.core.messages import Envelope
from raft_config.core.raft import next_deadline
from raft_config.core.state import NodeState
from raft_config.firing import Firing
from raft_config.memory import MemoryNode, MemoryStateMachine, MemoryStorage
from raft_config.state_machine import Answer

from .invariants import Invariants, require
from .knobs import Knobs, draw_knobs

TRACE_LENGTH = 40


class CrashError(Exception):
    """The node's power was cut in the middle of a step."""


class SimMachine(MemoryStateMachine):
    """The settings, and the index of the last entry applied to them: none may come twice."""

    last_index = 0

    def apply(self, index: int, command: bytes) -> Answer:
        require(index > self.last_index, "An entry was applied twice", index, self.last_index)
        self.last_index = index
        return super().apply(index, command)

    def snapshot(self) -> bytes:
        return b"%d " % self.last_index + super().snapshot()

    def restore(self, data: bytes) -> None:
        last_index, _, content = data.partition(b" ")
        self.last_index = int(last_index or b"0")
        super().restore(content)


class SimStorage(MemoryStorage):
    """Storage whose machine can lose its power just after a save, before anything is sent."""

    crashes_after_save = False
    last_effects: Sequence[Effect] = ()
    send_early: Callable[[Sequence[Effect]], None]
    """For a planted bug only."""

    def save(self, before: NodeState, after: NodeState, effects: Sequence[Effect]) -> None:
        super().save(before, after, effects)
        if self.crashes_after_save:
            self.crashes_after_save = False
            self.last_effects = effects
            raise CrashError


class SimNode:
    """A node with its machine: a clock, a disk, a power switch. Serves as the node's network."""

    def __init__(self, world: World, node_id: str, members: Iterable[str], life: int) -> None:
        self.world = world
        self.node_id = node_id
        self.life = life
        self.is_up = True
        self.boots = world.steps
        """Another number after each start: what waited in the process before is gone."""
        self.paused_until = 0.0
        self.clock_rate = 1.0
        self.clock_offset = 0.0
        self.node = MemoryNode(
            node_id,
            self,
            members=list(members),
            settings=world.knobs.settings,
            machine=SimMachine(),
            incarnation=f"{node_id}/{life}",
            jitter=world.rng.random,
        )
        self.storage = SimStorage(self.node.state, self.node.storage.machine)
        self.node.storage = self.storage
        self.storage.send_early = self.node._send
        self.start_firing()

    def start_firing(self) -> None:
        """A new process knows nothing of what the one before has proposed."""
        self.firing = Firing(
            self._due_times, at_once=self.world.knobs.settings.max_uncommitted_entries
        )

    def _due_times(self, limit: int) -> list[tuple[float, int]]:
        scheduled = self.node.storage.machine.scheduled.values()  # type: ignore[attr-defined]
        return sorted((each.apply_at, each.schedule_id) for each in scheduled)[:limit]

    @property
    def overdue(self) -> bool:
        """Whether a scheduled change should have been made by now."""
        return any(apply_at <= self.now for apply_at, _ in self._due_times(1))

    @property
    def now(self) -> float:
        """What this machine's clock shows."""
        return self.world.now * self.clock_rate + self.clock_offset

    def send(self, envelope: Envelope) -> None:
        """Give a message to the network; it must say no more than what is on disk."""
        self.world.invariants.check_sent(self.node, envelope)
        self.world.carry(envelope)

    def forward(self, sender: str, leader_id: str, commands: tuple[bytes, ...]) -> Any:
        """Clients are forwarded by the world, which can lose them on the way."""
        raise NotImplementedError


class World:
    """All nodes of one seed, and the queue of what will happen to them."""

    def __init__(self, seed: int, node_count: int, *, schedules: bool | None = None) -> None:
        self.rng = random.Random(seed)
        self.seed = seed
        # Dice of their own: without scheduled changes, a seed's history is what it always was.
        self.schedule_rng = random.Random(-1 - seed)
        drawn = self.schedule_rng.random() < 0.5
        self.has_schedules = drawn if schedules is None else schedules
        self.knobs: Knobs = draw_knobs(self.rng)
        self.now = 0.0
        self.steps = 0
        self.trace_hash = 0
        self.trace: deque[tuple[Any, ...]] = deque(maxlen=TRACE_LENGTH)
        self.counts: Counter[str] = Counter()
        self.invariants = Invariants()
        self.is_calm = False
        self.cut_links: set[tuple[str, str]] = set()
        self.after_step: list[Callable[[SimNode, Sequence[Effect]], None]] = []
        self._queue: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._sequence = 0
        self.first_applied: dict[int, int] = {}
        """The step after which some node had applied an entry, by index."""
        self.nodes: dict[str, SimNode] = {}
        self.first_ids = [chr(ord("a") + number) for number in range(node_count)]
        for node_id in self.first_ids:
            self.start_node(node_id, self.first_ids)

    # -- the queue

    def schedule(self, delay: float, act: Callable[[Any], None], argument: Any) -> None:
        """Let something happen `delay` seconds from now."""
        self._sequence += 1
        heapq.heappush(self._queue, (self.now + delay, self._sequence, act, argument))

    def run_step(self) -> None:
        """Let the next thing happen."""
        self.now, _, act, argument = heapq.heappop(self._queue)
        self.steps += 1
        act(argument)

    def note(self, *what: Any) -> None:
        """Put a line into the trace, and into its hash."""
        self.trace.append((self.now, *what))
        self.trace_hash = zlib.crc32(repr(what).encode(), self.trace_hash)

    # -- nodes

    def start_node(self, node_id: str, members: Iterable[str], life: int = 1) -> SimNode:
        """Switch on a machine with an empty database."""
        sim = SimNode(self, node_id, members, life)
        self.nodes[node_id] = sim
        self.invariants.add_node(sim.node)
        self.schedule(self.rng.random() * 0.1, self._tick, sim)
        return sim

    def is_current(self, sim: SimNode) -> bool:
        """Whether the machine still has this database; a wiped one is another `SimNode`."""
        return self.nodes[sim.node_id] is sim

    @property
    def disks(self) -> dict[str, MemoryNode]:
        """Every node that ever was, up or down: its disk counts."""
        return {node_id: sim.node for node_id, sim in self.nodes.items()}

    def handle(self, sim: SimNode, event: Event) -> list[Effect]:
        """Step one node, perhaps cutting its power in the middle, and check the world."""
        before = sim.node.state
        if not self.is_calm and self.rng.random() < self.knobs.crash_in_step:
            if self.rng.random() < 0.5:  # before the save: the step leaves nothing behind
                self.power_cut(sim)
                return []
            sim.storage.crashes_after_save = True
        try:
            effects = sim.node.handle(event)
        except CrashError:
            self._check(sim, event, before, sim.storage.last_effects)
            self.power_cut(sim)
            return []
        self._check(sim, event, before, effects)
        return effects

    def _check(
        self, sim: SimNode, event: Event, before: NodeState, effects: Sequence[Effect]
    ) -> None:
        state = sim.node.state
        self.trace_hash = zlib.crc32(
            b"%d %d %d %d"
            % (self.steps, state.current_term, state.last_log_index, state.commit_index),
            self.trace_hash,
        )
        self.trace.append((self.now, sim.node_id, event, state))
        self.invariants.check(sim.node, event, before, effects, self.disks)
        for index in range(before.last_applied + 1, state.last_applied + 1):
            self.first_applied.setdefault(index, self.steps)
        for effect in effects:
            if isinstance(effect, RoleChanged) and effect.role == "leader":
                self.counts["elections"] += 1
            elif isinstance(effect, (Compact, StoreChunk)):
                self.counts[type(effect).__name__] += 1
        for observe in self.after_step:
            observe(sim, effects)

    def power_cut(self, sim: SimNode, *, surviving: int = 0) -> None:
        """Switch a machine off; relaxed saves are lost. It comes back after a while."""
        before = sim.node.state
        sim.storage.crash(surviving=surviving)
        self.invariants.check_crash(before, sim.node.state)
        sim.is_up = False
        sim.boots = self.steps
        sim.start_firing()
        self.counts["power cuts"] += 1
        self.note(sim.node_id, "power cut")
        self.schedule(self.rng.uniform(0.05, 5.0), self.switch_on, sim)

    def allow_leadership(self, sim: SimNode) -> None:
        """End whatever keeps it from leading."""
        if sim.is_up and not sim.node.state.may_lead:
            self.handle(sim, AllowLeadership(allowed=True))
        if sim.is_up and sim.node.state.drained:
            self.handle(sim, Drain(drained=False))

    def switch_on(self, sim: SimNode) -> None:
        """The machine starts again, with what its disk kept."""
        if self.is_current(sim) and not sim.is_up:
            sim.is_up = True
            self.note(sim.node_id, "up")
            if self.is_calm:
                self.allow_leadership(sim)
            self._tick(sim)

    # -- ticks

    def _tick(self, sim: SimNode) -> None:
        if not self.is_current(sim) or not sim.is_up:
            return
        if self.now < sim.paused_until:
            self.schedule(sim.paused_until - self.now, self._tick, sim)
            return
        self.handle(sim, Tick())
        self._fire(sim)
        due = (next_deadline(sim.node.state) - sim.now) / sim.clock_rate
        gap = min(max(due, 0.001), self.knobs.tick_gap_seconds)
        if not self.is_calm:
            if self.rng.random() < self.knobs.late_tick:
                gap += self.rng.random() * 3
            if self.rng.random() < self.knobs.double_tick:
                self.schedule(gap, self._extra_tick, sim)
        self.schedule(gap, self._tick, sim)

    def _fire(self, sim: SimNode) -> None:
        """What a leader's driver does besides ticking."""
        state = sim.node.state
        if not (sim.is_up and state.is_leader):
            return
        commands = sim.firing.due(sim.now, last_applied=state.last_applied, term=state.current_term)
        if not commands:
            return
        for effect in self.handle(sim, Propose(commands)):
            if isinstance(effect, Accepted):
                self.counts["fired"] += len(commands)
                sim.firing.note_proposed(effect.term, effect.index + len(commands) - 1)

    def _extra_tick(self, sim: SimNode) -> None:
        if self.is_current(sim) and sim.is_up and self.now >= sim.paused_until:
            self.counts["extra ticks"] += 1
            self.handle(sim, Tick())

    # -- messages

    def carry(self, envelope: Envelope) -> None:
        """Take a message to its recipient: late, twice, out of order, or not at all."""
        rng, knobs = self.rng, self.knobs
        if self.is_calm:
            self.schedule(knobs.delay_seconds, self._deliver, envelope)
            return
        if rng.random() < knobs.loss:
            self.counts["messages lost"] += 1
            return
        delay = knobs.delay_seconds * (0.5 + rng.random())
        if knobs.disk_delay_seconds:
            delay += rng.random() * knobs.disk_delay_seconds
        if rng.random() < knobs.long_delay:
            self.counts["messages delayed"] += 1
            delay += rng.random() * knobs.longest_delay_seconds
        self.schedule(delay, self._deliver, envelope)
        if rng.random() < knobs.duplication:
            self.counts["messages doubled"] += 1
            self.schedule(delay * 3 * rng.random(), self._deliver, envelope)

    def _deliver(self, envelope: Envelope) -> None:
        if (envelope.sender, envelope.recipient) in self.cut_links:
            self.counts["messages cut off"] += 1
            return
        sim = self.nodes.get(envelope.recipient)
        if sim is None or not sim.is_up:
            return
        if self.now < sim.paused_until:
            self.schedule(sim.paused_until - self.now, self._deliver, envelope)
            return
        self.handle(sim, Receive(envelope))

    def leader(self) -> SimNode | None:
        """The node that leads the highest term, if any does."""
        leaders = [sim for sim in self.nodes.values() if sim.is_up and sim.node.is_leader]
        return max(leaders, key=lambda sim: sim.node.state.current_term, default=None)
