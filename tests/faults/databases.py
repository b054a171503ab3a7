"""Databases that are locked, or cut off."""

from __future__ import annotations

import atexit
import os
import random
import shlex
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.nodes import wait_for
from tests.e2e.databases import on_postgres, postgres
from tests.power.servers import as_owner

from .cluster import FaultyCluster
from .registry import Proof, again_and_again, fault


def _locked(choose: Callable[[FaultyCluster], str]) -> Callable[[FaultyCluster], Iterator[Proof]]:
    """Somebody holds the write lock, as a backup or a forgotten shell does."""

    def hold(cluster: FaultyCluster) -> Iterator[Proof]:
        node_id = choose(cluster)
        with closing(connect(cluster, node_id)) as connection:
            begin = "begin" if on_postgres(cluster.cluster) else "begin immediate"
            connection.execute(begin)
            connection.execute("update raft_config_node set id = id")
            before = cluster.states()[node_id]

            def proof() -> str:
                # Whoever holds the lock has changed nothing, and nobody else could.
                return f"{node_id} stood still" if cluster.states()[node_id] == before else ""

            yield proof
            connection.execute("rollback")

    return hold


def connect(cluster: FaultyCluster, node_id: str) -> sqlite3.Connection:
    node = cluster.cluster.node(node_id)
    if on_postgres(cluster.cluster):
        return postgres(f"raft_e2e_{node.port}")
    return sqlite3.connect(node.folder / "db.sqlite3", isolation_level=None, timeout=30)


def _follower(cluster: FaultyCluster) -> str:
    return random.choice(cluster.followers())


fault("database of the leader locked for 10 s", seconds=10)(_locked(FaultyCluster.wait_for_leader))
fault("database of a follower locked for 10 s", seconds=10)(_locked(_follower))


CUT_OFF = "OperationalError|InterfaceError|AdminShutdown|terminating connection|connection"
END_THEM = (
    "select pg_terminate_backend(pid) from pg_stat_activity "
    "where datname = %s and pid <> pg_backend_pid()"
)


@fault("connections to the database cut", seconds=8, postgres=True, excused=CUT_OFF)
def connections_cut(cluster: FaultyCluster) -> Iterator[Proof]:
    """All connections of one node end, of another one twice a second."""
    ended = [0]

    def cut(ends: threading.Event) -> None:
        port = cluster.cluster.node(random.choice(cluster.node_ids)).port
        with closing(postgres("postgres")) as connection:
            ended[0] += len(connection.execute(END_THEM, [f"raft_e2e_{port}"]).fetchall())
        ends.wait(0.5)

    with again_and_again(cut):
        yield lambda: f"{ended[0]} connections ended" if ended[0] else ""


@fault("database of the leader refuses connections", seconds=6, postgres=True, excused=CUT_OFF)
def database_down(cluster: FaultyCluster) -> Iterator[Proof]:
    """As while its server restarts: all connections end, and new ones are refused."""
    node_id = cluster.wait_for_leader()
    name = f"raft_e2e_{cluster.cluster.node(node_id).port}"
    with closing(postgres("postgres")) as connection:
        connection.execute(f"alter database {name} allow_connections false")
        ended = len(connection.execute(END_THEM, [name]).fetchall())
        try:
            yield lambda: "" if node_id in cluster.states() else f"{ended} ended, none made"
        finally:
            connection.execute(f"alter database {name} allow_connections true")


@fault("PostgreSQL restarted", seconds=6, postgres=True, excused=CUT_OFF)
def server_restarted(cluster: FaultyCluster) -> Iterator[Proof]:
    """The server of all nodes dies as in a crash, and recovers from its WAL."""
    data = Path(os.environ["PGHOST"]) / "data"
    before = _server(data)
    os.kill(before, signal.SIGQUIT)
    wait_for(lambda: not (data / "postmaster.pid").exists() or not _is_alive(before))
    _begin_server(data)
    wait_for(lambda: len(cluster.states()) == len(cluster.node_ids))
    yield lambda: f"server {before} ended, and {_server(data)} has recovered"


def _server(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def _is_alive(pid: int) -> bool:
    """Whoever started it may not have noticed its end yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _begin_server(data: Path) -> None:
    """As it was begun the first time; it ends with us."""
    command = shlex.split((data / "postmaster.opts").read_text())
    with (data.parent / "again.log").open("ab") as log:
        server = subprocess.Popen([*as_owner(), *command], stdout=log, stderr=log)  # noqa: S603

    def end() -> None:
        server.send_signal(signal.SIGINT)  # does nothing to one that has ended
        server.wait(30)

    atexit.register(end)
