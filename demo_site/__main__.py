"""`make demo`: several nodes of one cluster on this machine. See `python -m demo_site --help`."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import cluster as clusters
from .cluster import Cluster, DemoError
from .processes import ROOT
from .supervisor import Supervisor

ENVIRONMENT = """\
environment:
  NODES=5         how many nodes (3); more than last time: the new ones join
  PORT=9001       the first node's port (8001); the others follow
  DATA_DIR=...    where the nodes keep their data (demo_data)
  FRESH=1         begin anew: delete what the nodes of DATA_DIR stored
"""


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    try:
        request = clusters.read_request(os.environ)
        if asked.action == "start":
            ask_to_start(request.data_dir, asked.node)
        elif asked.action == "manage":
            manage(request.data_dir, asked.node, asked.arguments)
        else:
            run(request)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo_site",
        usage="python -m demo_site [start NODE | manage NODE COMMAND ...]",
        description="Run a demo cluster, until Ctrl-C.",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="start | manage")
    start = actions.add_parser("start", help="start a killed node of the running demo again")
    start.add_argument("node")
    command = actions.add_parser("manage", help="run a command of manage.py on one node's data")
    command.add_argument("node")
    command.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def run(request: clusters.Request) -> None:
    """Start everything and stay until a signal. Raises DemoError."""
    request.data_dir.mkdir(parents=True, exist_ok=True)
    with only_one(request.data_dir):
        cluster = clusters.plan(request)
        clusters.check_ports(cluster)
        if request.fresh:
            clusters.erase(request.data_dir)
        clusters.save(cluster)
        for node in cluster.nodes:
            node.start_request.unlink(missing_ok=True)
        Supervisor(cluster, lambda line: print(line, flush=True)).run()


@contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Two demos over the same data would be two processes for one node."""
    with (data_dir / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError(
                f"A demo over {data_dir} is running already. Stop it with Ctrl-C in its terminal, "
                f"or give this one data of its own: make demo PORT=9001 DATA_DIR=demo_data_9001"
            ) from error
        yield


def ask_to_start(data_dir: Path, node_id: str) -> None:
    """Have the running demo start what is missing of a node, so that its Ctrl-C stops it too."""
    node = _existing(data_dir).node(node_id)
    try:
        with only_one(data_dir):
            pass
    except DemoError:
        node.start_request.touch()
        print(f"Asked the running demo to start node {node_id}.")
        return
    raise DemoError(f"No demo over {data_dir} is running. Start all nodes: make demo")


def manage(data_dir: Path, node_id: str, arguments: Sequence[str]) -> None:
    """Become `manage.py` with the environment of a node."""
    cluster = _existing(data_dir)
    extra = cluster.environment(cluster.node(node_id))
    line = [sys.executable, str(ROOT / "manage.py"), *arguments]
    os.execve(sys.executable, line, {**os.environ, **extra})  # noqa: S606, no shell wanted


def _existing(data_dir: Path) -> Cluster:
    cluster = clusters.load(data_dir)
    if cluster is None:
        raise DemoError(f"There is no demo in {data_dir} yet. Start it first: make demo")
    return cluster


if __name__ == "__main__":
    sys.exit(main())
