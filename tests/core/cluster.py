"""Whole clusters in memory, for the scenarios that need time to pass."""

from __future__ import annotations

import random

from raft_config.core import RaftSettings
from raft_config.memory import MemoryNetwork, MemoryNode, MemoryStateMachine
from raft_config.state_machine import Command, encode_command

QUICK = RaftSettings(
    heartbeat_interval_seconds=0.1, election_timeout_seconds=0.5, append_retry_seconds=0.2
)


def put(name, text, request_id=None, **more):
    """A command that sets one name."""
    return encode_command(Command(request_id or f"{name}={text}", {name: text}, **more))


def add_node(network, node_id, **options):
    dice = random.Random(node_id)
    return network.add(
        MemoryNode(node_id, network, **{"settings": QUICK, "jitter": dice.random, **options})
    )


def cluster(node_ids="abc", **options):
    """A network of nodes that know each other from the start, before any time has passed."""
    network = MemoryNetwork()
    for node_id in node_ids:
        add_node(network, node_id, **{"members": list(node_ids), **options})
    return network


def leaders(network, among=None):
    return [
        node
        for node in network.nodes.values()
        if node.is_leader and node.node_id in (among or node.node_id)
    ]


def elect(network, among=None):
    """Run until exactly one of these nodes leads and the others follow it; that node."""
    chosen = [node for node in network.nodes.values() if node.node_id in (among or network.nodes)]

    def agreed():
        found = {node.state.leader_id for node in chosen}
        return len(found) == 1 and found <= {node.node_id for node in chosen}

    network.run_until(agreed)
    return network.nodes[chosen[0].state.leader_id]


def write(network, node, name, text, **more):
    """Propose at this node, and wait until it is applied there; the answer."""
    ticket = node.propose(put(name, text, **more))
    network.run_until(lambda: ticket.is_done)
    return ticket.result()


def values(node):
    """What the node's settings are now."""
    machine = node.storage.machine
    assert isinstance(machine, MemoryStateMachine)
    return {name: value.text for name, value in machine.values.items()}


def log_terms(node):
    return [entry.term for entry in node.storage.log.kept]


def settle(network, among=None):
    """Run until these nodes have stored and applied the same."""
    chosen = [node for node in network.nodes.values() if node.node_id in (among or network.nodes)]

    def equal():
        places = {
            (node.state.last_log_index, node.state.last_log_term, node.state.last_applied)
            for node in chosen
        }
        place = next(iter(places))
        return len(places) == 1 and place[0] == place[2]

    network.run_until(equal)


def others(network, *node_ids):
    return [node for node in network.nodes.values() if node.node_id not in node_ids]
