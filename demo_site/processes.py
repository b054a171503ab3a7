"""The processes of the nodes: each leads a process group, so one signal reaches its workers too.

They do not hear the terminal's Ctrl-C: the supervisor stops them, in its own order.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .cluster import HOST, Cluster, DemoError, Node

ROOT = Path(__file__).resolve().parent.parent
WEB_THREADS = 32
STOP_SECONDS = 8.0
PREPARE_SECONDS = 120.0
LOOK_SECONDS = 0.05

WEB = "web"
RAFT = "raft"


@dataclass(frozen=True, slots=True)
class Child:
    """A process that the supervisor started, and has to stop."""

    node_id: str
    kind: str
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def signal_group(self, number: int) -> None:
        """Signal the process and the workers that it started, also after its own end."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def ended(self) -> str:
        code = self.process.returncode
        return f"by signal {-code}" if code < 0 else f"with code {code}"


def command(node: Node, kind: str) -> list[str]:
    """What runs a node: a web server, and Celery's worker and beat in one process."""
    if kind == RAFT:
        return [sys.executable, str(ROOT / "manage.py"), "raft_node"]
    return [
        *(sys.executable, "-m", "gunicorn", "demo_site.wsgi"),
        *("--bind", f"{HOST}:{node.port}"),
        # One worker process, or as many as WEB_CONCURRENCY says.
        *("--worker-class", "gthread", "--threads", str(WEB_THREADS)),
        *("--keep-alive", "75", "--graceful-timeout", "2", "--no-control-socket"),
    ]


def start(cluster: Cluster, node: Node, kind: str) -> Child:
    node.log_folder.mkdir(parents=True, exist_ok=True)
    log = node.log_folder / f"{kind}.log"
    process = _spawn(command(node, kind), {**cluster.environment(node), "PROCESS": kind}, log)
    return Child(node.node_id, kind, process)


def _spawn(
    arguments: Sequence[str], extra: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603, our own command lines
            arguments,
            cwd=ROOT,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def prepare(cluster: Cluster, is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Make each node's tables and superuser, all at once, unless stopped. Raises DemoError."""
    children = []
    for node in cluster.nodes:
        node.log_folder.mkdir(parents=True, exist_ok=True)
        arguments = [sys.executable, str(ROOT / "manage.py"), "prepare_node"]
        log = node.log_folder / "prepare.log"
        log.unlink(missing_ok=True)
        children.append(
            (Child(node.node_id, "prepare", _spawn(arguments, cluster.environment(node), log)), log)
        )
    deadline = time.monotonic() + PREPARE_SECONDS
    try:
        for child, log in children:
            while child.running and not is_stopped():
                if time.monotonic() > deadline:
                    raise DemoError(f"The nodes were not ready after {PREPARE_SECONDS:g} s.")
                time.sleep(LOOK_SECONDS)
            if child.process.returncode:
                raise DemoError(
                    f"Node {child.node_id} could not be prepared; {log} ends:\n{tail(log)}"
                )
    finally:
        stop([child for child, _ in children])


def stop(children: Sequence[Child]) -> None:
    """Ask all to end, then end them; nothing of them is left afterwards."""
    for child in children:
        if child.running:
            child.signal_group(signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(max(deadline - time.monotonic(), 0.01))
    for child in children:
        child.signal_group(signal.SIGKILL)
        child.process.wait()


def tail(path: Path, lines: int = 12) -> str:
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(there is no such file)"
