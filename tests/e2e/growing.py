"""Nodes that come, go, move and are operated by their own commands, while somebody writes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace

from typing_extensions import Self

from benchmarks.nodes import Agent, MeasuredCluster, Nodes, free_ports, wait_for
from demo_site import cluster as clusters
from demo_site import processes
from demo_site.cluster import Node

from .databases import POSTGRES, make_databases

IS_POSTGRES = os.environ.get("RAFT_CONFIG_TEST_DB") == "postgres"
MANAGE = str(processes.ROOT / "manage.py")
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class GrowingCluster(MeasuredCluster):
    """A cluster whose nodes may move, and some of which never get a vote."""

    settings_module: str = POSTGRES if IS_POSTGRES else "tests.e2e.settings"
    ports: tuple[tuple[str, int], ...] = ()
    """Where nodes have moved."""
    learners: str = ""
    secrets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Of nodes that have others than the demo's."""
    newer: str = ""
    """Which nodes run the newer of two releases (`release_settings`)."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        ports = dict(self.ports)
        found = super().nodes
        return tuple(replace(each, port=ports.get(each.node_id, each.port)) for each in found)

    def environment(self, node: Node) -> dict[str, str]:
        first_port = super().nodes[[each.node_id for each in self.nodes].index(node.node_id)].port
        return {
            **super().environment(node),
            "DATABASE_NAME": f"raft_e2e_{first_port}",
            "SPEAKS": "2" if node.node_id in self.newer else "1",
            "LEARNER": "1" if node.node_id in self.learners else "",
            "SECRETS": json.dumps(dict(self.secrets).get(node.node_id, ())),
            # Under steady writes a snapshot grows; in small chunks it would never arrive.
            "SNAPSHOT_ENTRIES": "40",
            "SNAPSHOT_CHUNK_BYTES": "50000",
        }


class Cluster(Nodes):
    """Running nodes that can be operated."""

    def manage(self, node_id: str, *words: str) -> subprocess.CompletedProcess[str]:
        """What an operator types on a node."""
        environment = self.cluster.environment(self.cluster.node(node_id))
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, MANAGE, *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def do(self, node_id: str, *words: str) -> str:
        """The same, which must succeed; what it prints."""
        ended = self.manage(node_id, *words)
        assert ended.returncode == 0, (words, ended.stdout, ended.stderr)
        return ended.stdout

    def stop(self, node_id: str, *kinds: str) -> None:
        """Ask processes of a node to end, and wait until they have."""
        for child in self.children[node_id]:
            if child.running and (not kinds or child.kind in kinds):
                child.signal_group(signal.SIGTERM)
                child.process.wait(STOP_SECONDS)

    def restart(self, node_id: str) -> None:
        """As a deploy does: first what drives the node, then its web server."""
        self.stop(node_id, processes.RAFT)
        self.stop(node_id, processes.WEB)
        self.start(node_id)

    def give_secrets(self, node_id: str, *secrets: str) -> None:
        """Restart a node, and our own process of it, with these."""
        known = {**dict(self.cluster.secrets), node_id: secrets}
        self.cluster = replace(self.cluster, secrets=tuple(known.items()))
        self.restart(node_id)
        self.agents.pop(node_id).close()
        self.agents[node_id] = Agent(self.cluster, self.cluster.node(node_id))

    def upgrade(self, node_id: str) -> None:
        """Let every process of a node run the newer release, as a deploy does."""
        self.agents.pop(node_id).close()
        self.cluster = replace(self.cluster, newer=self.cluster.newer + node_id)
        self.restart(node_id)
        self.agents[node_id] = Agent(self.cluster, self.cluster.node(node_id))

    def grow_by(self, count: int) -> None:
        """Start so many nodes more, which ask to join."""
        self.cluster = replace(self.cluster, size=self.cluster.size + count)
        newcomers = [each.node_id for each in self.cluster.nodes[-count:]]
        self._prepare(*newcomers)
        for node_id in newcomers:
            self.come_back(node_id)

    def _prepare(self, *node_ids: str) -> None:
        """Make the tables of these nodes alone: the others are at work."""
        nodes = [self.cluster.node(each) for each in node_ids]
        make_databases(self.cluster, nodes)
        processes.prepare(SimpleNamespace(nodes=nodes, environment=self.cluster.environment))

    def wipe(self, node_id: str) -> None:
        """A node that is down loses its database, and is given an empty one."""
        shutil.rmtree(self.cluster.node(node_id).folder)
        self._prepare(node_id)

    def forget(self, node_id: str) -> None:
        """Look at this node no more; its processes end."""
        self.kill(node_id)
        self.agents.pop(node_id).close()

    def come_back(self, node_id: str) -> None:
        """Start it again, with an agent of its own."""
        self.start(node_id)
        self.agents[node_id] = Agent(self.cluster, self.cluster.node(node_id))

    def move(self, node_id: str) -> str:
        """Give a node that is down another port; its new URL."""
        node = self.cluster.node(node_id)
        self.agents.pop(node_id).close()
        port = (node_id, node.port + 10)
        self.cluster = replace(self.cluster, ports=(*self.cluster.ports, port))
        return self.cluster.node(node_id).raft_url

    def events(self, node_id: str) -> str:
        """What an operator reads in the log of a node."""
        return self.cluster.node(node_id).events_file.read_text()


@contextmanager
def growing(count: int, *, room: int, **more: str) -> Iterator[Cluster]:
    """So many nodes, and ports for `room`; `more` is for `GrowingCluster`."""
    with tempfile.TemporaryDirectory(prefix="raft-config-growth-") as folder:
        request = clusters.Request(Path(folder), nodes=count, port=free_ports(2 * room + 10))
        planned = clusters.plan(request)
        facts = {each.name: getattr(planned, each.name) for each in fields(planned)}
        cluster = GrowingCluster(**{**facts, **more})
        make_databases(cluster)
        nodes = Cluster(cluster)
        try:
            yield nodes
        finally:
            nodes.close()


class Writer:
    """Writes one value after the other on a node, as a client that retries as documented."""

    def __init__(self, nodes: Cluster, node_id: str) -> None:
        self._nodes, self._node_id = nodes, node_id
        self.agent = self._new_agent()
        self._next: Agent | None = None
        self.acknowledged: list[str] = []
        self.failures: list[str] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _new_agent(self) -> Agent:
        return Agent(self._nodes.cluster, self._nodes.cluster.node(self._node_id))

    def renew(self) -> None:
        """Write on by a process that was started with the node's present environment."""
        self._next = self._new_agent()
        wait_for(lambda: self._next is None)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: len(self.acknowledged) > 2)
        return self

    def __exit__(self, *_: object) -> None:
        self.ends()

    def ends(self) -> None:
        """Write no more."""
        if self._ends.is_set():
            return
        self._ends.set()
        self._thread.join(60)
        self.agent.close()

    def _write(self) -> None:
        number = 0
        while not self._ends.wait(0.02):
            if self._next is not None:
                self.agent.close()
                self.agent, self._next = self._next, None
            number += 1
            value, request_id = f"write {number}", uuid.uuid4().hex
            for _ in range(5):
                answer = self.agent.ask(set=value, request_id=request_id, timeout=5)
                if "error" not in answer:
                    self.acknowledged.append(value)
                    break
            else:
                self.failures.append(answer["error"])

    def goes_on(self, more: int = 3) -> None:
        """Wait until so many more writes are acknowledged."""
        count = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) >= count + more)
