"""A node among peers that answer as a test says, as the node of this process."""

import sys

import pytest
from django.test import override_settings

from raft_config.core import messages

from ..cli.conftest import Stdin
from ..peers import SECRETS, URLS, Clock, Peers, adopt, append, elect, from_peer, make_node


@pytest.fixture
def raft_settings(tmp_path, transactional_db):
    config = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "VERSION_FILE": str(tmp_path / "version"),
        "WRITE_TIMEOUT_SECONDS": 4.0,
    }
    with override_settings(RAFT_CONFIG=config):
        yield config


@pytest.fixture
def peers():
    return Peers()


@pytest.fixture
def node(raft_settings, peers):
    """It has not heard of anybody."""
    found = adopt(make_node(peers, clock=Clock()))
    yield found
    found.close()


@pytest.fixture
def leader(node):
    elect(node)
    return node


@pytest.fixture
def terminal(monkeypatch):
    """A function that says what a person types, one line per question."""

    def types(*answers):
        lines = "".join(f"{each}\n" for each in answers)
        monkeypatch.setattr(sys, "stdin", Stdin(lines, is_terminal=True))

    return types


def newcomer(peers, node_id="d", **more):
    """A node that waits to be let in."""
    peers.facts[node_id] = {"is_newcomer": True, "incarnation": f"life of {node_id}", **more}


def let_take_over(node, peers, successor="b"):
    """A peer that is told to campaign wins."""
    send = peers.send

    def answer(envelope, base_url):
        reply = send(envelope, base_url)
        if isinstance(envelope.message, messages.TimeoutNow):
            term = envelope.message.term + 1
            node.receive(from_peer(node, append(term), sender=successor))
        return reply

    peers.send = answer
