"""The leader finds out that a node has applied something else; and that it has not."""

import logging

import pytest
from django.test import override_settings

from raft_config import agreement, status
from raft_config.agreement import Comparison, conclude
from raft_config.models import Event, Node

from .peers import SECRETS, URLS, Peers, adopt, elect, eventually, make_node
from .test_picture import said

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def raft_settings(tmp_path):
    config = {"NODE_ID": "a", "PEERS": URLS, "SECRETS": SECRETS, "VERSION_FILE": tmp_path / "v"}
    with override_settings(RAFT_CONFIG=config):
        yield


@pytest.fixture
def node():
    made = adopt(make_node(Peers()))
    elect(made)
    yield made
    made.close()


def told():
    kinds = ("disagreement", "agreement")
    return [(each.kind, each.subject) for each in Event.objects.filter(kind__in=kinds)][::-1]


def answers(node, **hashes):
    index, own = node.storage.applied_hash()
    return {
        each: said(each, last_applied=index, values_hash=own + more)
        for each, more in hashes.items()
    }


def test_equal_hashes_at_the_same_index_are_nothing_to_tell(node):
    conclude(node, (0, 0), answers(node, b=0, c=0))
    assert told() == []


def test_another_hash_at_the_same_index_is_an_alarm_told_once(node, caplog):
    for _ in range(3):
        conclude(node, (0, 0), answers(node, b=0, c=1))
    assert told() == [("disagreement", "c")]
    assert status.read().disagreement == "c"
    assert [each.levelno for each in caplog.records if each.levelno >= logging.ERROR] == [
        logging.CRITICAL
    ]


def test_alarm_ends_when_that_node_is_found_equal(node):
    conclude(node, (0, 0), answers(node, c=1))
    conclude(node, (0, 0), answers(node, b=0))  # of c nothing is known
    assert status.read().disagreement == "c"
    conclude(node, (0, 0), answers(node, c=0))
    assert told() == [("disagreement", "c"), ("agreement", "c")]
    assert status.read().disagreement == ""


def test_node_at_another_index_tells_nothing(node):
    conclude(node, (0, 0), {"c": said("c", last_applied=999, values_hash=1)})
    assert told() == []


def test_peer_may_stand_where_this_node_stood_when_it_asked(node):
    before = node.storage.applied_hash()
    Node.objects.update(values_hash=77, last_applied=before[0] - 1)
    level = said("c", last_applied=before[0], values_hash=before[1])
    conclude(node, before, {"c": level})
    assert told() == []
    conclude(node, before, {"c": said("c", last_applied=before[0], values_hash=before[1] + 1)})
    assert told() == [("disagreement", "c")]


def test_driver_of_the_leader_asks_and_concludes_without_waiting(node):
    index, own = node.storage.applied_hash()
    for peer, more in (("b", 0), ("c", 1)):
        node.transport.facts[peer] = {"last_applied": index, "values_hash": own + more}
    comparison = Comparison()

    def found():
        comparison.go_on()
        return told()

    assert eventually(found) == [("disagreement", "c")]
    asked = len(node.transport.calls)
    comparison.go_on()
    assert len(node.transport.calls) == asked, f"again before {agreement.COMPARED_SECONDS} s"


def test_follower_compares_nothing(raft_settings):
    made = adopt(make_node(Peers()))
    try:
        Comparison().go_on()
        assert made.transport.calls == []
    finally:
        made.close()
