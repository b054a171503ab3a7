"""The database does what memory does: every event gives the same state, effects, log and values."""

import random

import pytest

from raft_config.core.effects import (
    Apply,
    Compact,
    Restore,
    StoreChunk,
    must_be_durable,
)

from .helpers import Chaos, assert_equal_storage, storage_of

pytestmark = pytest.mark.django_db(transaction=True)


class Shadow:
    """Takes each event through the database as well, and compares."""

    def __init__(self, node, seed):
        self.node = node
        self.dice = random.Random(seed)
        self.database = storage_of(node.state)
        self.seen = set()
        node.shadow = self

    def __call__(self, event, now, jitter, before, effects):
        found_before, after, found = self.database.perform(
            event,
            settings=self.node.settings,
            now=now,
            jitter=jitter,
            likely_durable=self.dice.random() < 0.5,
        )
        assert found_before == before
        assert after == self.node.state
        assert found == effects
        self.seen.update(type(effect) for effect in effects)
        is_notable = must_be_durable(before, after, effects) or Apply in map(type, effects)
        if is_notable or self.dice.random() < 0.1:
            assert_equal_storage(self.node.storage, self.database)


@pytest.mark.parametrize("seed", range(4))
def test_random_events_give_the_same_in_the_database_and_in_memory(seed):
    chaos = Chaos(seed)
    shadow = Shadow(chaos.nodes["a"], seed)
    for _ in range(1000):
        chaos.step()
    assert_equal_storage(shadow.node.storage, shadow.database)
    assert shadow.node.state.last_applied > 20, "nothing happened: the seed proves little"
    assert shadow.node.storage.machine.history


def test_node_that_missed_everything_takes_the_same_snapshot():
    chaos = Chaos(9)
    late = chaos.nodes.pop("c")
    for _ in range(600):
        chaos.step()
    chaos.nodes["c"] = late
    shadow = Shadow(late, 9)
    for _ in range(900):
        chaos.step()
    assert {StoreChunk, Restore} <= shadow.seen
    assert_equal_storage(late.storage, shadow.database)


def test_leader_sends_its_snapshot_from_the_database_as_from_memory():
    chaos = Chaos(9)
    shadow = Shadow(chaos.nodes["a"], 9)
    late = chaos.nodes.pop("c")
    for _ in range(800):
        chaos.step()
    chaos.nodes["c"] = late
    for _ in range(900):
        chaos.step()
    assert Compact in shadow.seen
    assert_equal_storage(shadow.node.storage, shadow.database)
