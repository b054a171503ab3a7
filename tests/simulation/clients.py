"""Clients of the simulated cluster: they read, write, plan, give up and try again.

A client has one operation under way. It asks any node; a node that does not lead passes the
request on, once. An answer can be lost; then the client asks another node under the same request
id. What a client never learned is recorded as unknown, not as failed. Times in the history are
step numbers, which are unique.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from raft_config.core.commit import Outcome, outcome_of
from raft_config.core.effects import Accepted, Effect, ReadAborted, ReadConfirmed, Refusal, Refused
from raft_config.core.events import Propose, Read
from raft_config.memory import MemoryNode
from raft_config.state_machine import Answer, AnyCommand, Command, Value, encode_command

from .linearizability import Operation
from .plans import PLANNED, Plans
from .world import SimNode, World

MAX_ATTEMPTS = 6


@dataclass(slots=True)
class Request:
    """One operation of a client, through all its attempts."""

    client: int
    request_id: str
    kind: str
    key: str
    argument: Any
    command: bytes
    invoked_at: int
    attempt: int = 1
    is_done: bool = False


@dataclass(slots=True)
class Waiter:
    """A request that a node has taken on: until its index is applied there."""

    request: Request
    attempt: int
    index: int
    term: int


@dataclass(slots=True)
class Waiting:
    """Who waits at one node. All of it is gone when its process dies."""

    writes: list[Waiter] = field(default_factory=list)
    rounds: dict[str, tuple[Request, int, SimNode]] = field(default_factory=dict)
    reads: list[Waiter] = field(default_factory=list)


class Clients:
    """All clients of a world, and the history of what they saw."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.keys = [f"K{number}" for number in range(world.knobs.keys)]
        self.history: list[Operation] = []
        self.plans = Plans(world)
        self.seen: dict[tuple[int, str], tuple[Any, int]] = {}
        """What each client last saw of a key: value, and the index that set it."""
        self.under_way: list[Request] = []
        self.waiting: dict[str, tuple[int, Waiting]] = {}
        self._written = 0
        self._requests = 0
        world.after_step.append(self._observe)
        for client in range(world.knobs.clients):
            world.schedule(world.rng.random(), self._begin, client)

    # -- the client's side

    def _begin(self, client: int) -> None:
        if self.world.is_calm:
            return
        rng = self.world.rng
        key = rng.choice(self.keys)
        kind = self.plans.draw(rng.choice(("read", "read", "write", "write", "cas")))
        request = self._make(client, kind, key)
        self.under_way.append(request)
        self._attempt(request)

    def _make(self, client: int, kind: str, key: str) -> Request:
        self._requests += 1
        request_id = f"{client}-{self._requests}"
        command: AnyCommand = Command(request_id)
        argument: Any = None
        if kind in PLANNED:
            self._written += 1
            seen = self.seen.get((client, key), (None, 0))
            command, kind, argument = self.plans.make(kind, request_id, key, self._written, seen)
        elif kind != "read":
            command, argument = self._change(request_id, client, kind, key)
        return Request(
            client, request_id, kind, key, argument, encode_command(command), self.world.steps
        )

    def _change(self, request_id: str, client: int, kind: str, key: str) -> tuple[AnyCommand, Any]:
        self._written += 1
        new = self._written if self.world.rng.random() < 0.9 else None
        change = Command(
            request_id,
            values={} if new is None else {key: json.dumps(new)},
            reset=(key,) if new is None else (),
        )
        if kind != "cas":
            return change, new
        old, index = self.seen.get((client, key), (None, 0))
        return replace(change, expected={key: index}), (old, new)

    def _attempt(self, request: Request) -> None:
        rng = self.world.rng
        node_id = rng.choice(list(self.world.nodes))
        self.world.schedule(
            rng.random() * 0.02, self._arrive, (request, request.attempt, node_id, True)
        )
        timeout = self.world.knobs.client_timeout_seconds * (0.5 + rng.random())
        self.world.schedule(timeout, self._time_out, (request, request.attempt))

    def _time_out(self, argument: tuple[Request, int]) -> None:
        request, attempt = argument
        if request.is_done or request.attempt != attempt:
            return
        self.world.counts["client timeouts"] += 1
        self.retry(request)

    def retry(self, request: Request) -> None:
        """Try again through another node, under the same request id, or give up not knowing."""
        if request.attempt >= MAX_ATTEMPTS or self.world.is_calm:
            self._finish(request, None, returned_at=None)
            return
        request.attempt += 1
        self.world.counts["retries"] += 1
        self._attempt(request)

    def _finish(
        self, request: Request, result: Any, returned_at: int | None, index: int = 0
    ) -> None:
        request.is_done = True
        self.under_way.remove(request)
        self.history += self.plans.operations(request, result, returned_at, index)
        self.world.counts["unknown" if returned_at is None else request.kind + "s"] += 1
        self.world.schedule(self.world.rng.random() * 0.1, self._begin, request.client)

    def give_up_all(self) -> None:
        """At the end of the faults: whatever has no answer yet is unknown."""
        for request in list(self.under_way):
            self._finish(request, None, returned_at=None)

    # -- the way to the leader

    def _arrive(self, argument: tuple[Request, int, str, bool]) -> None:
        request, attempt, node_id, may_forward = argument
        sim = self.world.nodes.get(node_id)
        if request.is_done or request.attempt != attempt or sim is None or not sim.is_up:
            return
        if self.world.now < sim.paused_until:
            self.world.schedule(sim.paused_until - self.world.now, self._arrive, argument)
            return
        if request.kind == "read":
            self._ask_index(request, attempt, sim, may_forward=may_forward)
        else:
            self._propose(request, attempt, sim, may_forward=may_forward)

    def _propose(self, request: Request, attempt: int, sim: SimNode, *, may_forward: bool) -> None:
        for effect in self.world.handle(sim, Propose((request.command,))):
            if isinstance(effect, Accepted):
                waiter = Waiter(request, attempt, effect.index, effect.term)
                self._waiting(sim).writes.append(waiter)
                self._observe(sim, ())
            elif isinstance(effect, Refused):
                self._count_refusal(effect)
                if effect.refusal is Refusal.NOT_LEADER and effect.leader_id and may_forward:
                    self._forward(request, attempt, sim, effect.leader_id)

    def _forward(self, request: Request, attempt: int, sim: SimNode, leader_id: str) -> None:
        if (sim.node_id, leader_id) not in self.world.cut_links:
            self.world.counts["forwarded"] += 1
            delay = self.world.knobs.delay_seconds
            self.world.schedule(delay, self._arrive, (request, attempt, leader_id, False))

    def _count_refusal(self, effect: Refused) -> None:
        if effect.refusal is not Refusal.NOT_LEADER:
            self.world.counts[f"refused: {effect.refusal.name.lower()}"] += 1

    # -- linearizable reads: the index from the leader, the value from the node asked

    def _ask_index(
        self,
        request: Request,
        attempt: int,
        origin: SimNode,
        *,
        may_forward: bool,
        leader: SimNode | None = None,
    ) -> None:
        asked = leader or origin
        read_id = f"{request.request_id}/{attempt}/{self.world.steps}"
        effects = self.world.handle(asked, Read(read_id))
        # A round may be over within the step itself, when there is nobody to ask.
        self._waiting(asked).rounds[read_id] = (request, attempt, origin)
        for effect in effects:
            if isinstance(effect, Refused):
                self._count_refusal(effect)
                del self._waiting(asked).rounds[read_id]
                known = effect.leader_id
                if effect.refusal is Refusal.NOT_LEADER and known and may_forward:
                    self._forward_read(request, attempt, origin, known)
        self._settle_rounds(asked, effects)

    def _forward_read(
        self, request: Request, attempt: int, origin: SimNode, leader_id: str
    ) -> None:
        leader = self.world.nodes.get(leader_id)
        if leader is None or (origin.node_id, leader_id) in self.world.cut_links:
            return

        def arrive(_: object) -> None:
            is_up = leader.is_up and self.world.is_current(leader)
            is_awaited = not request.is_done and request.attempt == attempt
            if is_up and is_awaited and self.world.now >= leader.paused_until:
                self._ask_index(request, attempt, origin, may_forward=False, leader=leader)

        self.world.counts["forwarded"] += 1
        self.world.schedule(self.world.knobs.delay_seconds, arrive, None)

    def _settle_rounds(self, sim: SimNode, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, ReadConfirmed):
                found = self._waiting(sim).rounds.pop(effect.read_id, None)
                if found is not None:
                    self._hand_index(sim, *found, effect.index)
            elif isinstance(effect, ReadAborted):
                self._waiting(sim).rounds.pop(effect.read_id, None)

    def _hand_index(
        self, leader: SimNode, request: Request, attempt: int, origin: SimNode, index: int
    ) -> None:
        def arrive(_: object) -> None:
            if origin.is_up and self.world.is_current(origin):
                self._waiting(origin).reads.append(Waiter(request, attempt, index, 0))
                self._observe(origin, ())

        if origin is leader:
            arrive(None)
        elif (leader.node_id, origin.node_id) not in self.world.cut_links:
            self.world.schedule(self.world.knobs.delay_seconds, arrive, None)

    # -- the node's side: answers

    def _waiting(self, sim: SimNode) -> Waiting:
        boots, found = self.waiting.get(sim.node_id, (-1, Waiting()))
        if boots != sim.boots:
            found = Waiting()
            self.waiting[sim.node_id] = (sim.boots, found)
        return found

    def _observe(self, sim: SimNode, effects: Sequence[Effect]) -> None:
        """After a step of a node: answer those that waited there for it."""
        if effects:
            self._settle_rounds(sim, effects)
        waiting = self._waiting(sim)
        if waiting.writes:
            waiting.writes = [each for each in waiting.writes if not self._settle(sim.node, each)]
        if waiting.reads:
            applied = sim.node.state.last_applied
            ready = [each for each in waiting.reads if each.index <= applied]
            waiting.reads = [each for each in waiting.reads if each.index > applied]
            for each in ready:
                self._answer_read(sim.node, each)

    def _settle(self, node: MemoryNode, waiter: Waiter) -> bool:
        storage = node.storage
        outcome = outcome_of(storage.state, storage.log, waiter.index, waiter.term)
        if outcome is Outcome.PENDING:
            return False
        if outcome is Outcome.APPLIED and waiter.index in storage.results:
            self._answer_write(waiter, storage.results[waiter.index])
        elif outcome is Outcome.LOST:
            self.world.counts["entries lost"] += 1
        return True

    def _answer_write(self, waiter: Waiter, answer: Answer) -> None:
        self.world.invariants.check_acknowledged(waiter.index)
        request = waiter.request
        took_effect = not answer.conflicts

        def arrive(_: object) -> None:
            if not request.is_done:
                if took_effect and request.kind == "write":
                    index = answer.index if request.argument is not None else 0
                    self.seen[request.client, request.key] = (request.argument, index)
                self._finish(request, took_effect, returned_at=self.world.steps, index=answer.index)

        self._reply(arrive)

    def _answer_read(self, node: MemoryNode, waiter: Waiter) -> None:
        request = waiter.request
        found: Value | None = node.storage.machine.values.get(request.key)  # type: ignore[attr-defined]
        value = (json.loads(found.text), found.index) if found else (None, 0)

        def arrive(_: object) -> None:
            if not request.is_done:
                self.seen[request.client, request.key] = value
                self._finish(request, value[0], returned_at=self.world.steps)

        self._reply(arrive)

    def _reply(self, arrive: Any) -> None:
        rng = self.world.rng
        if self.world.is_calm or rng.random() >= self.world.knobs.loss:
            self.world.schedule(rng.random() * 0.02, arrive, None)
