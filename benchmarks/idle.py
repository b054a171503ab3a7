"""What a node costs that has nothing to do: processor time and memory, web and Celery apart."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from .nodes import PROFILES, Nodes, running

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print a row for each node, and whether a leader was lost meanwhile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--profile", choices=PROFILES, default="default")
    options = parser.parse_args()
    with running(settings_module=PROFILES[options.profile]) as nodes:
        leader, term = nodes.leader(), nodes.agents["a"].ask()["term"]
        before = measure(nodes)
        time.sleep(options.seconds)
        after = measure(nodes)
        elections = nodes.agents["a"].ask()["term"] - term
        for key, (cpu, memory) in after.items():
            share = 100 * (cpu - before[key][0]) / options.seconds
            role = "leader" if key[0] == leader else "follower"
            print(f"node {key[0]} ({role:8}) {key[1]:4}: {share:4.1f} % of a core, {memory:4} MiB")
        print(f"elections in {options.seconds:g} s: {elections}")


def measure(nodes: Nodes) -> dict[tuple[str, str], tuple[float, int]]:
    """Per node and kind of process: seconds of processor so far, and resident MiB."""
    return {
        (child.node_id, child.kind): _of_group(child.pid)
        for children in nodes.children.values()
        for child in children
    }


def seconds_of(pid: int) -> float:
    """The processor time of one process so far."""
    fields = _fields(Path(f"/proc/{pid}"))
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def _fields(process: Path) -> list[str]:
    return (process / "stat").read_text().rpartition(")")[2].split()


def _of_group(leader_pid: int) -> tuple[float, int]:
    seconds, pages = 0.0, 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if int(_fields(folder)[2]) == leader_pid:
                seconds += seconds_of(int(folder.name))
                pages += int((folder / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return seconds, pages * os.sysconf("SC_PAGE_SIZE") // 2**20


if __name__ == "__main__":
    main()
