"""A database that begins anew: nothing of what was there is left, and all of what is to be."""

from dataclasses import replace

import pytest

from raft_config.core.configuration import Configuration, Member
from raft_config.core.events import Receive, Tick
from raft_config.core.log import Entry
from raft_config.core.messages import AppendEntries, Envelope
from raft_config.core.state import Follower
from raft_config.exceptions import InvariantViolatedError, UnknownCommandError
from raft_config.models import LogEntry, SnapshotChunk
from raft_config.models import Member as MemberRow
from raft_config.storage import DatabaseStorage, renewal
from raft_config.storage.machine import HASHES, hash_of
from raft_config.storage.renewal import begin_as_newcomer, begin_as_survivor, begin_from_backup
from raft_config.storage.transaction import digest_of

from .helpers import AT, put, state_of, storage_of

pytestmark = pytest.mark.django_db(transaction=True)

ALONE = Configuration((Member("a", incarnation="new"),), index=9, generation="g")


def founder(index=9, term=5):
    return state_of(
        role=Follower(0.0),
        incarnation="new",
        configuration=replace(ALONE, index=index),
        previous_configuration=replace(ALONE, index=index),
        current_term=term,
        last_log_index=index,
        last_log_term=term,
        commit_index=index,
        last_applied=index,
        snapshot_index=index,
    )


def settled():
    """A node with three entries, of which the last is not committed."""
    entries = [Entry(index, 1, put(f"N{index}", str(index))) for index in (1, 2, 3)]
    storage = storage_of(state_of(current_term=1, last_log_index=3, last_log_term=1), entries)
    heartbeat = Envelope("b", "", "a", "", 1, AppendEntries(1, 2, 1, (), 2))
    storage.perform(Receive(heartbeat), **AT, likely_durable=True)
    assert storage.load().last_applied == 2
    return storage


def lead(storage):
    """Alone, it elects itself, and commits what follows on its snapshot."""
    at = {**AT, "now": 1e9}
    for _ in range(3):
        storage.perform(Tick(), **at, likely_durable=True)
    state = storage.load()
    assert state.is_leader
    assert state.last_applied == state.last_log_index
    return state


def test_newcomer_has_nothing_left():
    storage = settled()
    nobody = Configuration(generation="g")
    fresh = state_of(incarnation="new", configuration=nobody, previous_configuration=nobody)
    begin_as_newcomer("default", fresh)
    assert storage.load() == fresh
    assert storage.digest() == (0, digest_of(renewal.NOTHING))
    assert not LogEntry.objects.exists()
    assert not MemberRow.objects.exists()


@pytest.mark.parametrize("chunk_bytes", [10, 1 << 20])
def test_backup_is_a_snapshot_of_a_cluster_of_one(monkeypatch, chunk_bytes):
    monkeypatch.setattr(renewal, "STORED_CHUNK_BYTES", chunk_bytes)
    other = settled()
    _, data = other.snapshot()
    storage = storage_of(state_of(current_term=7))
    begin_from_backup("default", founder(), data, [Entry(10, 5, put("MORE", "1"))])
    assert storage.log.snapshot.digest == digest_of(data)
    assert storage.log.snapshot_chunk(0, 1 << 20) == data
    assert storage.log.base == (9, 5)
    assert [row.node_id for row in MemberRow.objects.all()] == ["a"]
    state = lead(storage)
    assert (state.current_term, state.incarnation) == (6, "new")
    assert storage.values(["MORE"])["MORE"].index == 10


def test_backup_without_more_to_add_stands_at_its_founding():
    begin_from_backup("default", founder(), renewal.NOTHING)
    assert DatabaseStorage("default", state_of).load() == founder()


def test_survivor_keeps_all_of_its_log_committed_or_not():
    storage = settled()
    seen = []

    def found_anew(before):
        seen.append(before.last_log_index)
        return founder(index=4, term=5), [Entry(5, 5, put("AUDIT", "1"))]

    state = begin_as_survivor("default", found_anew)
    assert (seen, state.last_log_index) == ([3], 4)
    assert sorted(storage.values()) == ["N1", "N2", "N3"]
    assert not LogEntry.objects.filter(index__lte=4).exists()
    assert not SnapshotChunk.objects.filter(incoming=True).exists()
    lead(storage)
    assert "AUDIT" in storage.values()
    assert storage.applied_hash() == (6, hash_of(storage.values()) % HASHES)


def test_survivor_that_cannot_apply_its_log_changes_nothing():
    entries = [Entry(1, 1, put("N1")), Entry(2, 1, b'{"kind":"rename"}')]
    storage = storage_of(state_of(current_term=4, last_log_index=2, last_log_term=1), entries)
    before = storage.load()
    with pytest.raises(UnknownCommandError, match="Upgrade"):
        begin_as_survivor("default", lambda _: (founder(3), []))
    assert storage.load() == before
    assert storage.values() == {}


def test_survivor_whose_log_has_a_gap_or_is_missing_changes_nothing():
    with pytest.raises(InvariantViolatedError, match="there is none"):
        begin_as_survivor("default", lambda _: (founder(3), []))
    storage_of(state_of(current_term=4, last_log_index=2, last_log_term=1))
    with pytest.raises(InvariantViolatedError, match="Entry 1 is not stored"):
        begin_as_survivor("default", lambda _: (founder(3), []))


def test_digest_of_a_database_that_is_new_is_that_of_nothing():
    assert DatabaseStorage("default", state_of).digest() == (0, digest_of(renewal.NOTHING))
