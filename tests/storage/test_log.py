"""The log in its table: the same answers as in memory, and no row more than was asked for."""

import random

import pytest
from django.db import connection

from raft_config.core.events import Receive
from raft_config.core.log import Entry, SnapshotMeta
from raft_config.core.messages import Envelope, InstallSnapshot, InstallSnapshotResponse
from raft_config.core.state import IncomingSnapshot
from raft_config.exceptions import InvariantViolatedError
from raft_config.memory import MemoryLog
from raft_config.memory.storage import digest_of
from raft_config.models import LogEntry, SnapshotChunk
from raft_config.storage.log import STORED_CHUNK_BYTES, DatabaseLog

from ..core.build import members
from .helpers import AT, IS_SQLITE, sent, state_of, storage_of

pytestmark = pytest.mark.django_db(transaction=True)


def meta_of(index, term, data):
    return SnapshotMeta(index, term, members(), len(data), digest_of(data))


def logs(dice, compacted=0):
    """The same random log in memory and in the database."""
    memory, database = MemoryLog(), DatabaseLog("default", (0, 0))
    term, entries = 1, []
    for index in range(1, 41):
        term += dice.random() < 0.2
        entries.append(Entry(index, term, bytes(dice.randrange(200))))
    memory.append(entries)
    database.append(entries, replacing=False)
    if compacted:
        meta = meta_of(compacted, memory.term_at(compacted), b"data")
        memory.store_snapshot(meta, b"data", compacted + 1)
        base = database.compact(meta, b"data", compacted + 1)
        assert base == (memory.base_index, memory.base_term) == database.base
    return memory, database


@pytest.mark.parametrize("compacted", [0, 1, 17, 40])
def test_every_question_gets_the_same_answer_as_in_memory(compacted):
    dice = random.Random(compacted)
    memory, database = logs(dice, compacted)
    for index in range(44):
        assert database.term_at(index) == memory.term_at(index)
        term = dice.randrange(12)
        assert database.floor_of_term(index, term) == memory.floor_of_term(index, term)
        if index > compacted:
            bounds = {"max_entries": dice.randrange(1, 9), "max_bytes": dice.randrange(1, 900)}
            found = database.entries(index, **bounds)
            assert tuple(found) == tuple(memory.entries(index, **bounds))
    assert database.snapshot == memory.snapshot


def test_entries_below_the_base_are_not_mistaken_for_those_asked_for():
    _, database = logs(random.Random(1), 17)
    assert database.entries(5, max_entries=20, max_bytes=10_000) == ()


def test_rows_beyond_the_bounds_are_not_loaded():
    """A batch bounded by bytes costs those bytes, however large its neighbours are."""
    database = DatabaseLog("default")
    database.append([Entry(index, 1, bytes(1000)) for index in range(1, 50)], replacing=False)
    loaded = []
    original = Entry.__init__

    def rows(self, *arguments):
        loaded.append(arguments[0])
        original(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Entry, "__init__", rows)
        assert len(database.entries(10, max_entries=30, max_bytes=3 * 1064)) == 3
    assert loaded == [10, 11, 12]


@pytest.mark.skipif(not IS_SQLITE, reason="PostgreSQL plans by statistics, and reads small tables")
@pytest.mark.parametrize(
    "question",
    [
        lambda log: log.term_at(30),
        lambda log: log.floor_of_term(30, 3),
        lambda log: log.entries(30, max_entries=5, max_bytes=500),
    ],
)
def test_questions_use_the_index(question):
    """SQLite tells: SEARCH uses an index, SCAN of the table reads it all."""
    _, database = logs(random.Random(2))
    plans = []

    def explain(execute, sql, params, many, context):
        cursor = connection.connection.execute(
            "EXPLAIN QUERY PLAN " + sql.replace("%s", "?"), params
        )
        plans.extend(row[3] for row in cursor.fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        question(database)
    assert any("SEARCH" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith("SCAN raft")]


# -- snapshots


def test_snapshot_of_many_rows_is_read_from_any_byte():
    dice = random.Random(3)
    data = dice.randbytes(2 * STORED_CHUNK_BYTES + 1000)
    database = DatabaseLog("default", (0, 0))
    database.append([Entry(1, 1)], replacing=False)
    database.compact(meta_of(1, 1, data), data, 1)
    assert SnapshotChunk.objects.count() == 3
    for offset in (0, 1, STORED_CHUNK_BYTES - 1, STORED_CHUNK_BYTES, len(data) - 1, len(data)):
        for size in (1, 1000, STORED_CHUNK_BYTES, len(data) + 1):
            assert database.snapshot_chunk(offset, size) == data[offset : offset + size]


def test_base_stays_when_the_snapshot_keeps_what_is_below_it():
    _, database = logs(random.Random(4), 17)
    assert database.compact(meta_of(30, 1, b"x"), b"x", 10) == database.base
    assert database.base[0] == 17
    assert LogEntry.objects.order_by("index").first().index == 18


def install(offset, data, whole):
    meta = meta_of(5, 1, whole)
    message = InstallSnapshot(1, meta, offset, data)
    return Receive(Envelope("b", "", "a", "", 1, message))


def test_snapshot_that_is_not_the_one_sent_is_refused_and_nothing_changes():
    storage = storage_of(state_of(current_term=1))
    whole = b"0123456789"
    storage.perform(install(0, b"01234", whole), **AT, likely_durable=False)
    before = storage.load()
    with pytest.raises(InvariantViolatedError, match="not the one that was sent"):
        storage.perform(install(5, b"wrong", whole), **AT, likely_durable=False)
    assert storage.load() == before


def test_chunks_of_a_snapshot_that_is_not_needed_any_more_are_forgotten():
    whole = b"0123456789"
    state = state_of(
        current_term=1,
        last_log_index=5,
        last_log_term=1,
        incoming=IncomingSnapshot(meta_of(5, 1, whole), 5),
    )
    storage = storage_of(state, [Entry(index, 1) for index in range(1, 6)])
    storage.log.store_chunk(0, b"01234")
    _, after, effects = storage.perform(install(5, b"56789", whole), **AT, likely_durable=False)
    assert after.incoming is None
    assert not SnapshotChunk.objects.exists()
    (answer,) = sent(effects)
    assert isinstance(answer.message, InstallSnapshotResponse)
    assert answer.message.installed


def test_size_counts_the_entries_that_are_stored_and_the_bytes_of_their_commands():
    database = DatabaseLog("default", (0, 0))
    assert database.size() == (0, 0)
    database.append([Entry(1, 1), Entry(2, 1, b"four"), Entry(3, 1, b"sevens!")], replacing=False)
    assert database.size() == (3, 11)
