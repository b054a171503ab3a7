"""A cluster of real nodes for measuring: the demo's own processes, in a temporary folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from demo_site import cluster as clusters
from demo_site import processes
from demo_site.cluster import Cluster, Node

START_SECONDS = 60.0

PROFILES = {"default": "demo_site.settings", "fast": "benchmarks.fast_settings"}
"""How soon an election begins, by the settings module that says it."""


@dataclass(frozen=True)
class MeasuredCluster(Cluster):
    """The demo's cluster, with other settings if need be."""

    settings_module: str = "demo_site.settings"
    broker_url: str = ""
    """With a broker, the stock celery command line drives the nodes."""
    web_workers: int = 1
    """Processes of each node's web server; each has several threads."""
    web_server: str = "gunicorn"
    """Or granian."""

    def environment(self, node: Node) -> dict[str, str]:
        """What every process of the node is started with."""
        found = Cluster.environment(self, node)
        broker = {"BROKER_URL": self.broker_url} if self.broker_url else {}
        return {
            **found,
            "DJANGO_SETTINGS_MODULE": self.settings_module,
            "WEB_CONCURRENCY": str(self.web_workers),
            **broker,
        }


def stock_celery(cluster: MeasuredCluster, node: Node) -> processes.Child:
    """A worker with beat inside, as anybody starts it who has a broker."""
    options = ["-Q", f"raft.{node.node_id}", "-n", f"{node.node_id}@%h", "-P", "solo", "-B"]
    schedule = ["-s", str(node.folder / "celerybeat-schedule")]
    return _module(
        *(cluster, node, processes.RAFT),
        *("celery", "-A", "demo_site.celery", "worker", *options, *schedule),
    )


def granian(cluster: MeasuredCluster, node: Node) -> processes.Child:
    """The web server whose HTTP is written in Rust, with as many threads as the demo's."""
    return _module(
        *(cluster, node, processes.WEB),
        *("granian", "--interface", "wsgi", "demo_site.wsgi:application", "--no-ws"),
        *("--host", clusters.HOST, "--port", str(node.port)),
        *("--workers", str(cluster.web_workers)),
        *("--blocking-threads", str(processes.WEB_THREADS)),
    )


def _module(cluster: MeasuredCluster, node: Node, kind: str, *words: str) -> processes.Child:
    with (node.log_folder / f"{words[0]}.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", *words],
            env={**os.environ, **cluster.environment(node), "PROCESS": words[0]},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return processes.Child(node.node_id, kind, process)


class Agent:
    """A process of a node that writes and looks for us."""

    def __init__(self, cluster: Cluster, node: Node) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.agent"],
            env={**os.environ, **cluster.environment(node), "PROCESS": "agent"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """Its answer; see `agent.answer`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def close(self) -> None:
        """End it."""
        self.process.communicate(timeout=10)


class Nodes:
    """Running nodes, and an agent in each."""

    def __init__(self, cluster: MeasuredCluster) -> None:
        self.cluster = cluster
        self.children: dict[str, list[processes.Child]] = {}
        self.agents: dict[str, Agent] = {}
        processes.prepare(cluster)
        self._start_all()
        wait_for(lambda: self.leader() is not None)

    def _start_all(self) -> None:
        for node in self.cluster.nodes:
            if node.node_id not in self.agents:
                self.start(node.node_id)
                self.agents[node.node_id] = Agent(self.cluster, node)

    def grow(self) -> str:
        """Start one node more, which asks to join; its id."""
        self.cluster = replace(self.cluster, size=self.cluster.size + 1)
        processes.prepare(self.cluster)
        self._start_all()
        return self.cluster.nodes[-1].node_id

    def start(self, node_id: str) -> None:
        """Start web server and Celery of a node."""
        self.children[node_id] = []
        for kind in (processes.WEB, processes.RAFT):
            self.start_one(node_id, kind)

    def kill(self, node_id: str, *kinds: str) -> None:
        """Do kill -9 of a node's processes, or of those of these kinds."""
        for child in self.children[node_id]:
            if not kinds or child.kind in kinds:
                child.signal_group(signal.SIGKILL)
                child.process.wait()

    def start_one(self, node_id: str, kind: str) -> processes.Child:
        """Start one process of a node: again, or beside one of its kind."""
        node = self.cluster.node(node_id)
        if kind == processes.RAFT and self.cluster.broker_url:
            child = stock_celery(self.cluster, node)
        elif kind == processes.WEB and self.cluster.web_server == "granian":
            child = granian(self.cluster, node)
        else:
            child = processes.start(self.cluster, node, kind)
        self.children[node_id].append(child)
        return child

    def leader(self) -> str | None:
        """The node that all agree leads."""
        seen = {agent.ask().get("leader") for agent in self.agents.values()}
        return seen.pop() if len(seen) == 1 else None

    def are_level(self) -> bool:
        """Whether all have applied the same, and all that they have."""
        seen = [agent.ask() for agent in self.agents.values()]
        return len({(each.get("applied"), each.get("last")) for each in seen}) == 1

    def close(self) -> None:
        """Stop everything that was started."""
        for agent in self.agents.values():
            agent.close()
        processes.stop([child for pair in self.children.values() for child in pair])


def wait_for(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Poll until it is so. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not so within {seconds:g} s.")
        time.sleep(0.02)


@contextmanager
def running(
    count: int = 3,
    *,
    spare: int = 0,
    prepare: Callable[[MeasuredCluster], None] = lambda _: None,
    **more: Any,
) -> Iterator[Nodes]:
    """So many nodes on free ports, for as long as the block lasts.

    `spare` more may be started later; `prepare` makes what they need; `more` as MeasuredCluster.
    """
    with tempfile.TemporaryDirectory(prefix="raft-config-bench-") as folder:
        request = clusters.Request(Path(folder), nodes=count, port=free_ports(count + spare))
        planned = clusters.plan(request)
        clusters.save(planned)
        facts = {each.name: getattr(planned, each.name) for each in fields(planned)}
        cluster = MeasuredCluster(**facts, **more)
        prepare(cluster)
        nodes = Nodes(cluster)
        try:
            yield nodes
        finally:
            nodes.close()


def free_ports(count: int) -> int:
    """The first of some free ports in a row; other processes look from other places on."""
    start = 20_000 + os.getpid() * 10 % 10_000
    for first in range(start, 31_000, 10):
        if all(_is_free(first + offset) for offset in range(count)):
            return first
    raise OSError("No free ports.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((clusters.HOST, port)) != 0
