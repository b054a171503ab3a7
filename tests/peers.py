"""Peers that answer as a test says: a `Transport` without a network, and nodes that use it."""

from __future__ import annotations

import os
import time

from raft_config import __version__
from raft_config import node as nodes
from raft_config.conf import get_config
from raft_config.core import messages
from raft_config.core.messages import Envelope
from raft_config.exceptions import PeerUnavailableError
from raft_config.node import Node
from raft_config.state_machine import Command, encode_command

PATIENCE_SECONDS = 20.0
"""How long a test waits for what must happen, on a machine that is busy with others."""

SECRETS = ["for the tests only, and long enough for that"]
URLS = {name: f"http://{name}.test/raft" for name in "abc"}


def eventually(condition):
    """Wait until that is true; returns what it gave."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
    return found


class Clock:
    """The real time, and what a test has skipped of it."""

    def __init__(self):
        self.skipped = 0.0

    def __call__(self):
        return time.time() + self.skipped


def consent(message):
    """The answer of a peer that agrees with everything."""
    term = message.term
    if isinstance(message, messages.RequestPreVote):
        return messages.PreVoteResponse(term, candidate_term=term, vote_granted=True)
    if isinstance(message, messages.RequestVote):
        return messages.RequestVoteResponse(term, vote_granted=True)
    if isinstance(message, messages.AppendEntries):
        return messages.AppendEntriesResponse(
            term,
            success=True,
            match_index=message.prev_log_index + len(message.entries),
            prev_log_index=message.prev_log_index,
            read_id=message.read_id,
        )
    assert isinstance(message, messages.TimeoutNow)
    return messages.TimeoutNowResponse(term)


class Peers:
    """All peers of a node: `down` ones do not answer, `answers` says what a call is told."""

    def __init__(self):
        self.down = set()
        self.answers = {"ping": lambda **_: {"term": 0}}
        self.found = {}
        self.facts = {}
        self.sent = []
        self.calls = []

    def send(self, envelope, base_url):
        self.sent.append((envelope, base_url))
        self._require_up(envelope.recipient)
        return reply_to(envelope, consent(envelope.message))

    def call(self, receiver_id, base_url, name, payload, timeout_seconds):
        self.calls.append((receiver_id, base_url, name, payload))
        self._require_up(receiver_id)
        if name == "describe":
            return {**facts(receiver_id), **self.facts.get(receiver_id, {})}
        return self.answers[name](**payload)

    def identify(self, base_url):
        return self.found[base_url]

    def _require_up(self, peer):
        if peer in self.down:
            raise PeerUnavailableError(f"{peer} is down")


def facts(node_id):
    """What a peer says of itself that is a follower, and well."""
    return {
        "node_id": node_id,
        "incarnation": f"life of {node_id}",
        "generation": "",
        "role": "follower",
        "term": 1,
        "leader_id": "a",
        "last_log_index": 3,
        "last_log_term": 1,
        "commit_index": 3,
        "last_applied": 3,
        "snapshot_index": 0,
        "is_newcomer": False,
        "may_lead": True,
        "drained": False,
        "halted_by": "",
        "release": __version__,
        "version": 1,
        "clock_ms": int(time.time() * 1000),
        "signs_with": "",
        "verifies": (),
        "members": ("a", "b", "c"),
        "up": (),
        "values_hash": 0,
        "log_entries": 3,
        "log_bytes": 0,
        "snapshot_bytes": 0,
        "is_driven": True,
        "late_ms": 0,
        "is_rolled_back": False,
    }


def reply_to(envelope, message):
    return Envelope(
        envelope.recipient,
        f"life of {envelope.recipient}",
        envelope.sender,
        envelope.sender_incarnation,
        envelope.version,
        message,
        envelope.generation,
    )


def from_peer(node, message, sender="b"):
    """A message of a peer, as it arrives at the node."""
    return Envelope(sender, f"life of {sender}", node.node_id, node.incarnation, 1, message)


def append(term, *entries, previous=(0, 0), commit=0):
    return messages.AppendEntries(term, *previous, entries, commit)


def make_node(peers, clock=None, jitter=0.5):
    """A node of the configuration in force, to be closed."""
    clock = clock or Clock()
    return Node(get_config(), peers, clock=clock, monotonic=clock, jitter=lambda: jitter)


def elect(node):
    """Let the node's patience end, and its peers consent."""
    node.clock.skipped += 10.0

    def leads():
        node.tick()
        return node.state.is_leader

    def has_settled():
        state = node.state
        up = URLS.keys() - node.transport.down - {node.node_id}
        known = {each.node_id for each in state.configuration.members if each.incarnation}
        stored = {each: state.role.progress[each].match_index for each in up}
        levels = {state.commit_index, *stored.values()}
        return levels == {state.last_log_index} and known >= up

    eventually(leads)
    eventually(has_settled)


def put(name, text, request_id=None):
    return encode_command(Command(request_id or f"{name} {text}", {name: text}))


def adopt(node):
    """Let this be what `get_node()` gives to the process, while the settings stay."""
    nodes._nodes.clear()
    nodes._nodes[os.getpid(), id(get_config())] = node
    return node
