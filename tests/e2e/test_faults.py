"""Three real nodes, whose processes are killed and started again.

Each has a web server of two processes with eight threads, Celery's worker and beat, and a database:
a SQLite file, and then one of PostgreSQL, where RAFT_CONFIG_TEST_DB=postgres says that there is a
server (as in `.ci/run`). After each: every acknowledged write is there, all tables are equal, and
the invariants hold in the three databases.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.nodes import Nodes, running, wait_for
from demo_site.processes import RAFT, WEB

from .databases import POSTGRES, check_invariants, make_databases, rows

pytestmark = pytest.mark.e2e


NEEDS_POSTGRES = pytest.mark.skipif(
    os.environ.get("RAFT_CONFIG_TEST_DB") != "postgres", reason="needs PostgreSQL: see .ci/run"
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("tests.e2e.settings", id="sqlite"),
        pytest.param(POSTGRES, id="postgres", marks=NEEDS_POSTGRES),
    ],
)
def nodes(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    options = {"settings_module": request.param, "web_workers": 2}
    with running(3, prepare=make_databases, **options) as found:
        yield found


@pytest.fixture(autouse=True)
def all_is_well_afterwards(nodes: Nodes) -> Iterator[None]:
    wait_for(lambda: nodes.leader() is not None and nodes.are_level())
    yield
    wait_for(lambda: nodes.leader() is not None and nodes.are_level())
    check_invariants(nodes, nodes.agents)


def others(nodes: Nodes, node_id: str) -> list[str]:
    return [each for each in nodes.agents if each != node_id]


def leader_of(nodes: Nodes) -> str:
    found = nodes.leader()
    assert found is not None
    return found


def write(nodes: Nodes, node_id: str, value: str) -> int:
    """A write that must succeed; its index."""
    answer = nodes.agents[node_id].ask(set=value)
    assert "error" not in answer, answer
    return answer["index"]


def values(nodes: Nodes) -> set[str]:
    return {agent.ask()["value"] for agent in nodes.agents.values()}


def test_write_through_any_node_is_read_on_all(nodes: Nodes) -> None:
    for node_id in nodes.agents:
        write(nodes, node_id, f"through {node_id}")
        wait_for(lambda node_id=node_id: values(nodes) == {f"through {node_id}"})


def test_writes_through_all_nodes_at_once_are_all_acknowledged_and_each_is_one_entry(
    nodes: Nodes,
) -> None:
    def write_some(node_id: str) -> list[int]:
        return [write(nodes, node_id, f"{node_id} {number}") for number in range(10)]

    with ThreadPoolExecutor() as pool:
        indexes = [index for found in pool.map(write_some, nodes.agents) for index in found]
    assert len(set(indexes)) == 30


def test_acknowledged_writes_survive_the_leader_killed_among_them(nodes: Nodes) -> None:
    leader = leader_of(nodes)
    writer = others(nodes, leader)[0]
    indexes = [write(nodes, writer, f"before {number}") for number in range(5)]
    nodes.kill(leader)
    indexes += [write(nodes, writer, f"after {number}") for number in range(5)]
    nodes.start(leader)
    assert indexes == sorted(set(indexes))
    wait_for(nodes.are_level)
    wait_for(lambda: values(nodes) == {"after 4"})


BASE = "select base_index, snapshot_index from raft_config_node"


def test_node_that_was_away_for_a_moment_catches_up_by_the_log(nodes: Nodes) -> None:
    away = others(nodes, leader_of(nodes))[0]
    before = rows(nodes, away, BASE)
    nodes.kill(away)
    write(nodes, others(nodes, away)[0], "while away")
    nodes.start(away)
    wait_for(nodes.are_level)
    wait_for(lambda: values(nodes) == {"while away"})
    # A snapshot from elsewhere replaces the log; one of its own leaves entries before it.
    found = rows(nodes, away, BASE)
    ((base_index, snapshot_index),) = found
    assert found == before or base_index < snapshot_index


def test_node_that_was_away_catches_up_by_a_snapshot(nodes: Nodes) -> None:
    away = others(nodes, leader_of(nodes))[0]
    last = nodes.agents[away].ask()["last"]
    nodes.kill(away)
    writer = others(nodes, away)[0]
    for number in range(30):
        write(nodes, writer, f"while away {number}")
    nodes.start(away)
    wait_for(nodes.are_level)
    assert nodes.agents[away].ask()["snapshot"] > last
    wait_for(lambda: values(nodes) == {"while away 29"})


def test_leader_whose_web_server_died_steps_down(nodes: Nodes) -> None:
    """Its Celery could still send heartbeats; but nobody could reach it (DESIGN §2.10)."""
    leader = leader_of(nodes)
    nodes.kill(leader, WEB)
    rest = others(nodes, leader)
    wait_for(lambda: {nodes.agents[each].ask()["leader"] for each in rest} <= set(rest))
    write(nodes, rest[0], "without that web server")
    # On a busy machine another one may have been elected before it knew.
    wait_for(lambda: not nodes.agents[leader].ask()["may_lead"])
    nodes.start_one(leader, WEB)
    wait_for(lambda: nodes.agents[leader].ask()["may_lead"])


def test_leader_whose_celery_died_is_replaced(nodes: Nodes) -> None:
    leader = leader_of(nodes)
    nodes.kill(leader, RAFT)
    rest = others(nodes, leader)
    wait_for(lambda: {nodes.agents[each].ask()["leader"] for each in rest} <= set(rest))
    write(nodes, rest[0], "without that Celery")
    write(nodes, leader, "through the node without Celery")
    nodes.start_one(leader, RAFT)


def test_second_beat_and_worker_do_no_harm(nodes: Nodes) -> None:
    leader = leader_of(nodes)
    term = nodes.agents[leader].ask()["term"]
    second = nodes.start_one(leader, RAFT)
    for number in range(20):
        write(nodes, leader, f"driven twice {number}")
    assert second.running
    assert nodes.agents[leader].ask()["term"] == term
    assert leader_of(nodes) == leader
