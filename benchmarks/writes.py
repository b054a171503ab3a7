"""How long a write takes through each node of a cluster of three, one client at a time."""

from __future__ import annotations

import argparse
import statistics

from .idle import measure, seconds_of
from .nodes import Nodes, running


def main() -> None:
    """Print the median and the 99th percentile for each node, and what a write costs them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=300)
    options = parser.parse_args()
    with running() as nodes:
        leader = nodes.leader()
        for node_id, agent in nodes.agents.items():
            before = processor_seconds(nodes)
            times = [agent.ask(set=f"{node_id} {n}")["seconds"] for n in range(options.writes)]
            cost = (processor_seconds(nodes) - before) / options.writes
            times.sort()
            role = "leader" if node_id == leader else "follower"
            p99 = times[int(len(times) * 0.99)]
            print(
                f"through {node_id} ({role}): p50 {1000 * statistics.median(times):.1f} ms, "
                f"p99 {1000 * p99:.1f} ms; {1000 * cost:.1f} ms of processor in all nodes"
            )


def processor_seconds(nodes: Nodes) -> float:
    """What all processes of all nodes have used so far, the writing ones among them."""
    agents = sum(seconds_of(agent.process.pid) for agent in nodes.agents.values())
    return agents + sum(seconds for seconds, _ in measure(nodes).values())


if __name__ == "__main__":
    main()
