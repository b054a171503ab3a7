"""The nodes' databases, read behind their backs when all is quiet: files, or PostgreSQL's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from typing import Any, Protocol

from benchmarks.nodes import MeasuredCluster
from demo_site.cluster import Node

POSTGRES = "tests.e2e.postgres_settings"


class Nodes(Protocol):
    """Whoever runs a cluster."""

    cluster: MeasuredCluster


def on_postgres(cluster: MeasuredCluster) -> bool:
    """Whether its databases are PostgreSQL's: a settings module of that name says so."""
    return cluster.settings_module.endswith(".postgres_settings")


def postgres(name: str) -> Any:
    """A connection, as libpq's own variables say; psycopg is not installed everywhere."""
    import psycopg  # noqa: PLC0415

    return psycopg.connect(dbname=name, autocommit=True)


def make_databases(cluster: MeasuredCluster, nodes: Iterable[Node] | None = None) -> None:
    """An empty database for each node, if they are PostgreSQL's; the server is a test's own.

    An earlier cluster may have had the same port.
    """
    if not on_postgres(cluster):
        return
    with closing(postgres("postgres")) as connection:
        for node in cluster.nodes if nodes is None else nodes:
            name = _name_of(cluster, node)  # our own; it cannot be a parameter
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")


def _name_of(cluster: MeasuredCluster, node: Node) -> str:
    """By the port; of a node that has moved by the one that it had first."""
    return cluster.environment(node).get("DATABASE_NAME", f"raft_e2e_{node.port}")


def rows(nodes: Nodes, node_id: str, query: str) -> list[tuple]:
    node = nodes.cluster.node(node_id)
    if on_postgres(nodes.cluster):
        with closing(postgres(_name_of(nodes.cluster, node))) as connection:
            return connection.execute(query).fetchall()
    path = node.folder / "db.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


NODE = "select current_term, role, last_applied, commit_index, last_log_index from raft_config_node"
LOG = 'select "index", term, command, configuration from raft_config_logentry where "index" <='
NOTE = 'changed_at, "user", origin, node, comment'
STATE = {
    "storedvalue": 'name, text, "index"',
    "answeredrequest": 'request_id, "index", conflicts',
    "change": f'"index", name, old_text, new_text, {NOTE}',
    "scheduledchange": f'schedule_id, apply_at, "values", expires_at, guard, {NOTE}',
}
"""What a replay of the log determines, by table; not the keys that a database gives by itself."""


def check_invariants(nodes: Nodes, node_ids: Iterable[str]) -> None:
    """One leader per term, equal logs where they overlap, equal tables at equal indexes."""
    logs: dict[int, tuple] = {}
    leaders: dict[int, str] = {}
    found = set()
    for node_id in node_ids:
        ((term, role, applied, commit, last),) = rows(nodes, node_id, NODE)
        assert applied <= commit <= last
        if role == "leader":
            assert leaders.setdefault(term, node_id) == node_id
        for index, *entry in rows(nodes, node_id, f"{LOG} {commit}"):
            assert logs.setdefault(index, tuple(entry)) == tuple(entry), f"{node_id} differs"
        found.add((applied, *(_content(nodes, node_id, *each) for each in STATE.items())))
    assert len(found) == 1, found


def _content(nodes: Nodes, node_id: str, table: str, names: str) -> tuple[tuple, ...]:
    query = f"select {names} from raft_config_{table} order by {names}"  # noqa: S608 - our names
    return tuple(tuple(row) for row in rows(nodes, node_id, query))
