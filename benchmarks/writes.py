"""How long a write takes through each node of a cluster of three, one client at a time."""

from __future__ import annotations

import argparse
import statistics

from .nodes import running


def main() -> None:
    """Print the median and the 99th percentile for each node, in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=300)
    options = parser.parse_args()
    with running() as nodes:
        leader = nodes.leader()
        for node_id, agent in nodes.agents.items():
            times = [agent.ask(set=f"{node_id} {n}")["seconds"] for n in range(options.writes)]
            times.sort()
            role = "leader" if node_id == leader else "follower"
            p99 = times[int(len(times) * 0.99)]
            print(
                f"through {node_id} ({role}): p50 {1000 * statistics.median(times):.1f} ms, "
                f"p99 {1000 * p99:.1f} ms"
            )


if __name__ == "__main__":
    main()
