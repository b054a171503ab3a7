"""Run many seeds: `python -m tests.simulation --seeds 1000 --nodes 5 --steps 2000`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tqdm import tqdm

from .run import FailedSeedError, run_seed


def main() -> int:
    """Run the seeds asked for, print a table, and return 1 if any failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--nodes", type=int, default=3, help="nodes of a world at its start")
    parser.add_argument("--steps", type=int, default=2000, help="steps before the faults stop")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    failed: list[FailedSeedError] = []
    steps = 0
    begun_at, cpu_begun_at = time.monotonic(), time.process_time()
    seeds = range(options.first, options.first + options.seeds)
    for seed in tqdm(seeds, unit="seed", disable=not sys.stderr.isatty()):
        try:
            report = run_seed(seed, nodes=options.nodes, steps=options.steps)
        except FailedSeedError as error:
            failed.append(error)
            print(error, file=sys.stderr)
            continue
        counts += report.counts
        steps += report.steps
    cpu_seconds = time.process_time() - cpu_begun_at
    rows = {
        "seeds": len(seeds),
        "failed": len(failed),
        "steps": steps,
        "steps/s of CPU": round(steps / cpu_seconds) if cpu_seconds else 0,
        "seconds": round(time.monotonic() - begun_at, 1),
        **dict(sorted(counts.items())),
    }
    for name, value in rows.items():
        print(f"{name:26} {value:>14,}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
