"""Starts every node of the demo, shows what happens to them, and stops them all.

It restarts nothing by itself: a node that was killed stays down until `python -m demo_site start`
asks for it, so that whoever tries a failover sees what the others do meanwhile.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from types import FrameType
from typing import Any

import urllib3

from . import processes
from .cluster import DEFAULT_DATA_DIR, Cluster, DemoError, Node
from .processes import RAFT, WEB, Child

LEADER_SECONDS = 60.0
LOOK_SECONDS = 0.2

CLOCK = slice(len("2026-01-01 "), len("2026-01-01 12:00:00,000"))
"""Where the time stands in a line of events.log; the day is left out on the terminal."""

Say = Callable[[str], None]


class Supervisor:
    """One run of the demo; `say` takes each line for the operator."""

    def __init__(self, cluster: Cluster, say: Say) -> None:
        self.cluster = cluster
        self.say = say
        self.children: dict[tuple[str, str], Child] = {}
        self.stopping = False
        self._read_up_to = {node.node_id: _size(node) for node in cluster.nodes}
        self._shown: dict[str, str] = {}
        self._http = urllib3.PoolManager(timeout=2, retries=False)

    def run(self) -> None:
        """Until a signal asks for the end. Raises DemoError when no leader comes up."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop_soon)
        try:
            count = len(self.cluster.nodes)
            nodes = "1 node" if count == 1 else f"{count} nodes"
            self.say(f"Preparing {nodes} in {self.cluster.data_dir} ...")
            processes.prepare(self.cluster, lambda: self.stopping)
            for node in self.cluster.nodes:
                if not self.stopping:
                    self.start_missing(node)
            leader_id = self._wait_for_leader()
            if not self.stopping:
                self.say(overview(self.cluster, self.children, self._statuses(), leader_id))
            while not self.stopping:
                self._look()
                time.sleep(LOOK_SECONDS)
        finally:
            self.say(f"Stopping {len(self.children)} processes ...")
            processes.stop(list(self.children.values()))
            self.say(f"All stopped. The data stays in {self.cluster.data_dir}.")

    def _stop_soon(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping = True

    def start_missing(self, node: Node) -> list[Child]:
        """Start those processes of the node that do not run."""
        started = []
        for kind in (WEB, RAFT):
            if (node.node_id, kind) not in self.children:
                child = processes.start(self.cluster, node, kind)
                self.children[node.node_id, kind] = child
                started.append(child)
        return started

    # -- while it runs

    def _look(self) -> None:
        self._notice_ends()
        for node in self.cluster.nodes:
            if node.start_request.exists():
                node.start_request.unlink()
                started = self.start_missing(node)
                pids = ", ".join(f"{child.kind} {child.pid}" for child in started) or "nothing"
                again = kill_command(node.node_id, self.children)
                self.say(f"{node.node_id} | started again: {pids}. Kill it: {again}")
            self._show_events(node)

    def _notice_ends(self) -> None:
        for node in self.cluster.nodes:
            ended = []
            for kind in (WEB, RAFT):
                child = self.children.get((node.node_id, kind))
                if child is not None and not child.running:
                    # Its workers may have outlived it.
                    child.signal_group(signal.SIGKILL)
                    del self.children[node.node_id, kind]
                    ended.append(f"{kind} {child.pid} ended {child.ended()}")
            if ended:
                again = start_command(self.cluster, node.node_id)
                self.say(f"{node.node_id} | {', '.join(ended)}. Start it again: {again}")

    def _show_events(self, node: Node) -> None:
        try:
            with node.events_file.open("rb") as events:
                events.seek(self._read_up_to[node.node_id])
                found = events.read()
        except FileNotFoundError:
            return
        whole, newline, _ = found.rpartition(b"\n")
        self._read_up_to[node.node_id] += len(whole) + len(newline)
        for line in whole.decode("utf-8", "replace").splitlines():
            event = line[CLOCK.stop :]
            if event != self._shown.get(node.node_id):
                self._shown[node.node_id] = event
                self.say(f"{node.node_id} | {line[CLOCK]}{event}")

    # -- the start

    def _wait_for_leader(self) -> str:
        began = time.monotonic()
        shown = ""
        while not self.stopping:
            self._notice_ends()
            if len(self.children) < 2 * len(self.cluster.nodes):
                raise DemoError(f"A process ended at its start.\n{self._log_tails()}")
            statuses = self._statuses()
            leaders = {each.get("leader_id") for each in statuses.values()}
            if len(leaders) == 1 and None not in leaders:
                return str(leaders.pop())
            line = "Waiting for a leader: " + ", ".join(
                f"{node_id} {each.get('role', 'starting')}" for node_id, each in statuses.items()
            )
            if line != shown:
                self.say(line)
                shown = line
            if time.monotonic() - began > LEADER_SECONDS:
                raise DemoError(f"No leader after {LEADER_SECONDS:g} s.\n{self._log_tails()}")
            time.sleep(LOOK_SECONDS)
        return ""

    def _statuses(self) -> dict[str, Mapping[str, Any]]:
        return {node.node_id: self._status(node) for node in self.cluster.nodes}

    def _status(self, node: Node) -> Mapping[str, Any]:
        if self.stopping:  # a node that is just starting may keep one waiting
            return {}
        try:
            answer = self._http.request("GET", f"{node.site_url}node.json")
            return dict(answer.json()) if answer.status == HTTPStatus.OK else {}
        except (urllib3.exceptions.HTTPError, ValueError):
            return {}

    def _log_tails(self) -> str:
        return "\n".join(
            f"-- {log}\n{processes.tail(log)}"
            for node in self.cluster.nodes
            for log in (node.log_folder / "web.log", node.log_folder / "raft.log")
        )


def _size(node: Node) -> int:
    try:
        return node.events_file.stat().st_size
    except FileNotFoundError:
        return 0


def start_command(cluster: Cluster, node_id: str) -> str:
    """For another terminal, in the same folder."""
    where = (
        "" if cluster.data_dir == DEFAULT_DATA_DIR.resolve() else f"DATA_DIR={cluster.data_dir} "
    )
    return f"{where}{sys.executable} -m demo_site start {node_id}"


def kill_command(node_id: str, children: Mapping[tuple[str, str], Child]) -> str:
    """Ends a node the hard way: both process groups, so the web server's workers too."""
    groups = " ".join(f"-{child.pid}" for child in children.values() if child.node_id == node_id)
    return f"kill -9 {groups}"


def overview(
    cluster: Cluster,
    children: Mapping[tuple[str, str], Child],
    statuses: Mapping[str, Mapping[str, Any]],
    leader_id: str,
) -> str:
    """The table of the nodes, and what one may try."""
    rows = [("node", "role", "page", "admin", "web pid", "raft pid")]
    rows += [
        (
            node.node_id,
            str(statuses[node.node_id].get("role", "no answer")),
            node.site_url,
            node.admin_url,
            *(str(children[node.node_id, kind].pid) for kind in (WEB, RAFT)),
        )
        for node in cluster.nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return f"""
{table}

Log in to any admin as admin with password admin (of this demo only); change a setting under
Settings, and look at the other pages. Kill the leader, and change another one elsewhere:
  {kill_command(leader_id, children)}
Start it again:
  {start_command(cluster, leader_id)}
Logs: {cluster.data_dir}/node-*/log/. Ctrl-C stops everything and keeps the data.
"""
