"""Log and storage in memory: a power cut takes what was not made durable, and nothing else."""

from dataclasses import replace

import pytest

from raft_config.core.effects import (
    Append,
    Restore,
    RoleChanged,
    StoreChunk,
)
from raft_config.core.events import TakeSnapshot
from raft_config.core.state import IncomingSnapshot
from raft_config.exceptions import (
    InvariantViolatedError,
)
from raft_config.memory import MemoryLog

from .build import entries, follower, log_of, snapshot_meta

# -- the log


def test_log_knows_terms_from_its_base_to_its_end():
    log = log_of("1 1 2 3", compacted=2)
    assert [log.term_at(index) for index in range(6)] == [None, None, 1, 2, 3, None]
    assert log_of("").term_at(0) == 0


def test_log_gives_entries_within_both_bounds_but_at_least_one():
    log = log_of("1 1 2 3")
    assert log.entries(2, max_entries=2, max_bytes=10**6) == entries("1 1 2 3")[1:3]
    assert log.entries(2, max_entries=9, max_bytes=1) == entries("1 1 2 3")[1:2]
    assert log.entries(5, max_entries=9, max_bytes=1) == ()


@pytest.mark.parametrize(
    ("index", "term", "found"),
    [
        (4, 9, (4, 3)),
        (4, 2, (3, 2)),
        (3, 1, (2, 1)),
        (9, 2, (3, 2)),
        (2, 0, (1, 1)),
        (0, 5, (1, 1)),
    ],
)
def test_log_finds_the_last_entry_up_to_a_term(index, term, found):
    assert log_of("1 1 2 3", compacted=1).floor_of_term(index, term) == found


def test_log_replaces_everything_from_the_first_new_entry_on():
    log = log_of("1 1 2 2", compacted=1)
    log.append(entries("3", 3))
    assert [each.term for each in log.kept] == [1, 3]


def test_log_keeps_what_it_still_has_when_a_snapshot_keeps_more_than_there_is():
    log = log_of("1 1 2 2", compacted=2)
    log.store_snapshot(snapshot_meta(3, 2, b""), b"", 1)
    assert (log.base_index, len(log.kept)) == (2, 2)


def test_log_behind_a_snapshot_from_elsewhere_is_empty():
    log = MemoryLog()
    log.store_snapshot(snapshot_meta(7, 3, b"data"), b"data", 8)
    assert (log.base_index, log.base_term, log.kept) == (7, 3, [])
    assert log.snapshot_chunk(1, 2) == b"at"
    assert log.snapshot == snapshot_meta(7, 3, b"data")


# -- the storage


def storage(**values):
    return follower(**{"log": "1 1 1", "commit": 1, **values}).storage


def save(store, effects=(), **changes):
    after = replace(store.state, **changes)
    for effect in effects:
        store.write(effect)
    store.save(store.state, after, effects)
    return after


def test_power_cut_keeps_what_was_durable():
    store = storage()
    after = save(store, current_term=9)
    save(store, commit_index=3)
    store.crash()
    assert store.state == after


@pytest.mark.parametrize(("surviving", "commit_index"), [(0, 1), (1, 2), (2, 3), (9, 3)])
def test_power_cut_takes_relaxed_saves_together_and_in_order(surviving, commit_index):
    store = storage()
    save(store, commit_index=2)
    save(store, commit_index=3)
    store.crash(surviving=surviving)
    assert store.state.commit_index == commit_index


def test_durable_save_takes_the_relaxed_ones_before_it_with_it():
    store = storage()
    save(store, commit_index=3)
    save(store, [Append(entries("1", 4))], last_log_index=4)
    store.crash()
    assert (store.state.commit_index, store.state.last_log_index) == (3, 4)


def test_values_go_with_last_applied_in_a_power_cut():
    """Values and last_applied commit in one transaction (DESIGN §2.4)."""
    store = storage(commit=3, applied=1)
    store.apply(2, 3)
    save(store, last_applied=3)
    assert len(store.machine.applied) == 3
    store.crash()
    assert (store.state.last_applied, store.machine.applied) == (1, [[1, "1.1"]])


def test_power_cut_goes_back_to_the_snapshot_and_the_entries_behind_it():
    node = follower(term=1, log="1 1 1 1", commit=3, applied=2)
    node.step(TakeSnapshot())
    node.apply()
    node.storage.crash(surviving=9)
    assert [index for index, _ in node.storage.machine.applied] == [1, 2, 3]
    node.storage.state = replace(node.state, last_applied=2)
    node.storage.durable_state = node.storage.state
    node.storage.crash()
    assert [index for index, _ in node.storage.machine.applied] == [1, 2]


ONE, OTHER = b'[[1, "one"]]', b'[[2, "other"]]'


def test_power_cut_takes_chunks_with_the_state_that_counts_them():
    store = storage()
    meta = snapshot_meta(8, 1, ONE)
    save(store, [StoreChunk(0, ONE[:4])], incoming=IncomingSnapshot(meta, 4))
    save(store, [StoreChunk(4, ONE[4:8])], incoming=IncomingSnapshot(meta, 8))
    store.crash(surviving=1)
    assert store.state.incoming == IncomingSnapshot(meta, 4)
    save(store, [StoreChunk(4, ONE[4:]), Restore(meta)])
    assert store.machine.applied == [[1, "one"]]


def test_power_cut_between_two_snapshots_does_not_mix_their_chunks():
    store = storage()
    meta = snapshot_meta(8, 1, ONE)
    save(store, [StoreChunk(0, ONE[:4])], incoming=IncomingSnapshot(meta, 4))
    newer = IncomingSnapshot(snapshot_meta(9, 1, OTHER), 4)
    save(store, [StoreChunk(0, OTHER[:4])], incoming=newer)
    store.crash(surviving=1)
    assert store.state.incoming == IncomingSnapshot(meta, 4)
    save(store, [StoreChunk(4, ONE[4:]), Restore(meta)])
    assert store.machine.applied == [[1, "one"]]


def test_power_cut_without_a_snapshot_under_way_forgets_the_chunks():
    store = storage()
    store.write(StoreChunk(0, b"0123"))
    store.crash()
    assert store._chunks == b""


def test_snapshot_that_arrives_broken_is_never_restored():
    store = storage()
    store.write(StoreChunk(0, b"broken"))
    with pytest.raises(InvariantViolatedError, match="not the one that was sent"):
        store.write(Restore(snapshot_meta(9, 1, b"whole")))
    assert store.log.kept != []


def test_news_is_nothing_to_store():
    store = storage()
    store.write(RoleChanged("leader", 1))
    assert store.state.last_log_index == 3
