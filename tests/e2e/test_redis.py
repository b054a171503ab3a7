"""The stock celery command line, with a real Redis that all nodes share, and that stops.

Runs when RAFT_CONFIG_TEST_REDIS=1 says that redis-server is installed, as `.ci/run` does.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.nodes import Nodes, running, wait_for

from .databases import check_invariants

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        os.environ.get("RAFT_CONFIG_TEST_REDIS") != "1", reason="needs redis-server: see .ci/run"
    ),
]

HOST = "127.0.0.1"


class Redis:
    """A server of the test's own, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "install redis-server, or unset RAFT_CONFIG_TEST_REDIS"
        options = [
            "--port",
            str(self.port),
            "--bind",
            HOST,
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen([program, *options], stdout=log, stderr=log)  # noqa: S603
        wait_for(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def nodes(redis: Redis) -> Iterator[Nodes]:
    with running(3, broker_url=f"redis://{HOST}:{redis.port}/0") as found:
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
