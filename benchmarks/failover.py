"""How long a cluster of three is without writes when its leader is killed with kill -9."""

from __future__ import annotations

import argparse
import statistics
import time

from .nodes import PROFILES, running, wait_for


def main() -> None:
    """Kill the leader so many times, and print the times to the next write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--profile", choices=PROFILES, default="default")
    options = parser.parse_args()
    times = []
    with running(settings_module=PROFILES[options.profile]) as nodes:
        for number in range(options.kills):
            wait_for(lambda: nodes.leader() is not None and nodes.are_level())
            leader = nodes.leader()
            assert leader is not None
            survivor = next(each for each in nodes.agents if each != leader)
            nodes.agents[survivor].ask(set=f"before {number}")
            nodes.kill(leader)
            begun_at = time.perf_counter()
            answer = nodes.agents[survivor].ask(set=f"after {number}")
            times.append(time.perf_counter() - begun_at)
            print(
                f"kill {number + 1:3} of node {leader}: {times[-1]:.2f} s {answer.get('error', '')}"
            )
            nodes.start(leader)
    times.sort()
    print(
        f"time to the next write over {len(times)} kills: "
        f"median {statistics.median(times):.2f} s, max {times[-1]:.2f} s"
    )


if __name__ == "__main__":
    main()
