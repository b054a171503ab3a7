"""One seed, from start to verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .clients import Clients
from .faults import Faults
from .invariants import BrokenInvariantError, require
from .linearizability import Operation, check
from .world import SimMachine, SimNode, World

LEADER_WITHIN_TIMEOUTS = 10
EQUAL_WITHIN_TIMEOUTS = 60
"""Small batches and chunks, drawn by the knobs, make catching up slow on purpose."""


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a run that went well."""

    seed: int
    steps: int
    trace_hash: int
    counts: Counter[str]


class FailedSeedError(AssertionError):
    """A seed that broke something: how to run it again, and its last steps."""

    def __init__(self, world: World, nodes: int, steps: int, error: BaseException) -> None:
        trace = "\n".join("  " + " ".join(str(part)[:300] for part in line) for line in world.trace)
        super().__init__(
            f"Seed {world.seed} failed after {world.steps} steps at {world.now:.3f} s:\n"
            f"  {type(error).__name__}: {error}\n"
            f"Run it again: python -m tests.simulation "
            f"--first {world.seed} --seeds 1 --nodes {nodes} --steps {steps}\n"
            f"The last steps:\n{trace}"
        )
        self.seed = world.seed
        self.error = error


def run_seed(
    seed: int, *, nodes: int = 3, steps: int = 2000, schedules: bool | None = None
) -> Report:
    """Run one world for so many steps, let it heal, and judge it. Raises FailedSeedError.

    Half the worlds have scheduled changes, unless `schedules` says which.
    """
    world = World(seed, nodes, schedules=schedules)
    clients = Clients(world)
    faults = Faults(world)
    try:
        while world.steps < steps:
            world.run_step()
        _heal(world, clients, faults)
        _judge(world, clients)
    except Exception as error:
        raise FailedSeedError(world, nodes, steps, error) from error
    world.counts["reads checked"] = sum(
        each.kind == "read" and each.returned_at is not None for each in clients.history
    )
    world.counts["commits"] = world.invariants.last_committed
    return Report(seed, world.steps, world.trace_hash, world.counts)


def _heal(world: World, clients: Clients, faults: Faults) -> None:
    """Stop all faults (perhaps leave a minority down); wait for a leader and for equality."""
    clients.give_up_all()
    world.is_calm = True
    world.cut_links.clear()
    down = _minority(world, faults) if world.knobs.leaves_minority_down else set()
    for sim in world.nodes.values():
        sim.paused_until = 0.0
        if sim.node_id in down:
            sim.is_up = False
        elif not sim.is_up:
            world.schedule(0.0, world.switch_on, sim)
        world.allow_leadership(sim)
    timeout = world.knobs.settings.election_timeout_seconds
    settled_by = world.now + LEADER_WITHIN_TIMEOUTS * 2 * timeout
    while not _has_leader(world):
        require(world.now < settled_by, "No leader within ten election timeouts", world.now)
        world.run_step()
    equal_by = world.now + EQUAL_WITHIN_TIMEOUTS * timeout
    while not _are_equal(world):
        if world.now > equal_by:
            raise BrokenInvariantError(
                "Nodes are not equal, or changes not made, after healing:" + _states(world)
            )
        world.run_step()


def _minority(world: World, faults: Faults) -> set[str]:
    """Voters that may stay down for good: fewer than half, the wiped ones counted."""
    leader = max(world.nodes.values(), key=lambda sim: sim.node.state.configuration.index)
    voters = sorted(leader.node.state.configuration.voters)
    spare = (len(voters) - 1) // 2 - len(faults.wiped)
    down = set(world.rng.sample(voters, max(0, spare)))
    # A change of members may not be committed yet: those who have not heard of it count too.
    configurations = [sim.node.state.configuration for sim in world.nodes.values()]
    is_survivable = all(
        each.is_majority(each.voters - down) for each in configurations if each.members
    )
    return down if is_survivable else set()


def _has_leader(world: World) -> bool:
    """A leader that has committed an entry of its own term, with nothing pending."""
    leader = world.leader()
    if leader is None:
        return False
    state = leader.node.state
    return state.commit_index == state.last_log_index and state.commit_index > 0


def _live_members(world: World, leader: SimNode) -> list[SimNode]:
    configuration = leader.node.state.configuration
    return [
        sim
        for sim in world.nodes.values()
        if sim.is_up
        and (member := configuration.by_id.get(sim.node_id)) is not None
        and member.incarnation in ("", sim.node.state.incarnation)
    ]


def _are_equal(world: World) -> bool:
    leader = world.leader()
    if leader is None or leader.node.state.last_applied != leader.node.state.last_log_index:
        return False
    if leader.overdue:
        return False
    wanted = leader.node.state.last_applied
    return all(sim.node.state.last_applied == wanted for sim in _live_members(world, leader))


def _states(world: World) -> str:
    return "".join(
        f"\n    {sim.node_id} up={sim.is_up} {sim.node.state}" for sim in world.nodes.values()
    )


def _judge(world: World, clients: Clients) -> None:
    """Replay the log, compare every node with it, and check what the clients saw."""
    leader = world.leader()
    assert leader is not None
    replayed = SimMachine()
    history = [*clients.history]
    committed = world.invariants.committed
    for index in range(1, leader.node.state.last_applied + 1):
        if command := committed[index].command:
            replayed.apply(index, command)
            history += clients.plans.effect_of(index, command, replayed)
    for sim in _live_members(world, leader):
        machine = sim.node.storage.machine
        require(
            machine.snapshot() == replayed.snapshot(), "Values differ from a replay", sim.node_id
        )
    for number, key in enumerate(clients.keys):
        value = replayed.values.get(key)
        final = int(value.text) if value else None
        at = world.steps + 1 + 2 * number
        history.append(Operation(key, "read", None, final, at, at + 1))
    violation = check(history)
    require(violation is None, "The clients' history is not linearizable", violation)
