"""Nodes that follow etcd do not speak to each other: each compares with what another left there."""

import pytest

from raft_config import agreement, config, picture, status
from raft_config.agreement import Comparison
from raft_config.models import Event

from .server import needs_etcd

pytestmark = needs_etcd


@pytest.fixture
def compare(etcd_node, monkeypatch):
    """Ask, and conclude once etcd has answered."""
    monkeypatch.setattr(agreement, "COMPARED_SECONDS", 0.0)
    comparison = Comparison()

    def ask_and_conclude():
        comparison.go_on()
        for each in comparison._under_way.values():
            each.result(timeout=10)
        comparison.go_on()

    return ask_and_conclude


def told():
    kinds = ("disagreement", "agreement")
    return [(each.kind, each.subject) for each in Event.objects.filter(kind__in=kinds)][::-1]


def test_node_leaves_the_hash_of_its_values_for_the_others(etcd_node):
    config.set("LIMIT", 20)
    etcd_node.run_for(0.1)
    assert etcd_node.etcd.told_hash() == etcd_node.storage.applied_hash()


def test_node_that_is_behind_leaves_the_hash_that_is_there(etcd_node):
    etcd_node.pull()
    etcd_node.etcd.tell_hash(12, 345)
    for index in (9, 12):
        etcd_node.etcd.tell_hash(index, 1)
    assert etcd_node.etcd.told_hash() == (12, 345)
    etcd_node.etcd.tell_hash(100, -6)
    assert etcd_node.etcd.told_hash() == (100, -6)


def test_another_hash_of_the_same_index_is_an_alarm_until_they_agree_again(etcd_node, compare):
    config.set("LIMIT", 20)
    index, values_hash = etcd_node.storage.applied_hash()
    etcd_node.etcd.tell_hash(index, values_hash + 1)  # as a node whose database is another
    compare()
    assert told() == [("disagreement", "etcd")]
    assert status.read().disagreement == "etcd"
    assert {each.node_id for each in picture.look().nodes if each.disagrees} == {"a", "etcd"}
    config.set("LIMIT", 21)
    etcd_node.run_for(0.1)
    compare()
    assert told() == [("disagreement", "etcd"), ("agreement", "etcd")]
    assert not [each for each in picture.look().nodes if each.disagrees]


def test_hash_of_another_index_tells_nothing(etcd_node, compare):
    config.set("LIMIT", 20)
    etcd_node.etcd.tell_hash(999, 1)
    compare()
    assert told() == []
