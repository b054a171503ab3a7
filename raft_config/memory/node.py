"""A node in memory: step, save, then send.

The same corridor as the one over a database (lock, load, step, save, commit, send), without the
lock and the database. What may *not* live here: rules of Raft.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ..core import raft
from ..core.commit import Outcome, outcome_of
from ..core.configuration import Member, initial_configuration
from ..core.corridor import perform
from ..core.effects import Accepted, Effect, News, Refusal, Refused, Reply, Send
from ..core.events import Event, MembershipChange, Propose, Receive, Tick
from ..core.messages import Envelope
from ..core.settings import RaftSettings
from ..core.state import NodeState, new_node
from ..exceptions import (
    EntryLostError,
    InvalidCommandError,
    InvariantViolatedError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    UnavailableError,
)
from .storage import MemoryStateMachine, MemoryStorage, StateMachine

Listener = Callable[[str, News], None]
"""Called with a node's id and what happened there: a new role, leader or configuration."""

MembersProvider = Callable[[], Iterable[Member | str]]
"""Finds the first members, wherever they are written down."""


class Network(Protocol):
    """What a node needs of its surroundings: the time, and a way to its peers."""

    now: float

    def send(self, envelope: Envelope) -> None:
        """Carry a message to its recipient, if possible; nothing is promised."""

    def forward(self, sender: str, leader_id: str, commands: tuple[bytes, ...]) -> Accepted:
        """Propose at another node, which forwards no further. Raises ProposalError."""


class MemoryNode:
    """A node: every event is stepped and saved, and only then are messages sent.

    `members` are the first members, given alike to every node that starts with them: ids, or
    `Member` values, or a callable that provides them. A node without is a cluster of one; one that
    is to join an existing cluster gets an empty list, and waits until it is added there.
    """

    def __init__(
        self,
        node_id: str,
        network: Network,
        *,
        members: MembersProvider | Iterable[Member | str] | None = None,
        settings: RaftSettings | None = None,
        machine: StateMachine | None = None,
        incarnation: str = "",
        jitter: Callable[[], float] = random.random,
        listener: Listener | None = None,
    ) -> None:
        self.node_id = node_id
        self.network = network
        self.settings = settings or RaftSettings()
        self.jitter = jitter
        self.listener = listener
        given = [node_id] if members is None else members() if callable(members) else members
        configuration = initial_configuration(
            each if isinstance(each, Member) else Member(each) for each in given
        )
        deadline = network.now + self.settings.election_timeout_seconds * jitter()
        state = new_node(
            node_id, configuration, incarnation=incarnation, election_deadline=deadline
        )
        self.storage = MemoryStorage(state, machine or MemoryStateMachine())

    @property
    def state(self) -> NodeState:
        """What the node knows now."""
        return self.storage.state

    @property
    def is_leader(self) -> bool:
        """Whether it leads, as far as it knows."""
        return self.state.is_leader

    # -- the doors

    def tick(self) -> float:
        """Do what is due; returns the instant when something will be."""
        self.handle(Tick())
        return raft.next_deadline(self.state)

    def receive(self, envelope: Envelope) -> None:
        """Take a message in; the answer, if one is due, goes out through the network."""
        self.handle(Receive(envelope))

    def propose(self, *commands: bytes) -> Ticket:
        """Send commands to the leader, from any node. Raises ProposalError: not stored."""
        if self.is_leader or self.state.leader_id is None:
            accepted = self.accept(commands)
        else:
            accepted = self.network.forward(self.node_id, self.state.leader_id, commands)
        return Ticket(self, accepted.index + len(commands) - 1, accepted.term)

    def accept(self, commands: tuple[bytes, ...]) -> Accepted:
        """Append commands here, as leader. Raises ProposalError when this node does not lead."""
        return self._answer(self.handle(Propose(commands)))

    def change_members(self, change: MembershipChange) -> Ticket:
        """Change the members, as leader. Raises MembershipError or ProposalError."""
        accepted = self._answer(self.handle(change))
        return Ticket(self, accepted.index, accepted.term)

    def handle(self, event: Event) -> list[Effect]:
        """Take an event through the corridor, and only then send."""
        effects = perform(
            self.storage,
            event,
            settings=self.settings,
            now=self.network.now,
            jitter=self.jitter(),
        )
        self._send(effects)
        return effects

    def _send(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, (Send, Reply)):
                self.network.send(effect.envelope)
            elif self.listener is not None and isinstance(effect, News):
                self.listener(self.node_id, effect)

    def _answer(self, effects: Iterable[Effect]) -> Accepted:
        for effect in effects:
            if isinstance(effect, Accepted):
                return effect
            if isinstance(effect, Refused):
                raise self._error_for(effect)
        raise InvariantViolatedError("A proposal was neither accepted nor refused.")

    def _error_for(self, refused: Refused) -> Exception:
        text = f"Refused: {refused.refusal.value}."
        if refused.refusal is Refusal.NOT_LEADER:
            return NotLeaderError(refused.leader_id, self.state.current_term)
        if refused.refusal in (Refusal.OVERLOADED, Refusal.TRANSFERRING, Refusal.CHANGE_PENDING):
            return UnavailableError(text)
        if refused.refusal in (Refusal.TOO_LARGE, Refusal.EMPTY):
            return InvalidCommandError(text)
        return MembershipError(text)


class Ticket:
    """A proposal on its way: accepted, and then applied or lost."""

    def __init__(self, node: MemoryNode, index: int, term: int) -> None:
        self.node = node
        self.index = index
        self.term = term

    @property
    def outcome(self) -> Outcome:
        """What is known of it on the node where it was proposed."""
        storage = self.node.storage
        return outcome_of(storage.state, storage.log, self.index, self.term)

    @property
    def is_done(self) -> bool:
        """Whether `result` has something certain to say."""
        return self.outcome is not Outcome.PENDING

    def result(self) -> Any:
        """What the state machine answered. Raises EntryLostError, OutcomeUnknownError."""
        outcome = self.outcome
        if outcome is Outcome.LOST:
            raise EntryLostError(self.index, self.term)
        if outcome is Outcome.APPLIED:
            return self.node.storage.results.get(self.index)
        raise OutcomeUnknownError(f"at index {self.index}")
