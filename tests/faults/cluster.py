"""Real nodes behind link proxies, and what can be done to their processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, replace
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests

from benchmarks.nodes import free_ports, stock_celery, wait_for
from demo_site import cluster as clusters
from demo_site import processes
from demo_site.cluster import Node
from demo_site.processes import RAFT, WEB, Child
from tests.e2e.databases import make_databases, rows
from tests.e2e.redis_server import Redis

from .links import Links, Pair
from .proxied import CONTROL, ProxiedCluster, dying_library

ROOM = 5
"""Ports for so many nodes."""

USER = ("admin", "admin")


class FaultyCluster:
    """The nodes at work, the links between them, and their processes."""

    def __init__(self, cluster: ProxiedCluster, links: Links) -> None:
        self.cluster = cluster
        self.links = links
        self.children: dict[str, list[Child]] = {}
        self.secrets = [cluster.secret]
        """All that nodes have ever shared: no log may tell one."""
        self.broker: Redis | None = None
        self.lives: Counter[str] = Counter()
        """How often a node began anew, with another database."""

    # -- the nodes

    @property
    def node_ids(self) -> list[str]:
        return list(self.children)

    def begin(self) -> None:
        """Make the databases, start the founders, and wait for a leader."""
        make_databases(self.cluster)
        for node in self.cluster.nodes:
            self._admit(node)
        processes.prepare(self.cluster)
        for node in self.cluster.nodes:
            self.start(node.node_id)
        wait_for(lambda: self.leader() is not None and all(map(self.answers, self.node_ids)))

    def _admit(self, node: Node) -> None:
        port = self.links.add(node.node_id, node.port)
        self.cluster.proxies[node.node_id] = port
        node.folder.mkdir(parents=True, exist_ok=True)
        self.cluster.control_file(node.node_id).write_bytes(bytes(CONTROL.size))
        self.set_clock(node.node_id, 0)

    def grow(self) -> str:
        """Start one node more, which asks to join; its id."""
        self.cluster = replace(self.cluster, size=self.cluster.size + 1)
        node = self.cluster.nodes[-1]
        self._admit(node)
        self._begin_one(node)
        return node.node_id

    def _begin_one(self, node: Node) -> None:
        """With an empty database."""
        make_databases(self.cluster, [node])
        processes.prepare(
            SimpleNamespace(nodes=[node], environment=self.cluster.environment)  # type: ignore[arg-type]
        )
        self.start(node.node_id)

    def renew(self, node_id: str) -> None:
        """A machine that is dead, and was removed: another one joins in its place."""
        self.cluster = replace(self.cluster, anew=self.cluster.anew | {node_id})
        node = self.cluster.node(node_id)
        for path in node.folder.glob("db.sqlite3*"):
            path.unlink()
        self.lives[node_id] += 1
        self._begin_one(node)

    def start(self, node_id: str, *kinds: str) -> None:
        """Start those of its processes that do not run, of all kinds or of these."""
        node = self.cluster.node(node_id)
        living = [child for child in self.children.get(node_id, []) if child.running]
        for kind in kinds or (WEB, RAFT):
            if kind not in {child.kind for child in living}:
                is_stock = kind == RAFT and self.cluster.broker_url
                begin = stock_celery if is_stock else partial(processes.start, kind=kind)
                living.append(begin(self.cluster, node))
        self.children[node_id] = living

    def kill(self, node_id: str, *kinds: str) -> None:
        """Do kill -9 of its processes and their workers, of all kinds or of these."""
        for child in self.of(node_id, *kinds):
            child.signal_group(signal.SIGKILL)
            child.process.wait()

    def forget(self, node_id: str) -> None:
        """End a node that was removed, and look at it no more."""
        self.kill(node_id)
        del self.children[node_id]
        self.cluster = replace(self.cluster, size=self.cluster.size - 1)

    def stop(self, node_id: str, *kinds: str) -> None:
        """Ask its processes to end, and wait until they have."""
        for child in self.of(node_id, *kinds):
            child.signal_group(signal.SIGTERM)
        for child in self.of(node_id, *kinds):
            child.process.wait(30)

    def of(self, node_id: str, *kinds: str) -> list[Child]:
        """Its processes, of all kinds or of these."""
        return [each for each in self.children[node_id] if not kinds or each.kind in kinds]

    def workers(self, node_id: str) -> list[int]:
        """The pids of its web server's workers."""
        (master,) = self.of(node_id, WEB)
        path = Path(f"/proc/{master.pid}/task/{master.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def set_clock(self, node_id: str, seconds: float) -> None:
        """Set the clock of a node off by so much."""
        path = self.cluster.clock_file(node_id)
        draft = path.with_suffix(".draft")
        draft.write_text(f"{seconds:+.3f}\n")
        draft.replace(path)

    def manage(self, node_id: str, *words: str) -> bool:
        """What an operator types on a node; whether it came to a good end in a minute."""
        command = [sys.executable, str(processes.ROOT / "manage.py"), *words]
        environment = self.cluster.environment(self.cluster.node(node_id))
        try:
            ended = subprocess.run(  # noqa: S603 - our own command
                command,
                env={**os.environ, **environment},
                capture_output=True,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return ended.returncode == 0

    # -- what they say

    def leader(self) -> str | None:
        """The node that believes to lead the highest term, None if nobody does."""
        return leader_in(self.states())

    def followers(self) -> list[str]:
        leader = self.wait_for_leader()
        return [each for each in self.node_ids if each != leader]

    def wait_for_leader(self) -> str:
        wait_for(lambda: self.leader() is not None)
        return self.leader() or self.wait_for_leader()

    def states(self) -> dict[str, State]:
        """What stands in the databases, without asking a process."""
        found = {}
        for node_id in self.node_ids:
            with suppress(Exception):  # of whatever driver: it may be down, or without tables
                found[node_id] = State(*self.rows(node_id, STATE)[0])
        return found

    def rows(self, node_id: str, query: str) -> list[tuple]:
        """What stands in its database."""
        return rows(self, node_id, query)

    def clock_of(self, node_id: str) -> float:
        """What its processes hold for the time."""
        url = f"{self.cluster.node(node_id).site_url}node.json"
        date = requests.get(url, timeout=5).headers["Date"]
        return parsedate_to_datetime(date).timestamp()

    def answers(self, node_id: str) -> bool:
        """Whether its site does."""
        with suppress(requests.RequestException):
            url = f"{self.cluster.node(node_id).site_url}node.json"
            return requests.get(url, timeout=2).status_code == requests.codes.ok
        return False

    # -- links

    def pairs(self, senders: list[str], receivers: list[str]) -> list[Pair]:
        return [(one, two) for one in senders for two in receivers if one != two]

    def between(self, some: list[str], others: list[str]) -> list[Pair]:
        """Both ways."""
        return [*self.pairs(some, others), *self.pairs(others, some)]

    def all_pairs(self) -> list[Pair]:
        return self.pairs(self.node_ids, self.node_ids)


STATE = (
    "select current_term, role, coalesce(voted_for, ''), last_applied, commit_index, "
    "last_log_index from raft_config_node"
)


@dataclass(frozen=True, slots=True)
class State:
    """A node, as its database has it."""

    term: int
    role: str
    voted_for: str
    last_applied: int
    commit_index: int
    last_log_index: int


def leader_in(states: dict[str, State]) -> str | None:
    """The node that leads the highest term that anybody is in."""
    term = max((each.term for each in states.values()), default=0)
    leaders = [
        node_id for node_id, each in states.items() if each.role == "leader" and each.term == term
    ]
    return leaders[0] if len(leaders) == 1 else None


@contextmanager
def running(
    count: int = 3, *, broker: bool = False, flushes: bool = False, **more: Any
) -> Iterator[FaultyCluster]:
    """So many nodes for as long as the block lasts; `more` as ProxiedCluster.

    With a Redis for all of them, if so; with processes that can be let die in a flush, if so.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="raft-config-faults-"))
        if flushes:
            more["dying_library"] = dying_library()
        server = Redis(Path(folder)) if broker else None
        if server:
            stack.callback(server.stop)
            more["broker_url"] = server.url
        request = clusters.Request(Path(folder), nodes=count, port=free_ports(ROOM))
        planned = clusters.plan(request)
        facts = {each.name: getattr(planned, each.name) for each in fields(planned)}
        links = Links()
        stack.callback(links.close)
        found = FaultyCluster(ProxiedCluster(**facts, **more), links)
        found.broker = server
        stack.callback(_end, found)
        found.begin()
        yield found


def _end(found: FaultyCluster) -> None:
    children = [child for of_node in found.children.values() for child in of_node]
    for child in children:
        child.signal_group(signal.SIGCONT)
    processes.stop(children)
