"""What the demo is made of: its nodes, their ports and folders, and the file that remembers them.

The members and their addresses stand in the cluster's own log, so a second run must use those of
the first: `cluster.json` in the data folder keeps them, with the secret that the nodes share.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

MAX_NODES = 9
HOST = "127.0.0.1"
DEFAULT_PORT = 8001
DEFAULT_NODES = 3
DEFAULT_DATA_DIR = Path("demo_data")


class DemoError(Exception):
    """The demo cannot start as asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the environment asks for; None leaves it to the first run, or to the defaults."""

    data_dir: Path
    nodes: int | None = None
    port: int | None = None
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the demo; `join` is where a node that came later asks to be admitted."""

    node_id: str
    port: int
    folder: Path
    join: str = ""

    @property
    def site_url(self) -> str:
        return f"http://{HOST}:{self.port}/"

    @property
    def admin_url(self) -> str:
        return f"{self.site_url}admin/"

    @property
    def raft_url(self) -> str:
        """The base URL that its peers use."""
        return f"{self.site_url}raft"

    @property
    def log_folder(self) -> Path:
        return self.folder / "log"

    @property
    def events_file(self) -> Path:
        """What an operator wants to see, from all processes of the node."""
        return self.log_folder / "events.log"

    @property
    def start_request(self) -> Path:
        """Made by `python -m demo_site start`, taken away by the running demo."""
        return self.folder / "start.request"


@dataclass(frozen=True, slots=True)
class Cluster:
    """The nodes a, b, c, ... on ports that follow each other from `port`."""

    data_dir: Path
    port: int
    founders: int
    """So many nodes form the first configuration; the others join."""
    size: int
    secret: str

    @property
    def nodes(self) -> tuple[Node, ...]:
        founder_url = Node("a", self.port, self.data_dir).raft_url
        return tuple(
            Node(
                node_id,
                self.port + place,
                self.data_dir / f"node-{node_id}",
                join="" if place < self.founders else founder_url,
            )
            for place, node_id in enumerate(string.ascii_lowercase[: self.size])
        )

    def node(self, node_id: str) -> Node:
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        known = ", ".join(node.node_id for node in self.nodes)
        raise DemoError(f"There is no node {node_id!r}; the nodes are {known}.")

    def environment(self, node: Node) -> dict[str, str]:
        """What demo_site.settings reads."""
        founders = self.nodes[: self.founders]
        return {
            "DJANGO_SETTINGS_MODULE": "demo_site.settings",
            "NODE_ID": node.node_id,
            "PORT": str(node.port),
            "DATA_DIR": str(node.folder),
            "SECRET": self.secret,
            "JOIN": node.join,
            "PEERS": ""
            if node.join
            else ",".join(f"{each.node_id}={each.raft_url}" for each in founders),
            "SITES": ",".join(f"{each.node_id}={each.site_url}" for each in self.nodes),
        }


# -- the request


def read_request(environ: Mapping[str, str]) -> Request:
    """NODES, PORT, DATA_DIR and FRESH of the environment. Raises DemoError."""
    return Request(
        data_dir=Path(environ.get("DATA_DIR") or DEFAULT_DATA_DIR).resolve(),
        nodes=_whole_number(environ, "NODES", 1, MAX_NODES),
        port=_whole_number(environ, "PORT", 1, 65535 - MAX_NODES),
        fresh=environ.get("FRESH", "") not in ("", "0"),
    )


def _whole_number(environ: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    text = environ.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise DemoError(f"{name} must be a whole number from {least} to {most}, not {text!r}.")
    return int(text)


# -- the file


def load(data_dir: Path) -> Cluster | None:
    """The cluster of an earlier run. Raises DemoError when its file cannot be read."""
    path = data_dir / "cluster.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Cluster(data_dir=data_dir, **found)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DemoError(f"{path} cannot be read ({error}). Begin anew with FRESH=1.") from error


def save(cluster: Cluster) -> None:
    content = {
        "port": cluster.port,
        "founders": cluster.founders,
        "size": cluster.size,
        "secret": cluster.secret,
    }
    path = cluster.data_dir / "cluster.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def plan(request: Request) -> Cluster:
    """The cluster to run: the earlier one, perhaps larger, or a new one. Writes nothing."""
    earlier = None if request.fresh else load(request.data_dir)
    if earlier is None:
        size = request.nodes or DEFAULT_NODES
        return Cluster(
            data_dir=request.data_dir,
            port=request.port or DEFAULT_PORT,
            founders=size,
            size=size,
            secret=secrets.token_urlsafe(48),
        )
    if request.port not in (None, earlier.port):
        raise DemoError(
            f"The members in {earlier.data_dir} have their addresses from port {earlier.port} on. "
            f"Leave PORT out, begin anew with FRESH=1, or keep both with another DATA_DIR."
        )
    size = request.nodes or earlier.size
    if size < earlier.size:
        raise DemoError(
            f"{earlier.data_dir} holds a cluster of {earlier.size} nodes; it does not shrink here. "
            f"Leave NODES out, or begin anew with FRESH=1."
        )
    return replace(earlier, size=size)


def erase(data_dir: Path) -> None:
    """Delete what earlier runs left, and nothing else that may lie in the folder."""
    for folder in data_dir.glob("node-[a-z]"):
        shutil.rmtree(folder)
    (data_dir / "cluster.json").unlink(missing_ok=True)


def check_ports(cluster: Cluster) -> None:
    """Raises DemoError naming the first port that another program holds."""
    for node in cluster.nodes:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, node.port))
            except OSError as error:
                raise DemoError(
                    f"Port {node.port}, which node {node.node_id} needs, cannot be used: "
                    f"{error.strerror}. Nothing was started. Stop the program that holds it, or "
                    f"run a demo of its own elsewhere: make demo PORT=9001 DATA_DIR=demo_data_9001"
                ) from error
