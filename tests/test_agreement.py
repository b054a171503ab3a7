"""The leader finds out that a node has applied something else; and that it has not."""

import logging

import pytest

from raft_config import agreement, status
from raft_config.agreement import Comparison, conclude
from raft_config.models import Event, Node
from raft_config.state_machine import Value
from raft_config.storage.machine import HASHES, hash_of
from raft_config.storage.transaction import CHECKED_ENTRIES

from .peers import Peers, adopt, elect, eventually, make_node, put
from .test_picture import said

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("raft_settings")]


@pytest.fixture
def node(one_of_three):
    elect(one_of_three)
    return one_of_three


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
    conclude(node, {}, answers(node, b=0, c=0))
    assert told() == []


def test_another_hash_at_the_same_index_is_an_alarm_told_once(node, caplog):
    for _ in range(3):
        conclude(node, {}, answers(node, b=0, c=1))
    assert told() == [("disagreement", "c")]
    assert status.read().disagreement == "c"
    assert [each.levelno for each in caplog.records if each.levelno >= logging.ERROR] == [
        logging.CRITICAL
    ]


def test_alarm_ends_when_that_node_is_found_equal(node):
    conclude(node, {}, answers(node, c=1))
    conclude(node, {}, answers(node, b=0))  # of c nothing is known
    assert status.read().disagreement == "c"
    conclude(node, {}, answers(node, c=0))
    assert told() == [("disagreement", "c"), ("agreement", "c")]
    assert status.read().disagreement == ""


def test_node_at_another_index_tells_nothing(node):
    conclude(node, {}, {"c": said("c", last_applied=999, values_hash=1)})
    assert told() == []


def test_peer_may_stand_where_this_node_stood_when_it_asked(node):
    before = node.storage.applied_hash()
    stood = dict([before])
    node.courier.close()  # a reply on its way would apply the last entry again
    Node.objects.update(values_hash=77, last_applied=before[0] - 1)
    level = said("c", last_applied=before[0], values_hash=before[1])
    conclude(node, stood, {"c": level})
    assert told() == []
    conclude(node, stood, {"c": said("c", last_applied=before[0], values_hash=before[1] + 1)})
    assert told() == [("disagreement", "c")]


def put_many(node, count):
    """So many entries more, of which none is level with a peer."""
    for first in range(0, count, 64):
        batch = [put("X", str(each), f"{first}-{each}") for each in range(64)]
        node.propose(batch, timeout_seconds=20)


def test_under_a_stream_of_writes_the_last_remembered_hash_is_compared(node):
    put_many(node, CHECKED_ENTRIES + 64)
    index, own = node.storage.checked_hash()
    assert index == CHECKED_ENTRIES < node.storage.applied_hash()[0]
    lagging = {"last_applied": index + 3, "values_hash": 1, "checked_index": index}
    conclude(node, {}, {"c": said("c", checked_hash=own, **lagging)})
    assert told() == []
    conclude(node, {}, {"c": said("c", checked_hash=own + 1, **lagging)})
    assert told() == [("disagreement", "c")]
    conclude(node, {}, {"c": said("c", checked_hash=own, **lagging)})
    assert told()[-1] == ("agreement", "c")


def test_remembered_hash_is_that_of_its_index_however_many_entries_came_at_once(node):
    """Every node cuts its batches there: it is the hash that was at that index, not later."""
    sizes = (CHECKED_ENTRIES - node.state.last_applied - 1, 2)
    for number, size in enumerate(sizes):
        batch = [put("X", str(each), f"{number}-{each}") for each in range(size)]
        node.propose(batch, timeout_seconds=20)
        if number == 0:
            before = node.storage.values()
    assert node.storage.applied_hash()[0] == CHECKED_ENTRIES + 1
    at = {**before, "X": Value("0", CHECKED_ENTRIES)}
    assert node.storage.checked_hash() == (CHECKED_ENTRIES, hash_of(at) % HASHES)


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
