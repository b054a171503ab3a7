"""A whole experiment: let a node work, record it, cut the power many times, and judge.

make power                  (or: python -m tests.power.power --runs 20 --cuts 100)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .recording import Recording
from .servers import SERVERS

ROOT = Path(__file__).resolve().parent.parent.parent
MEMORY = Path("/dev/shm")  # noqa: S108 - a disk is only played here, none needs to turn


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is done, and how often the power is cut in it."""

    seed: int
    database: str = "sqlite"
    steps: int = 150
    cuts: int = 100
    mutant: str = ""
    checkpoint_pages: int = 1000
    failing: float = 0.0
    """How often the disk fails while the node works, in steps."""

    def run(self) -> dict[str, Any]:
        """What `cuts` has found."""
        where = MEMORY if os.access(MEMORY, os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="raft-config-power-", dir=where) as temporary:
            return self._run_in(Path(temporary).resolve())

    def _run_in(self, room: Path) -> dict[str, Any]:
        room.chmod(0o755)
        folder, base, image = room / "node", room / "base", room / "image"
        folder.mkdir()
        image.mkdir()
        server = SERVERS[self.database](folder)
        server.create()
        with server.running(END="well"):
            self._call(room, server.entry(), "-m", "django", "migrate", "-v0")
        shutil.copytree(folder, base, ignore=_sockets)
        with recording(folder) as found:
            told = ["--folder", str(folder), "--steps", str(self.steps), "--seed", str(self.seed)]
            told += ["--failing", str(self.failing)]
            mutant = ["--mutant", self.mutant] if self.mutant else []
            entry = server.entry(checkpoint_pages=self.checkpoint_pages)
            with server.running(**found.environment()):
                self._call(
                    room,
                    entry,
                    "-m",
                    "tests.power.child",
                    "work",
                    *told,
                    *mutant,
                    **found.environment(),
                )
            told = ["--journal", found.journal, "--folder", folder, "--base", base]
            told += ["--image", image, "--cuts", self.cuts, "--seed", self.seed]
            entry = SERVERS[self.database](image).entry()
            printed = self._call(room, entry, "-m", "tests.power.child", "cuts", *map(str, told))
        return json.loads(printed)

    def _call(self, room: Path, entry: dict[str, object], *words: str, **more: str) -> str:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.power.settings",
            "POWER_DATABASE": json.dumps(entry),
            "POWER_SERVER": self.database,
            "POWER_VERSION_FILE": str(room / "version"),
            **more,
        }
        ended = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr[-4000:]
        return ended.stdout


@contextmanager
def recording(folder: Path) -> Iterator[Recording]:
    found = Recording(folder)
    try:
        yield found
    finally:
        found.close()


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [each for each in names if each.startswith((".s.PGSQL", "postmaster.", "server.log"))]
