"""The stock celery command line, with a real Redis that all nodes share, and that stops.

Runs when RAFT_CONFIG_TEST_REDIS=1 says that redis-server is installed, as `.ci/run` does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.nodes import Nodes, running, wait_for

from .databases import check_invariants
from .redis_server import Redis

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        os.environ.get("RAFT_CONFIG_TEST_REDIS") != "1", reason="needs redis-server: see .ci/run"
    ),
]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def nodes(redis: Redis) -> Iterator[Nodes]:
    with running(3, broker_url=redis.url) as found:
        yield found


def test_cluster_outlives_its_broker(nodes: Nodes, redis: Redis) -> None:
    """Writes and reads do not need Celery; only elections do, and come back with the broker."""
    wait_for(lambda: nodes.leader() is not None)
    leader = nodes.leader()
    assert leader is not None
    assert "error" not in nodes.agents[leader].ask(set="with a broker")
    redis.stop()
    assert "error" not in nodes.agents[leader].ask(set="without")
    redis.start()
    nodes.kill(leader)
    survivor = next(each for each in nodes.agents if each != leader)
    assert "error" not in nodes.agents[survivor].ask(set="after an election", timeout=60)
    nodes.start(leader)
    wait_for(nodes.are_level)
    assert {agent.ask()["value"] for agent in nodes.agents.values()} == {"after an election"}
    check_invariants(nodes, nodes.agents)
