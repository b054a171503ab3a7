"""After an error of the disk, what a failed flush may have dropped is written once more."""

import os
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from raft_config.core.events import Propose, Tick
from raft_config.storage import durability

from .helpers import AT, IS_SQLITE, state_of, storage_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not IS_SQLITE, reason="PostgreSQL ends itself when a flush fails"),
]


@pytest.fixture
def storage():
    return storage_of(state_of())


@pytest.fixture
def wal():
    return Path(f"{connection.settings_dict['NAME']}-wal")


@pytest.fixture
def flushed(monkeypatch):
    """The files that this process flushes itself; SQLite's own flushes are not seen here."""
    found = []

    def fsync(fd):
        found.append(Path(f"/proc/self/fd/{fd}").readlink())

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def fail(storage, text):
    def wrapper(execute, sql, params, many, context):
        raise OperationalError(text)

    with connection.execute_wrapper(wrapper), pytest.raises(OperationalError, match=text):
        storage.perform(Propose((b"x",)), **AT, likely_durable=True)


def test_wal_is_written_again_before_the_next_event_and_once(storage, wal, flushed):
    fail(storage, "disk I/O error")
    storage.perform(Tick(), **{**AT, "now": 0.0}, likely_durable=True)
    assert flushed == [wal]
    storage.perform(Tick(), **{**AT, "now": 0.0}, likely_durable=True)
    assert flushed == [wal]


def test_what_is_written_again_are_the_same_bytes(storage, wal, flushed):
    before = wal.read_bytes()
    durability.write_wal_again("default")
    assert (wal.read_bytes(), flushed) == (before, [wal])


def test_a_lock_that_did_not_come_is_no_error_of_the_disk(storage, flushed):
    fail(storage, "database is locked")
    storage.perform(Tick(), **{**AT, "now": 0.0}, likely_durable=True)
    assert flushed == []


def test_nothing_is_done_while_it_cannot_be_written(storage, wal, flushed, monkeypatch):
    before = storage.load()
    fail(storage, "disk I/O error")
    monkeypatch.setattr(durability, "_write_again", broken)
    for _ in range(2):
        with pytest.raises(OperationalError, match="still fails"):
            storage.perform(Tick(), **AT, likely_durable=True)
    assert storage.load() == before
    monkeypatch.undo()
    storage.perform(Tick(), **AT, likely_durable=True)
    assert storage.load() != before


def broken(_file):
    raise OSError("Input/output error")


def test_a_disk_without_room_is_told(tmp_path):
    class Full:
        def read(self, _size):
            return b"some"

        def seek(self, *_):
            pass

        def write(self, part):
            return len(part) - 1

    with pytest.raises(OSError, match="no room"):
        durability._write_again(Full())


def test_a_wal_that_is_gone_was_written_out(storage, tmp_path, flushed, monkeypatch):
    """SQLite flushes all, and removes it, when the last connection is closed."""
    fail(storage, "disk I/O error")
    monkeypatch.setitem(connection.settings_dict, "NAME", tmp_path / "gone")
    storage.perform(Tick(), **AT, likely_durable=True)
    assert flushed == []


def test_another_database_has_no_wal_of_ours(storage, flushed, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "postgresql")
    durability.write_wal_again("default")
    assert flushed == []
