"""Three processes of PySyncObj on loopback, in memory alone: it never flushes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from ..nodes import free_ports

HERE = Path(__file__).parent
VENV = Path(sys.prefix) / "benchmarks"


def install() -> None:
    """Make the venv, once."""
    if not (VENV / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)  # noqa: S603
        pip = [str(VENV / "bin/pip"), "install", "-q", "-r", str(HERE / "requirements.txt")]
        subprocess.run(pip, check=True)  # noqa: S603 - our own command
        (VENV / "installed").touch()


class PySyncObj:
    """A cluster, with batches of appends as by default or without."""

    def __init__(self, mode: str) -> None:
        first = free_ports(3)
        addresses = [f"127.0.0.1:{first + place}" for place in range(3)]
        program = [str(VENV / "bin/python"), str(HERE / "sync_obj_node.py")]
        self.processes = [
            subprocess.Popen(  # noqa: S603 - our own command
                [*program, own, *(each for each in addresses if each != own), mode],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for own in addresses
        ]
        self.ask_leader("times 1")  # listens, and has elected

    def ask_leader(self, line: str) -> Any:
        """Have the leader do it."""
        leader = next(each for each in self.processes if ask(each, "leader"))
        return ask(leader, line)

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            process.kill()
            process.communicate()


def ask(process: subprocess.Popen[str], line: str) -> Any:
    """Its answer."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
