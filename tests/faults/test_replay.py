"""Everything that nodes have sent each other is sent again, ten times and in any order."""

from __future__ import annotations

import random
import socket
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from benchmarks.nodes import wait_for
from demo_site.processes import RAFT, WEB
from raft_config.state_machine import decode_command

from .clients import Clients
from .cluster import FaultyCluster, running
from .proxied import HOST
from .registers import REGISTERS
from .verdict import told_by_logs

pytestmark = [pytest.mark.e2e, pytest.mark.long]

RUN_SECONDS = 2.0
TIMES = 10

Tables = dict[str, list[dict[str, Any]]]
SENDERS = 8

NODE, LOG, ANSWERED = "raft_config_node", "raft_config_logentry", "raft_config_answeredrequest"
NOT_COMPARED = {
    *("raft_config_event", "raft_config_sample", "sqlite_sequence"),  # the journal, for people
    *(LOG, "raft_config_snapshot", "raft_config_snapshotchunk"),  # see `_not_answered`
}
POSITIONS = {
    *("last_log_index", "last_log_term", "commit_index", "last_applied", "durable_saves"),
    *("base_index", "base_term", "snapshot_index", "unsnapshotted_bytes", "incoming"),
    *("checked_index", "checked_hash"),
    "role_data",  # when whom was heard
}
"""Of the node's row: what tells where in the log it is, and not what it has promised or applied."""


def test_every_message_of_a_run_sent_again_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_CLOCK_SKEW_SECONDS", "600")  # or most would come too late to be taken
    with running(3) as cluster:
        captured = _captured(cluster)
        _forget_nonces(cluster)
        before = {each: _tables(cluster, each) for each in cluster.node_ids}
        statuses = _send_again(cluster, captured)
        after = {each: _tables(cluster, each) for each in cluster.node_ids}
        assert {name for name, _ in statuses} >= {"raft", "propose", "read_index"}
        assert statuses["raft", 200] > len(captured) / 2, statuses  # taken, once by each process
        assert not [each for each in statuses if each[1] == 500], statuses
        for node_id in cluster.node_ids:
            assert not _changed(before[node_id], after[node_id]), (node_id, statuses)
            assert not _not_answered(before[node_id], after[node_id]), (node_id, statuses)
        assert not list(told_by_logs(cluster, ""))


def _changed(before: Tables, after: Tables) -> list[str]:
    """The tables that are not as they were: votes, terms, members, values, history, answers."""
    return [
        f"{name}: {[each for each in rows if each not in after[name]][:3]} is now "
        f"{[each for each in after[name] if each not in rows][:3]}"
        for name, rows in before.items()
        if name not in NOT_COMPARED and rows != after[name]
    ]


def _not_answered(before: Tables, after: Tables) -> list[Any]:
    """A proposal that comes again stands in the log again, as a retry: one effect, one answer."""
    answered = {row["request_id"] for row in before[ANSWERED]}
    last = max(row["index"] for row in before[LOG])
    again = [row for row in after[LOG] if row["index"] > last and row["command"]]
    return [row for row in again if decode_command(row["command"]).request_id not in answered]


def _captured(cluster: FaultyCluster) -> list[tuple[str, bytes]]:
    """What nodes say to each other while clients write and read, and the lead moves."""
    urls = {each: cluster.cluster.node(each).site_url for each in cluster.node_ids}
    team = Clients(urls, REGISTERS)
    cluster.links.captures = True
    with team.at_work(2):
        time.sleep(RUN_SECONDS)
        follower = cluster.followers()[0]
        cluster.manage(cluster.wait_for_leader(), "raft_transfer", "--yes", follower)
        wait_for(lambda: team.succeeded() >= 50)
    cluster.links.captures = False
    wait_for(lambda: cluster.leader() is not None and _are_level(cluster))
    return cluster.links.captured


def _forget_nonces(cluster: FaultyCluster) -> None:
    """New processes know of no request; and without ticks, nothing but a message changes a node."""
    wait_for(lambda: _stands_still(cluster))
    for node_id in cluster.node_ids:
        cluster.stop(node_id, WEB)
        cluster.start(node_id, WEB)
    wait_for(lambda: all(map(cluster.answers, cluster.node_ids)))


def _stands_still(cluster: FaultyCluster) -> bool:
    """Whether all are level and nobody ticks; an entry may come while they are told to stop."""
    for node_id in cluster.node_ids:
        cluster.start(node_id, RAFT)
    wait_for(lambda: _are_level(cluster))
    for node_id in cluster.node_ids:
        cluster.kill(node_id, RAFT)
    return _are_level(cluster)


def _send_again(
    cluster: FaultyCluster, captured: list[tuple[str, bytes]]
) -> Counter[tuple[str, int]]:
    """How each kind of message was answered."""
    again = captured * TIMES
    random.shuffle(again)
    with ThreadPoolExecutor(SENDERS) as pool:
        return Counter(pool.map(lambda each: _send(cluster, *each), again))


def _send(cluster: FaultyCluster, node_id: str, request: bytes) -> tuple[str, int]:
    name = request.split(b" ", 2)[1].decode().split("/")[-2]
    with socket.create_connection((HOST, cluster.cluster.node(node_id).port), 30) as connection:
        connection.sendall(request)
        return name, int(connection.recv(100).split(b" ", 2)[1])


def _are_level(cluster: FaultyCluster) -> bool:
    states = cluster.states().values()
    return len({(each.last_applied, each.last_log_index) for each in states}) == 1


def _tables(cluster: FaultyCluster, node_id: str) -> Tables:
    """All that a node knows, but for its positions in the log."""
    path = cluster.cluster.node(node_id).folder / "db.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        names = database.execute("select name from sqlite_master where type = 'table'")
        return {
            name: [
                {key: value for key, value in dict(row).items() if key not in POSITIONS}
                for row in database.execute(f'select * from "{name}"')  # noqa: S608
            ]
            for (name,) in names.fetchall()
        }
