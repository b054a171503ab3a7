"""One node that follows a real etcd, and others that write there beside it."""

import threading
from datetime import timedelta

import pytest
from django.test import override_settings
from django.utils import timezone

from raft_config import config, history, models, proposals
from raft_config.conf import ETCD, get_config
from raft_config.etcd import log as etcd_log
from raft_config.etcd.gateway import Gateway
from raft_config.etcd.log import EtcdLog
from raft_config.exceptions import (
    ConflictError,
    InvalidCommandError,
    NotLeaderError,
    PeerRejectedError,
    UnavailableError,
)
from raft_config.node import get_node
from raft_config.tasks import leader_only
from tests.peers import eventually, put

from .conftest import settings_for
from .server import needs_etcd

pytestmark = needs_etcd


class OtherNode:
    """Another node's writer: it has a gateway of its own, and no database."""

    def __init__(self, node):
        options = node.config.etcd
        self.log = EtcdLog(Gateway(options, timeout_seconds=5.0), options.prefix)
        self.generation = node.state.configuration.generation

    def write(self, *commands):
        while (index := self.log.append(commands, self.generation)) is None:
            pass
        return index


@pytest.fixture
def other(etcd_node):
    etcd_node.pull()
    return OtherNode(etcd_node)


def text(value):
    return f'{{"type":"int","value":{value}}}'


@pytest.fixture
def drive(etcd_node):
    """Drive the node on a thread, as Celery does, for as long as the test lasts."""
    ended = threading.Event()

    def run():
        while not ended.is_set():
            etcd_node.run_for(0.2)
        models.Node.objects.using("default").count()
        from django.db import connection  # noqa: PLC0415 - this thread's

        connection.close()

    thread = threading.Thread(target=run)

    def start():
        thread.start()

    yield start
    ended.set()
    if thread.is_alive():
        thread.join()


# -- changes


def test_change_goes_to_etcd_and_is_applied_here(etcd_node):
    index = config.set("LIMIT", 20)
    assert config.LIMIT == 20
    assert etcd_node.etcd.tail() == index
    assert etcd_node.state.leader_id == ETCD


def test_what_another_node_wrote_comes_with_the_next_look(etcd_node, other):
    index = other.write(put("LIMIT", text(5)))
    etcd_node.pull()
    assert (config.LIMIT, config.meta.index) == (5, index)


def test_changes_of_two_nodes_at_once_all_find_a_place_of_their_own(etcd_node, other):
    writer = threading.Thread(
        target=lambda: [other.write(put("NAME", f'"{each}"')) for each in range(20)]
    )
    writer.start()
    indexes = [config.set("LIMIT", each) for each in range(20)]
    writer.join()
    etcd_node.pull()
    found = history.changes(limit=100)
    assert sorted(each.index for each in found) == list(range(2, 42))
    assert [each.index for each in found if each.name == "LIMIT"] == indexes[::-1]


def test_guard_holds_against_what_this_node_has_not_seen_yet(etcd_node, other):
    index = config.set("LIMIT", 20)
    other.write(put("LIMIT", text(5)))
    with pytest.raises(ConflictError, match="LIMIT"):
        config.set("LIMIT", 30, expected_index=index)
    assert config.LIMIT == 5


def test_retry_under_its_request_id_has_one_effect(etcd_node):
    first = config.set("LIMIT", 20, request_id="once")
    config.set("LIMIT", 30)
    assert config.set("LIMIT", 20, request_id="once") == first
    assert config.LIMIT == 30


def test_linearizable_read_sees_what_another_node_was_told_is_done(etcd_node, other):
    config.set("LIMIT", 20)
    other.write(put("LIMIT", text(5)))
    assert config.LIMIT == 20
    assert config.read("LIMIT", consistency="linearizable") == 5


def test_change_that_is_too_large_for_etcd_is_refused(shared_etcd, tmp_path, transactional_db):
    more = {"MAX_COMMAND_BYTES": 4_000_000, "MAX_BATCH_BYTES": 4_000_000}
    with override_settings(RAFT_CONFIG=settings_for(shared_etcd, tmp_path, **more)):
        with pytest.raises(InvalidCommandError, match="larger than etcd takes"):
            config.set("NAME", "x" * 2_000_000)
        assert config.NAME == ""
        get_node().close()


# -- what was missed


def test_driver_hears_of_a_change_at_once_and_after_any_gap(etcd_node, other, drive):
    other.write(*(put("LIMIT", text(each)) for each in range(100)))
    drive()
    eventually(lambda: config.LIMIT == 99)
    other.write(put("LIMIT", text(100)))
    eventually(lambda: config.LIMIT == 100)


def test_nothing_is_missed_when_etcd_compacts_its_revisions(etcd_node, other, shared_etcd, drive):
    drive()
    eventually(lambda: etcd_node.state.leader_id == ETCD)
    for each in range(20):
        other.write(put("LIMIT", text(each)))
        shared_etcd.compact()
    eventually(lambda: config.LIMIT == 19)
    assert len(history.changes(names=["LIMIT"])) == 20


@pytest.fixture
def short_log(transactional_db, shared_etcd, tmp_path, monkeypatch):
    monkeypatch.setattr(etcd_log, "CHUNK_BYTES", 700)
    more = {"SNAPSHOT_ENTRIES": 10, "TRAILING_ENTRIES": 3}
    with override_settings(RAFT_CONFIG=settings_for(shared_etcd, tmp_path, **more)):
        node = get_node()
        node.pull()
        node.lease.hold()
        yield node
        node.close()


def forget_everything():
    for model in (
        *(models.Node, models.LogEntry, models.Member, models.Snapshot, models.SnapshotChunk),
        *(models.StoredValue, models.AnsweredRequest, models.Change, models.ScheduledChange),
    ):
        model.objects.all().delete()


def test_log_in_etcd_is_trimmed_and_a_new_node_begins_with_the_snapshot(short_log):
    config.set("NAME", "set before", apply_at=timezone.now() + timedelta(days=1))
    for each in range(45):
        short_log.lease.hold()  # as its driver would
        config.set("LIMIT", each)
    view = short_log.etcd.look(1, limit=1000)
    assert view.tail - len(view.entries) > 30
    assert view.snapshot.size_bytes > 2 * 700
    before = short_log.storage.digest()
    forget_everything()
    short_log.pull()
    assert short_log.storage.digest() == before
    assert short_log.state.snapshot_index == view.snapshot.index
    assert config.set("LIMIT", 50) == view.tail + 1


def test_node_that_was_away_while_the_log_was_trimmed_catches_up(short_log):
    config.set("LIMIT", 1)
    other = OtherNode(short_log)
    behind = short_log.state.last_applied
    for each in range(40):
        other.write(put("LIMIT", text(each)))
    view = short_log.etcd.look(1, limit=1000)
    keep_from = view.tail - 2
    data = snapshot_of(view)
    assert other.log.trim(view, view.tail - 1, data, keep_from)
    short_log.pull()
    assert short_log.state.last_applied == view.tail > behind
    assert config.LIMIT == 39


def snapshot_of(view):
    """Through the last entry but one, as another node has it."""
    from raft_config.memory import MemoryStateMachine  # noqa: PLC0415 - near its use

    machine = MemoryStateMachine()
    for index, command in view.entries[:-1]:
        machine.apply(index, command)
    return machine.snapshot()


def test_unfinished_upload_is_cleared_away_by_the_next_one(short_log, shared_etcd):
    short_log.etcd._store_chunks(1, b"never finished" * 100)
    for each in range(25):
        config.set("LIMIT", each)
    digest = short_log.etcd.look(1).snapshot.digest
    key = f"{get_config().etcd.prefix}/chunk/"
    found = short_log.etcd._txn([], [short_log.etcd._range("chunk/", "chunk0", limit=100)])
    keys = {each for each, _ in etcd_log._found(found["responses"][0])}
    assert keys
    assert {each.removeprefix(key).split("/")[0] for each in keys} == {digest}


# -- what etcd must not do


def test_etcd_that_lost_entries_is_not_followed(etcd_node, other):
    config.set("LIMIT", 20)
    config.set("LIMIT", 30)
    put_back = [other.log._put("tail", b"2"), other.log._delete("log/" + 19 * "0" + "3", "log0")]
    other.log._txn([], put_back)
    with pytest.raises(PeerRejectedError, match="has lost entries"):
        etcd_node.pull()
    other.write(put("LIMIT", text(7)))  # now it has as many again
    with pytest.raises(PeerRejectedError, match="has lost entries"):
        etcd_node.pull()
    assert config.LIMIT == 30


def test_gap_in_the_log_of_etcd_is_told(etcd_node, other):
    first = other.write(*(put("LIMIT", text(each)) for each in range(9)))
    other.log._txn([], [other.log._delete(f"log/{first + 3:020}", f"log/{first + 5:020}")])
    with pytest.raises(PeerRejectedError, match=f"has lost the entry {first + 3} of {first + 8}"):
        etcd_node.pull()
    assert config.LIMIT == 2  # what stood before it


def test_log_of_another_life_is_not_followed_and_not_written_to(etcd_node, other):
    config.set("LIMIT", 20)
    other.log._txn([], [other.log._delete("", "~")])
    with pytest.raises(UnavailableError, match="keeps no settings"):
        etcd_node.pull()
    stranger = etcd_log.Life("another", 1)
    assert other.log.found(stranger, b"{}")
    with pytest.raises(PeerRejectedError, match="not what this node follows"):
        etcd_node.pull()
    with pytest.raises(PeerRejectedError, match="not what this node follows"):
        config.set("LIMIT", 30)
    assert other.log.look(1).tail == 1


def test_database_of_a_raft_cluster_is_not_mixed_with_etcd(transactional_db, shared_etcd, tmp_path):
    given = settings_for(shared_etcd, tmp_path)
    with override_settings(RAFT_CONFIG={**given, "ENGINE": "raft"}):
        config.set("LIMIT", 20)
    with override_settings(RAFT_CONFIG=given):
        with pytest.raises(PeerRejectedError, match="raft_config move --to etcd"):
            config.set("LIMIT", 30)
        assert config.LIMIT == 20
        get_node().close()


# -- what only one node does


def test_scheduled_change_is_made_by_the_driver_of_the_node_with_the_lease(etcd_node, drive):
    config.set("LIMIT", 20, apply_at=timezone.now() + timedelta(seconds=0.5))
    drive()
    eventually(lambda: config.LIMIT == 20)
    (change,) = history.changes(names=["LIMIT"])
    assert change.note.origin == "schedule"


def test_one_node_at_a_time_holds_the_lease_until_it_dies(etcd_node, other, monkeypatch):
    from raft_config.etcd import lease as leases  # noqa: PLC0415 - near its use

    monkeypatch.setattr(leases, "LEASE_SECONDS", 2)
    monkeypatch.setattr(leases, "RENEWED_SECONDS", 0.1)
    key = f"{get_config().etcd.prefix}/leader"
    first, second = (leases.Lease(other.log.gateway, key, each) for each in "ab")
    first.hold()
    second.hold()
    assert (first.is_held, second.is_held) == (True, False)

    def both_hold():
        second.hold()
        first.hold()
        return first._asked_at > began + 3.0

    began = first._asked_at
    eventually(both_hold)
    assert (first.holder(), second.is_held) == ("a", False)

    def second_has_it():
        second.hold()
        return second.is_held

    eventually(second_has_it)
    assert (first.holder(), first.is_held) == ("b", False)


def test_task_for_the_leader_only_runs_where_the_lease_is_held(etcd_node):
    calls = []
    task = leader_only(lambda: calls.append("run"))
    task()
    assert calls == []
    with pytest.raises(NotLeaderError):
        etcd_node.read_index(timeout_seconds=1.0)
    etcd_node.lease.hold()
    task()
    assert calls == ["run"]


def test_change_without_a_driver_works(etcd_node):
    assert proposals.read_index() == 1
    assert config.set("LIMIT", 20) == 2
