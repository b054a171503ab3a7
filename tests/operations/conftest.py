"""A node among peers that answer as a test says, as the node of this process."""

import pytest
from django.test import override_settings

from raft_config import node as nodes
from raft_config import proposals
from raft_config.operations import run

from ..peers import SECRETS, URLS, Clock, Peers, elect, make_node


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
def node(raft_settings, peers, monkeypatch):
    """It has not heard of anybody."""
    found = make_node(peers, clock=Clock())
    for module in (nodes, proposals, run):
        monkeypatch.setattr(module, "get_node", lambda: found)
    yield found
    found.close()


@pytest.fixture
def leader(node):
    elect(node)
    return node
