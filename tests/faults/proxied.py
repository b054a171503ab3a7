"""A cluster whose nodes reach each other through proxies, with clocks of their own if need be."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from benchmarks.nodes import MeasuredCluster
from demo_site.cluster import Node
from tests.power.recording import COMPILER, WHY_NOT

from .links import HOST

SQLITE = "tests.faults.settings"
POSTGRES = "tests.faults.postgres_settings"

DYING = Path(__file__).with_name("dying.c")
CONTROL = struct.Struct("=QQII")
"""As `dying.c` has it."""


@dataclass(frozen=True)
class ProxiedCluster(MeasuredCluster):
    """A cluster whose nodes know each other by the addresses of their proxies."""

    settings_module: str = SQLITE
    web_workers: int = 2
    proxies: dict[str, int] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """By node: what stands in its SECRETS, first to sign with; else the secret of all."""
    mutant: str = ""
    clocks: bool = False
    """Whether each node has a clock of its own, which can be set."""
    dying_library: str = ""
    """What is preloaded so that a process dies in a flush."""
    anew: frozenset[str] = frozenset()
    """Members that were replaced: they have joined again, with another database."""

    def environment(self, node: Node) -> dict[str, str]:
        founders = self.nodes[: self.founders]
        joins = bool(node.join) or node.node_id in self.anew
        at = next(each for each in founders if each.node_id not in {node.node_id, *self.anew})
        found = {
            **super().environment(node),
            "RAFT_URL": self.proxied(node),
            "PEERS": ""
            if joins
            else ",".join(f"{each.node_id}={self.proxied(each)}" for each in founders),
            "JOIN": self.proxied(at) if joins else "",
            "SECRETS": self.secrets.get(node.node_id, self.secret),
            "MUTANT": self.mutant,
        }
        if self.clocks:
            found["CLOCK"] = str(self.clock_file(node.node_id))
        if self.dying_library:
            found["LD_PRELOAD"] = self.dying_library
            found["DYING_FOLDER"] = str(node.folder)
            found["DYING_CONTROL"] = str(self.control_file(node.node_id))
        return found

    def proxied(self, node: Node) -> str:
        """The base URL under which its peers reach it."""
        return f"http://{HOST}:{self.proxies[node.node_id]}/raft"

    def clock_file(self, node_id: str) -> Path:
        return self.node(node_id).folder / "clock"

    def control_file(self, node_id: str) -> Path:
        return self.node(node_id).folder / "dying"


@lru_cache(maxsize=1)
def dying_library() -> str:
    """What to preload, compiled once."""
    assert COMPILER is not None, WHY_NOT
    library = Path(tempfile.mkdtemp(prefix="raft-config-dying-")) / "dying.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Werror")
    subprocess.run([COMPILER, *flags, "-o", library, DYING, "-ldl"], check=True)  # noqa: S603
    return str(library)
