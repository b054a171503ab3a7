"""What the nodes' databases hold, read behind their backs when all is quiet."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from benchmarks.nodes import Nodes


def rows(nodes: Nodes, node_id: str, query: str, *parameters: object) -> list[tuple]:
    path = nodes.cluster.node(node_id).folder / "db.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query, parameters).fetchall()


LOG = 'select "index", term, command, configuration from raft_config_logentry where "index" <= ?'


def check_invariants(nodes: Nodes) -> None:
    """One leader per term, equal logs where they overlap, equal values at equal indexes."""
    logs: dict[int, tuple] = {}
    leaders: dict[int, str] = {}
    values = set()
    for node_id in nodes.agents:
        query = "select current_term, role, last_applied, commit_index, last_log_index from"
        ((term, role, applied, commit, last),) = rows(nodes, node_id, f"{query} raft_config_node")
        assert applied <= commit <= last
        if role == "leader":
            assert leaders.setdefault(term, node_id) == node_id
        for index, *entry in rows(nodes, node_id, LOG, commit):
            assert logs.setdefault(index, tuple(entry)) == tuple(entry), f"{node_id} differs"
        stored = rows(nodes, node_id, "select * from raft_config_storedvalue order by name")
        values.add((applied, tuple(stored)))
    assert len(values) == 1, values
