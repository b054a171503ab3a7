"""What an operator is told on each of three real nodes while some of them are down."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from benchmarks.nodes import wait_for

from .growing import IS_POSTGRES, Cluster, growing

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def test_status_tells_the_same_on_every_node_that_is_left() -> None:
    with growing(3, room=3) as nodes:
        wait_for(lambda: told(nodes, "abc") == {(0, "healthy")})
        nodes.forget(next(each for each in "abc" if each != nodes.leader()))
        left = "".join(nodes.agents)
        wait_for(lambda: told(nodes, left) == {(1, "degraded")})
        nodes.forget(left[0])
        wait_for(lambda: told(nodes, left[1]) == {(3, "no quorum")})


def told(nodes: Cluster, node_ids: str) -> set[tuple[int, str]]:
    ended = [nodes.manage(each, "raft_status", "--json") for each in node_ids]
    return {(each.returncode, json.loads(each.stdout)["health"]) for each in ended}


@pytest.mark.skipif(IS_POSTGRES, reason="it copies a file")
def test_node_restored_from_an_older_copy_of_its_file_is_refused_until_it_joins_anew() -> None:
    with growing(3, room=3) as nodes:
        url = nodes.cluster.node("a").raft_url
        database = nodes.cluster.node("c").folder / "db.sqlite3"
        wait_for(lambda: nodes.leader() is not None)
        nodes.forget("c")
        copy = database.with_name("yesterday")
        with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)
        nodes.come_back("c")
        for number in range(3):
            wait_for(lambda number=number: "error" not in nodes.agents["a"].ask(set=str(number)))
        wait_for(nodes.are_level)
        nodes.forget("c")
        for ending in ("-wal", "-shm"):
            database.with_name(database.name + ending).unlink(missing_ok=True)
        copy.replace(database)
        nodes.start("c")
        wait_for(lambda: "older copy of itself" in nodes.manage("a", "raft_status").stdout)
        said = nodes.manage("c", "raft_doctor").stdout
        assert "raft_members remove c" in said
        nodes.do("a", "raft_members", "remove", "c", "--yes")
        nodes.do("c", "raft_recover", "--join", url, "--confirm", "forget c")
        wait_for(lambda: told(nodes, "abc") == {(0, "healthy")})


def test_one_trace_leads_from_the_proposer_over_the_leader_to_the_followers() -> None:
    """Of some writes a follower is told together with something else: not every trace is whole."""
    with growing(3, room=3, settings_module="tests.e2e.tracing_settings") as nodes:
        wait_for(lambda: nodes.leader() is not None)
        wait_for(lambda: is_traced_whole(nodes))


def is_traced_whole(nodes: Cluster) -> bool:
    """Write through a follower; whether one trace tells of everybody who took part in a write."""
    leader = nodes.leader()
    proposer = next(each for each in "abc" if each != leader)
    nodes.agents[proposer].ask(set="traced", timeout=10)
    return any(names == path(proposer, leader) for names in traces(nodes).values())


def path(proposer: str, leader: str | None) -> set[tuple[str, str]]:
    """Who takes part in a write, by the spans in which they take in something."""
    followers = {each for each in "abc" if each != leader}
    taken = {(each, "raft_config.raft") for each in followers}
    return {(proposer, "raft_config.write"), (str(leader), "raft_config.propose"), *taken}


def traces(nodes: Cluster) -> dict[str, set[tuple[str, str]]]:
    """Node and name of each span that is no client's, by its trace."""
    found: dict[str, set[tuple[str, str]]] = {}
    for node in nodes.cluster.nodes:
        for line in (node.folder / "spans.jsonl").read_text().splitlines():
            span = json.loads(line)
            if span["kind"] != "SpanKind.CLIENT":
                names = found.setdefault(span["context"]["trace_id"], set())
                names.add((span["attributes"]["raft_config.node"], span["name"]))
    return found
