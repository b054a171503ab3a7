"""States built from values, and a rig that steps one node and stores what the steps ask for.

`follower(term=2, log="1 1 2", commit=1)` is a node whose entries 1, 2, 3 have the terms 1, 1, 2.
The clock stands at NOW and the dice at JITTER, unless a test says otherwise. The node under test
is "a", its peers are "b" and "c".
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import replace

from raft_config.core import Configuration, Member, NodeState, RaftSettings, step
from raft_config.core.effects import Apply, Reply, Send
from raft_config.core.events import Receive
from raft_config.core.log import Entry, SnapshotMeta
from raft_config.core.messages import AppendEntries, AppendEntriesResponse, Envelope
from raft_config.core.state import Candidate, Follower, Leader, PreCandidate, Progress
from raft_config.memory import MemoryLog, MemoryStorage
from raft_config.memory.storage import digest_of

NOW = 100.0
JITTER = 0.5
TIMEOUT = 1.0
HEARTBEAT = 0.25
RETRY = 0.5
NEXT_DEADLINE = NOW + TIMEOUT * (1 + JITTER)
"""Where a timeout that starts now ends."""

SETTINGS = RaftSettings(
    heartbeat_interval_seconds=HEARTBEAT,
    election_timeout_seconds=TIMEOUT,
    append_retry_seconds=RETRY,
)


class CountingLog:
    """A log view that counts what a step asks of it."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.calls: Counter[str] = Counter()
        self.entries_read = 0

    def term_at(self, index):
        self.calls["term_at"] += 1
        return self.log.term_at(index)

    def entries(self, start, *, max_entries, max_bytes):
        self.calls["entries"] += 1
        found = self.log.entries(start, max_entries=max_entries, max_bytes=max_bytes)
        self.entries_read += len(found)
        return found

    def floor_of_term(self, index, term):
        self.calls["floor_of_term"] += 1
        return self.log.floor_of_term(index, term)

    @property
    def snapshot(self):
        self.calls["snapshot"] += 1
        return self.log.snapshot

    def snapshot_chunk(self, offset, max_bytes):
        self.calls["snapshot_chunk"] += 1
        return self.log.snapshot_chunk(offset, max_bytes)


class ListMachine:
    """A state machine that remembers each command with its index."""

    def __init__(self) -> None:
        self.applied: list[list] = []

    def apply(self, index, command):
        self.applied.append([index, command.decode()])
        return index

    def snapshot(self):
        return json.dumps(self.applied).encode()

    def restore(self, data):
        self.applied = json.loads(data) if data else []


def step_with(state, event, log, *, settings=SETTINGS, now=NOW, jitter=JITTER):
    """One pure step at the fixed clock: the new state and the effects."""
    return step(state, event, log=log, settings=settings, now=now, jitter=jitter)


class Rig:
    """One node, stepped and stored; what it sends goes nowhere, and nothing is applied unasked."""

    def __init__(self, state: NodeState, log: MemoryLog, settings: RaftSettings) -> None:
        self.settings = settings
        self.now = NOW
        self.storage = MemoryStorage(state, ListMachine())
        self.storage.log = log
        self.view = CountingLog(log)

    @property
    def state(self) -> NodeState:
        return self.storage.state

    @property
    def role(self):
        return self.state.role

    @property
    def node_id(self) -> str:
        return self.state.node_id

    @property
    def terms(self) -> str:
        """The terms of the entries that are kept, in the way a test writes them."""
        return " ".join(str(entry.term) for entry in self.storage.log.kept)

    def step(self, event, *, now=None, jitter=JITTER):
        self.now = self.now if now is None else now
        before = self.state
        after, effects = step_with(
            before, event, self.view, settings=self.settings, now=self.now, jitter=jitter
        )
        for effect in effects:
            if not isinstance(effect, Apply):
                self.storage.write(effect)
        self.storage.save(before, after, effects)
        return effects

    def receive(
        self, sender, message, *, incarnation="", version=1, meant_for="", generation="", now=None
    ):
        own = self.node_id
        found = Envelope(sender, incarnation, own, meant_for, version, message, generation)
        return self.step(Receive(found), now=now)

    def apply(self):
        """Apply all that is committed, and tell the core."""
        applied = self.storage.apply(self.state.last_applied + 1, self.state.commit_index)
        return self.step(applied)


# -- values


def entry(index, term, command=None, configuration=None):
    if configuration is not None:
        return Entry(index, term, configuration=configuration)
    return Entry(index, term, f"{index}.{term}".encode() if command is None else command)


def entries(terms, start=1):
    """One entry of each of these terms, "1 1 2" or [1, 1, 2], from index `start` on."""
    found = terms.split() if isinstance(terms, str) else terms
    return tuple(entry(start + offset, int(term)) for offset, term in enumerate(found))


def members(voters="abc", learners="", index=0):
    every = [Member(each) for each in voters] + [Member(each, voter=False) for each in learners]
    return Configuration(tuple(sorted(every, key=lambda each: each.node_id)), index)


def snapshot_meta(index, term, data, configuration=None):
    return SnapshotMeta(index, term, configuration or members(), len(data), digest_of(data))


def log_of(terms, *, compacted=0, snapshot=b"snapshot", configuration=None, every=None):
    """A stored log; its first `compacted` entries are only in the snapshot."""
    log = MemoryLog()
    every = every if every is not None else entries(terms)
    if every:
        log.append(every)
    if compacted:
        term = log.term_at(compacted)
        log.store_snapshot(
            snapshot_meta(compacted, term, snapshot, configuration), snapshot, compacted + 1
        )
    return log


def follower(*, role=None, leader_id=None, heard_at=None, deadline=NOW + TIMEOUT, **values):
    """A follower that hears `leader_id`, if one is given."""
    if leader_id is not None and heard_at is None:
        heard_at = NOW
    return _node(role or Follower(deadline, leader_id, heard_at), **values)


def pre_candidate(*, votes="a", deadline=NOW + TIMEOUT, **values):
    return _node(PreCandidate(deadline, frozenset(votes)), **values)


def candidate(*, votes="a", deadline=NOW + TIMEOUT, **values):
    return _node(Candidate(deadline, frozenset(votes)), **{"voted_for": "a", **values})


def leader(*, term, log, match=None, contact_at=NOW, reads=(), transfer=None, **values):
    """A leader that takes its peers to hold its whole log, and knows it of those in `match`."""
    terms = [int(each) for each in log.split()] if isinstance(log, str) else list(log)
    node = _node(Follower(0.0), term=term, log=terms, **{"voted_for": "a", **values})
    state = node.state
    progress = {
        peer: Progress(
            next_index=(match or {}).get(peer, len(terms)) + 1,
            match_index=(match or {}).get(peer, 0),
            contact_at=contact_at,
            sent_commit=state.commit_index,
        )
        for peer in state.configuration.by_id
        if peer != state.node_id
    }
    role = Leader(terms.index(term) + 1, NOW + HEARTBEAT, progress, tuple(reads), transfer)
    node.storage.state = node.storage.durable_state = replace(state, role=role)
    return node


def _node(
    role,
    *,
    node_id="a",
    term=1,
    voted_for=None,
    log="",
    commit=0,
    applied=None,
    voters="abc",
    learners="",
    configuration=None,
    previous=None,
    compacted=0,
    snapshot=b"snapshot",
    every=None,
    settings=SETTINGS,
    **more,
):
    configuration = configuration or members(voters, learners)
    stored = log_of(log, compacted=compacted, snapshot=snapshot, every=every)
    last = stored.kept[-1].index if stored.kept else stored.base_index
    state = NodeState(
        node_id=node_id,
        role=role,
        current_term=term,
        voted_for=voted_for,
        last_log_index=last,
        last_log_term=stored.term_at(last),
        commit_index=commit,
        last_applied=commit if applied is None else applied,
        configuration=configuration,
        previous_configuration=previous or configuration,
        snapshot_index=compacted,
        **more,
    )
    node = Rig(state, stored, settings)
    if not compacted and state.last_applied:
        node.storage.apply(1, state.last_applied)
    return node


# -- messages


def envelope(sender, recipient, message, *, incarnation="", recipient_incarnation="", version=1):
    return Envelope(sender, incarnation, recipient, recipient_incarnation, version, message)


def reply(recipient, message, **more):
    return Reply(envelope("a", recipient, message, **more))


def send(recipient, message, **more):
    return Send(envelope("a", recipient, message, **more))


def append_entries(term, *, prev=(0, 0), terms="", commit=0, read_id=""):
    """AppendEntries after the entry `prev` = (index, term), with entries of these terms."""
    return AppendEntries(term, prev[0], prev[1], entries(terms, prev[0] + 1), commit, read_id)


def success(term, match, *, prev=0, read_id=""):
    return AppendEntriesResponse(term, True, match, prev, read_id=read_id)


def refusal(term, *, prev, hint=(0, 0)):
    return AppendEntriesResponse(term, False, 0, prev, *hint)


def of_type(effects, kind):
    return [effect for effect in effects if isinstance(effect, kind)]


def messages_to(effects, recipient, kind=object):
    """What is sent to a peer, requests and replies, in order."""
    return [
        effect.envelope.message
        for effect in of_type(effects, (Send, Reply))
        if effect.envelope.recipient == recipient and isinstance(effect.envelope.message, kind)
    ]


def talk(nodes, effects, *, among=None, lost=None):
    """Deliver what was sent, and what that leads to, until all is quiet; what was delivered.

    Only the nodes named in `among` are reached; the message number `lost` (from 0) is not.
    """
    reached = set(nodes if among is None else among)
    under_way = deque(each.envelope for each in of_type(effects, (Send, Reply)))
    delivered = []
    while under_way:
        found = under_way.popleft()
        if len(delivered) == lost:
            lost = None
        elif {found.sender, found.recipient} <= reached:
            assert len(delivered) < 10_000, "they do not stop talking"
            delivered.append(found)
            more = nodes[found.recipient].step(Receive(found))
            under_way.extend(each.envelope for each in of_type(more, (Send, Reply)))
    return delivered
