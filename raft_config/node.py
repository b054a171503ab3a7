"""A node at work: lock, load, step, save, commit, send, in whichever process an event arrives.

    receive   a peer's message, in a web worker; the reply is the HTTP body
    tick      the passage of time, in the Celery worker or `manage.py raft_tick`
    propose   a command, in whichever process holds the leader's request

All doors lead through `_take`, and every process of the node does the same over the same row. What
may *not* live here: rules of Raft (`core`), SQL (`storage`), bytes on the wire (`transport`).
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from django.db import connections
from django.utils.module_loading import import_string

from . import measures
from .announcing import announce
from .conf import ENGINES, RaftConfig, get_config
from .core.commit import Outcome, outcome_of
from .core.configuration import Configuration, Member, initial_configuration
from .core.effects import (
    Accepted,
    Effect,
    Refusal,
    Refused,
    Reply,
    Send,
)
from .core.events import (
    AddLearner,
    AllowLeadership,
    ChangeAddress,
    Event,
    MembershipChange,
    Propose,
    Read,
    Receive,
    Tick,
)
from .core.messages import Envelope
from .core.patience import may_be_stepped_later
from .core.raft import next_deadline
from .core.state import Leader, NodeState, new_node
from .exceptions import (
    EntryLostError,
    InvalidCommandError,
    InvariantViolatedError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    RaftConfigError,
    StateMachineError,
    UnavailableError,
    UnsupportedCommandError,
    noop,
)
from .firing import Firing
from .group_commit import Answered, GroupCommit
from .journal import Journal
from .news import News
from .own_url import OwnUrl
from .storage import DatabaseStorage, check_command
from .storage.database import Performed
from .storage.durability import is_likely_durable
from .storage.high_water import high_water_of
from .transport.client import transport_for
from .transport.courier import Courier, Transport
from .version_file import version_file_of

logger = logging.getLogger("raft_config")

POLL_SECONDS = 0.05
"""How often who waits looks into the database, which tells what the version file cannot."""

FRESH_SECONDS = 1.0
"""So long a process that led goes on as if it did; the row's lock tells it better."""

UNSTORED = (Refusal.OVERLOADED, Refusal.TRANSFERRING, Refusal.CHANGE_PENDING)


class Node:
    """One node, as seen from one process. All state is in its database.

    Instants that processes share are read from `clock`; what one process waits for is measured by
    the monotonic clock, so that a step of the other makes nobody wait for an hour.
    """

    def __init__(
        self,
        config: RaftConfig,
        transport: Transport,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.config = config
        self.node_id = config.node_id
        self.clock = clock
        self.monotonic = monotonic
        self.jitter = jitter
        self.transport = transport
        self.storage = DatabaseStorage(config.database, self._first_state, high_water_of(config))
        self.journal = Journal(config.database, clock)
        self.courier = Courier(transport, self._take_replies, self._may_wait)
        self._turn = threading.Lock()
        self._asking = threading.Lock()
        self._reading = threading.Lock()
        self._reads_begun = 0
        self._shared_read: tuple[int, NodeState | None] = (0, None)
        """The number of the read that has begun last, and the state in which it did."""
        self._seen: NodeState | None = None
        """The state that this process has committed or looked up last, and when."""
        self._seen_at = 0.0
        self.news = News(config)
        self._proposals = GroupCommit(
            lambda commands: self._answer(Propose(commands)), self.news.when_applied
        )
        self._firing = Firing(self.storage.due_times, at_once=config.timing.max_uncommitted_entries)
        self.own_url = OwnUrl(config, transport, monotonic)

    def _first_state(self) -> NodeState:
        """What a node knows when its database is new: the first members, and a new incarnation."""
        timing = self.config.timing
        if self.config.join:
            configuration = Configuration()
        else:
            peers = self.config.peers or {self.node_id: self.config.url}
            configuration = initial_configuration(
                Member(node_id, address) for node_id, address in peers.items()
            )
        alone = configuration.voters == {self.node_id}
        wait = 0.0 if alone else timing.election_timeout_seconds * (1 + self.jitter())
        return new_node(
            self.node_id,
            configuration,
            incarnation=uuid.uuid4().hex,
            election_deadline=self.clock() + wait,
        )

    @property
    def state(self) -> NodeState:
        """What the node's database says now."""
        return self.storage.load() or self._take(Tick())[0]

    @property
    def incarnation(self) -> str:
        """The life of this node's database."""
        return self.state.incarnation

    # -- the doors

    def receive(self, envelope: Envelope) -> Envelope:
        """Take a peer's request in; what is returned may be sent, it rests on what is committed."""
        try:
            _, effects = self._take(Receive(envelope))
        except StateMachineError as error:
            # A newer release's snapshot. Nothing of it was kept, and it will come again.
            self.storage.halt(str(error))
            raise
        reply = next((each for each in effects if isinstance(each, Reply)), None)
        if reply is None:
            raise InvalidCommandError("This is the answer to a message, not a message to answer.")
        return reply.envelope

    def tick(self) -> float:
        """Do what is due; returns the instant when something will be, by the node's clock."""
        state = self.storage.load()
        longest_wait = 2 * self.config.timing.election_timeout_seconds
        if state is not None:
            # A process may have died between its commit and telling the others of it.
            version_file_of(self.config).publish_if_missed(state.last_applied)
            self.fire_due(state)
            due = next_deadline(state)
            if self.clock() < due <= self.clock() + longest_wait:
                return due
        state, _ = self._take(Tick())
        return next_deadline(state)

    def run_for(self, seconds: float) -> None:
        """Drive the node: tick whenever something is due, until the time is over."""
        end = self.monotonic() + seconds
        longest_sleep = self.config.timing.heartbeat_interval_seconds
        while self.monotonic() < end:
            due_in = self.tick() - self.clock()
            self.check_reachability()
            self._write_journal()
            wait = max(0.0, min(due_in, end - self.monotonic(), longest_sleep))
            self.journal.driven(self.monotonic(), wait)
            self.rest(wait)

    def rest(self, seconds: float) -> None:
        """Between two ticks of the driver."""
        time.sleep(seconds)

    def _write_journal(self) -> None:
        for peer, reason in self.courier.refusals():
            self.journal.refused(peer, reason)
        self.journal.sample(self.storage.load)

    def propose(self, commands: Sequence[bytes], *, timeout_seconds: float) -> Accepted:
        """Append commands as leader, and wait until the last of them is applied here.

        Raises NotLeaderError, UnavailableError, InvalidCommandError (certainly not stored),
        EntryLostError (certainly not applied), OutcomeUnknownError.
        """
        self.storage.require_room([check_command(command) for command in commands])
        self._drive_if_alone()
        event = Propose(tuple(commands))
        accepted = self._accepted(event, *self._proposals.propose(event.commands))
        begun = time.perf_counter()
        self.wait_applied(accepted.index + len(commands) - 1, accepted.term, timeout_seconds)
        measures.REPLICATIONS.observe(time.perf_counter() - begun)
        return accepted

    def fire_due(self, state: NodeState) -> None:
        """As leader, propose to make the scheduled changes that are due; waits for nothing."""
        if not state.is_leader:
            return
        commands = self._firing.due(
            self.clock(), last_applied=state.last_applied, term=state.current_term
        )
        if not commands:
            return
        _, effects = self._take(Propose(commands))
        for effect in effects:
            if isinstance(effect, Accepted):
                self._firing.note_proposed(effect.term, effect.index + len(commands) - 1)

    def change_members(self, change: MembershipChange, *, timeout_seconds: float) -> Accepted:
        """Change the members as leader, and wait until that is applied; raises as `propose`."""
        if isinstance(change, AddLearner):
            self._be_found(timeout_seconds)
        accepted = self._ask(change)
        self.wait_applied(accepted.index, accepted.term, timeout_seconds)
        return accepted

    def _be_found(self, timeout_seconds: float) -> None:
        """Take up the URL that a node alone had no need of: whoever joins it has to find it."""
        own = self.state.configuration.by_id.get(self.node_id)
        if own is None or own.address:
            return
        if not self.config.url:
            raise MembershipError(
                noop(
                    "Node %(node)s has no URL, and a newcomer could not find it. Set "
                    "RAFT_CONFIG['URL'] there, and start its processes anew."
                ),
                node=self.node_id,
            )
        change = ChangeAddress(self.node_id, self.config.url)
        self.change_members(change, timeout_seconds=timeout_seconds)

    def join(
        self, node_id: str, address: str, incarnation: str, *, promote: bool = True
    ) -> Accepted | None:
        """Let a newcomer in as a learner; None if it is a member already."""
        member = self.state.configuration.by_id.get(node_id)
        if member is not None and member.incarnation in ("", incarnation):
            return None
        if member is not None:
            raise MembershipError(
                noop(
                    "Node %(node)s was a member with another database. Remove it first "
                    "(raft_members remove %(node)s), then let it join again."
                ),
                node=node_id,
            )
        change = AddLearner(node_id, address, incarnation, promote)
        return self.change_members(change, timeout_seconds=self.config.write_timeout_seconds)

    def read_index(self, *, timeout_seconds: float) -> int:
        """The index that answers a linearizable read now, proven by a round of heartbeats.

        Raises NotLeaderError, UnavailableError; a retry begins a fresh round.
        """
        self._drive_if_alone()
        deadline = self.monotonic() + timeout_seconds
        seen = self.news.seen()  # before: answers may be stepped while we are on our way to wait
        state = begun = self._begin_read()
        while not is_confirmed(begun, state):
            if self.monotonic() > deadline:
                raise UnavailableError(noop("No majority answered in time; try again later."))
            self.news.wait(seen, POLL_SECONDS)
            seen, state = self.news.seen(), self._seen_lately() or self.state
        return begun.last_log_index

    def _begin_read(self) -> NodeState:
        """The state in which a read began after this was called.

        Those who come while one begins share the next one, as proposals share an append.
        """
        known = self._reads_begun
        with self._reading:
            number, begun = self._shared_read
            if begun is not None and number > known:
                return begun
            self._reads_begun += 1
            begun, effects = self._take(Read(uuid.uuid4().hex))
            for effect in effects:
                if isinstance(effect, Refused):
                    raise error_for(effect, begun)
            self._shared_read = self._reads_begun, begun
            return begun

    def wait_applied(self, index: int, term: int, timeout_seconds: float) -> None:
        """Wait until that is applied here. Raises EntryLostError, OutcomeUnknownError."""
        deadline = self.monotonic() + timeout_seconds
        seen = None
        while True:
            self.news.wait(seen, min(POLL_SECONDS, timeout_seconds), index=index)
            seen = self.news.seen()
            outcome = self._outcome_seen(index, term) or self._outcome_asked(index, term)
            if outcome is Outcome.APPLIED:
                return
            if outcome is Outcome.LOST:
                raise EntryLostError(index, term)
            # Compacted: it may have been another leader's. Only a retry under its id can tell.
            if outcome is Outcome.COMPACTED or self.monotonic() > deadline:
                raise OutcomeUnknownError(f"at index {index}")

    def _outcome_seen(self, index: int, term: int) -> Outcome | None:
        """What this process knows of it without asking the database, as one of many that wait.

        Nobody else led that term, and a leader's log only grows (Leader Append-Only, Raft §5.3).
        """
        seen = self._seen
        if seen is None or not seen.is_leader or seen.current_term != term:
            return None
        if seen.last_applied >= index:
            return Outcome.APPLIED
        return Outcome.PENDING if self._seen_lately() else None

    def _seen_lately(self) -> NodeState | None:
        """What the database said a moment ago."""
        is_recent = self.monotonic() < self._seen_at + POLL_SECONDS
        return self._seen if is_recent else None

    def _outcome_asked(self, index: int, term: int) -> Outcome:
        """What the database knows of it; one of many that wait asks, and the others then know."""
        with self._asking:
            found = self._outcome_seen(index, term)
            if found is None:
                before, asked_at = self._seen, self.monotonic()
                state = self.state
                found = outcome_of(state, self.storage.log, index, term)
                if self._seen is before:
                    self._seen, self._seen_at = state, asked_at
            return found

    def wait_until_applied(self, index: int, timeout_seconds: float) -> bool:
        """Wait until this node has applied `index`; whether it came to that in time."""
        deadline = self.monotonic() + timeout_seconds
        seen = self.news.seen()
        while (version := self.storage.version()) < index:
            if self.monotonic() > deadline:
                return False
            self.news.wait(seen, POLL_SECONDS, index=index)
            seen = self.news.seen()
        # Whoever applied it may have died, or may be about to tell: what is read now must show it.
        version_file_of(self.config).publish_if_missed(version)
        return True

    def check_reachability(self) -> None:
        """Neither campaign nor lead while the node's own URL does not answer (DESIGN §2.10)."""
        has_peers = bool(self.config.peers or self.config.join)
        if not (has_peers and self.config.url):
            return
        is_reachable = self.own_url.look()
        if is_reachable is not None:
            self.allow_leadership(is_reachable)

    def allow_leadership(self, allowed: bool) -> None:  # noqa: FBT001 - the answer itself
        """Take in whether peers can reach this node; told when it has changed."""
        if self.state.may_lead == allowed:
            return
        outcome = "answers again; may lead" if allowed else "does not answer; will not lead"
        logger.warning("Own URL %s %s", self.config.url, outcome)
        self.journal.note("reachable" if allowed else "unreachable", subject=self.node_id)
        self._take(AllowLeadership(allowed))

    def whom_to_ask(self) -> str:
        """Which node takes a proposal now: the leader, or this one, which then says who leads.

        Of a database that told this process a moment ago that it leads, nothing is asked: were it
        otherwise by now, it would be told so under the row's lock.
        """
        seen = self._seen
        if seen is not None and seen.is_leader and self.monotonic() < self._seen_at + FRESH_SECONDS:
            return self.node_id
        return self.state.leader_id or self.node_id

    def address_of(self, node_id: str) -> str:
        """Where a member is found, "" for a stranger."""
        member = self.state.configuration.by_id.get(node_id)
        return member.address if member else self.config.peers.get(node_id, "")

    def close(self) -> None:
        """End the threads of this process."""
        self.courier.close()
        self.own_url.close()

    def take(self, event: Event) -> list[Effect]:
        """Take in an event that is answered by nothing but its effects."""
        return self._take(event)[1]

    # -- the corridor

    def _take(self, *events: Event) -> tuple[NodeState, list[Effect]]:
        """Step, save and commit; then send."""
        _, after, effects = self._perform(events)
        # What is to be sent goes first: a heartbeat must not wait for whoever listens to the news.
        for effect in sorted(effects, key=lambda each: not isinstance(each, Send)):
            self._carry_out(effect, after)
        self.news.tell()
        return after, effects

    def _perform(self, events: Sequence[Event]) -> Performed:
        """One transaction at a time in this process: what SQLite lets wait it wakes at no release.

        Who is let wait by it looks again after up to a tenth of a second, whenever others let go in
        between; and the instant of an event is that at which its turn has come.
        """
        with self._turn:
            begun, likely_durable = time.perf_counter(), any(map(is_likely_durable, events))
            performed = self.storage.perform(
                *events,
                settings=self.config.timing,
                now=self.clock(),
                jitter=self.jitter(),
                likely_durable=likely_durable,
            )
            flush = measures.COMMITS.labels("yes" if likely_durable else "no")
            flush.observe(time.perf_counter() - begun)
            before, after, _ = performed
            # Before that is published: who is woken by it then need not ask the database.
            self._seen, self._seen_at = after, self.monotonic()
            if after.last_applied != before.last_applied:
                version_file_of(self.config).publish(after.last_applied)
            return performed

    def _take_replies(self, envelopes: Sequence[Envelope]) -> None:
        """Step what peers answered; on the courier's thread, which has a connection of its own."""
        try:
            self._take(*map(Receive, envelopes))
        finally:
            connection = connections[self.config.database]
            connection.close_at = None  # CONN_MAX_AGE is for requests; this thread has none
            connection.close_if_unusable_or_obsolete()

    def _take_with_replies(self, event: Event) -> tuple[NodeState, list[Effect]]:
        """Take in an event, and before it what has come from peers: one transaction serves both."""
        replies = self.courier.take_replies()
        try:
            return self._take(*map(Receive, replies), event)
        except InvariantViolatedError:
            if not replies:
                raise
            self.courier.step_apart(replies)
            return self._take(event)

    def _may_wait(self, reply: Envelope) -> bool:
        """Whether nobody waits for this reply, as far as this process knows."""
        return self._seen is not None and may_be_stepped_later(reply.message, self._seen)

    def _ask(self, event: Propose | MembershipChange) -> Accepted:
        """Take a proposal or a change in. Raises what says that it is certainly not stored."""
        return self._accepted(event, *self._answer(event))

    def _answer(self, event: Propose | MembershipChange) -> Answered:
        state, effects = self._take_with_replies(event)
        for effect in effects:
            if isinstance(effect, (Accepted, Refused)):
                return state, effect
        raise InvariantViolatedError("A proposal was neither accepted nor refused.")

    def _accepted(self, event: Event, state: NodeState, effect: Accepted | Refused) -> Accepted:
        if isinstance(effect, Accepted):
            return effect
        if isinstance(event, Propose) and effect.refusal is Refusal.UNSUPPORTED:
            raise UnsupportedCommandError(event.version, state.configuration.agreed_version)
        raise error_for(effect, state)

    def _carry_out(self, effect: Effect, state: NodeState) -> None:
        if isinstance(effect, Send):
            member = state.configuration.by_id.get(effect.envelope.recipient)
            if member is not None and member.address:
                self.courier.post(effect.envelope, member.address)
        else:
            announce(Node, self.node_id, effect)
            self.journal.tell(effect, self.node_id, state.current_term)

    def _drive_if_alone(self) -> None:
        """A cluster of one works without a driver: on use it elects itself, and does what is due.

        A scheduled change is then made with the next command or linearizable read, not on time.
        """
        # As seen last here: who is refused for it has seen more, and asks again.
        state = self._seen or self.state
        if state.configuration.voters != {self.node_id}:
            return
        if state.is_leader:
            self.fire_due(state)
        else:
            self.tick()


def is_confirmed(begun: NodeState, state: NodeState) -> bool:
    """Whether the read that began last in `begun` is proved now, by whichever process's round.

    Raises NotLeaderError once that can no longer be.
    """
    if not isinstance(state.role, Leader) or state.current_term != begun.current_term:
        raise NotLeaderError(state.leader_id, state.current_term)
    return isinstance(begun.role, Leader) and state.role.confirmed_reads >= begun.role.begun_reads


def error_for(refused: Refused, state: NodeState) -> RaftConfigError:
    """The error that tells the caller of a refusal what to do."""
    text = noop("Not stored: %(reason)s.")
    if refused.refusal is Refusal.NOT_LEADER:
        return NotLeaderError(refused.leader_id, state.current_term)
    if refused.refusal in UNSTORED:
        return UnavailableError(text, reason=refused.refusal)
    if refused.refusal in (Refusal.TOO_LARGE, Refusal.EMPTY):
        return InvalidCommandError(text, reason=refused.refusal)
    return MembershipError(text, reason=refused.refusal)


_lock = threading.Lock()
_nodes: dict[tuple[int, int], Node] = {}


def get_node() -> Node:
    """This process's one `Node`, made anew after a fork or a change of the settings."""
    config = get_config()
    key = (os.getpid(), id(config))
    with _lock:
        if key not in _nodes:
            _nodes.clear()
            _nodes[key] = import_string(ENGINES[config.engine])(config)
        return _nodes[key]


def raft_node(config: RaftConfig) -> Node:
    """The node of the engine "raft"."""
    return Node(config, transport_for(config))
