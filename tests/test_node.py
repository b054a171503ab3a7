"""A node at work on its database, among peers that answer as each test says."""

import threading

import pytest
from django.db import connections
from django.test import override_settings

from raft_config.core import messages
from raft_config.core.events import Receive
from raft_config.exceptions import NotLeaderError, UnavailableError

from .peers import SECRETS, URLS, Peers, elect, eventually, from_peer, make_node, reply_to

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def raft_settings(tmp_path):
    config = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "VERSION_FILE": tmp_path / "version",
    }
    with override_settings(RAFT_CONFIG=config):
        yield


@pytest.fixture
def peers():
    return Peers()


@pytest.fixture
def make(peers):
    """Makes nodes of one database: as many processes of the node."""
    made = []

    def make(peers=peers, **more):
        made.append(make_node(peers, **more))
        return made[-1]

    yield make
    for node in made:
        node.close()


@pytest.fixture
def node(make):
    return make()


@pytest.fixture
def leader(node):
    elect(node)
    return node


def in_thread(function):
    """Start it in a thread of its own; call what is returned for what it gave or raised."""
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:  # noqa: BLE001 - told below
            found.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(20)
        (only,) = found
        return only

    return result


# -- linearizable reads


def test_read_stands_at_the_last_index_once_a_majority_has_answered(leader):
    assert leader.read_index(timeout_seconds=5) == leader.state.last_log_index


def test_read_is_confirmed_by_a_round_that_another_process_completes(leader, make):
    """Each process steps the answers to what it has sent; the row tells the others."""
    silent = Peers()
    silent.down = {"b", "c"}
    waiting = make(silent)
    wait = in_thread(lambda: waiting.read_index(timeout_seconds=20))
    eventually(lambda: silent.sent)
    leader.clock.skipped += 0.3
    leader.tick()
    assert wait() == leader.state.last_log_index


def test_read_without_a_majority_is_unavailable(leader, peers):
    peers.down = {"b", "c"}
    with pytest.raises(UnavailableError, match="try again"):
        leader.read_index(timeout_seconds=0.05)


def test_read_fails_at_once_when_leadership_is_lost(leader, make, peers):
    silent = Peers()
    silent.down = {"b", "c"}
    waiting = make(silent)
    wait = in_thread(lambda: waiting.read_index(timeout_seconds=60))
    eventually(lambda: silent.sent)
    envelope, _ = silent.sent[-1]
    deposed = messages.AppendEntriesResponse(leader.state.current_term + 1, success=False)
    leader.take(Receive(reply_to(envelope, deposed)))
    assert isinstance(wait(), NotLeaderError)


def test_read_on_a_follower_names_the_leader(node):
    node.receive(from_peer(node, messages.AppendEntries(1, 0, 0, (), 0)))
    with pytest.raises(NotLeaderError, match="b leads"):
        node.read_index(timeout_seconds=5)
