"""After an error of the disk, what a failed flush may have dropped is written once more."""

import ctypes
import gc
import os
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from raft_config.core.events import Propose, Tick
from raft_config.storage import durability, flush_watch
from raft_config.storage.flush_watch import FlushWatch

from .helpers import AT, IS_SQLITE, state_of, storage_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not IS_SQLITE, reason="PostgreSQL ends itself when a flush fails"),
]


@pytest.fixture
def storage():
    found = storage_of(state_of())
    found._flushes.make_good()  # its descriptor is there, and nothing in doubt
    return found


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


# -- a flush that failed where nobody was told


def test_what_another_descriptor_was_told_is_asked_for_before_a_promise(
    storage, wal, flushed, monkeypatch
):
    told = [OSError("a flush has failed"), None]

    def ask(_descriptor):
        if error := told.pop(0):
            raise error

    monkeypatch.setattr(flush_watch, "ask_for_failures", ask)
    storage.perform(Propose((b"x",)), **AT, likely_durable=True)
    assert flushed == [wal]
    storage.perform(Propose((b"y",)), **AT, likely_durable=True)
    assert flushed == [wal]


def test_nothing_is_promised_while_what_failed_cannot_be_written(storage, monkeypatch):
    monkeypatch.setattr(flush_watch, "ask_for_failures", broken)
    monkeypatch.setattr(durability, "_write_again", broken)
    with pytest.raises(OperationalError, match="still fails"):
        storage.perform(Propose((b"x",)), **AT, likely_durable=True)


@pytest.mark.parametrize("is_forked", [False, True])
def test_what_failed_before_a_process_could_know_is_written_again(
    wal, flushed, monkeypatch, is_forked
):
    storage_of(state_of())
    flushed.clear()
    watch = FlushWatch("default")
    watch.make_good()
    watch.make_good()
    assert flushed == [wal]
    if is_forked:
        monkeypatch.setattr(os, "getpid", lambda: 1)
        watch.make_good()
        assert flushed == [wal, wal]


def test_descriptor_is_closed_with_the_storage():
    def count():
        return sum(
            str(each.readlink()).endswith("-wal")
            for each in Path("/proc/self/fd").iterdir()
            if each.is_symlink()
        )

    storage_of(state_of())._flushes.make_good()
    gc.collect()
    before = count()
    for _ in range(3):
        storage_of(state_of())._flushes.make_good()
        gc.collect()
    assert count() == before


def test_lock_that_did_not_come_ends_no_doubt(storage, wal, flushed):
    storage._flushes.doubt(OperationalError("disk I/O error"))
    storage._flushes.doubt(OperationalError("database is locked"))
    storage._flushes.settle()
    assert flushed == [wal]


def test_database_without_a_wal_is_in_no_doubt(storage, tmp_path, flushed, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", tmp_path / "gone")
    storage._flushes.make_good()
    monkeypatch.setattr(connection, "vendor", "postgresql")
    storage._flushes.make_good()
    assert flushed == []


def test_system_tells_of_no_failure_where_there_was_none(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        assert flush_watch.ask_for_failures(file.fileno()) is None


def test_system_tells_of_what_cannot_be_asked():
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="has failed"):
        flush_watch._how_to_ask()(reading)
    for each in (reading, writing):
        os.close(each)


def test_system_without_that_call_is_asked_by_a_flush(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert flush_watch._how_to_ask() is os.fsync
