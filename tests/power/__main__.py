"""Cuts the power, as often as you like; ends with 1 if anything was lost, or a mutant was not seen.

python -m tests.power --database sqlite --runs 20 --cuts 100
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from .experiment import Experiment
from .servers import SERVERS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", choices=SERVERS, default="sqlite")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", default="")
    parser.add_argument("--failing", type=float, default=0.0)
    options = parser.parse_args()
    total: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.runs):
        found = Experiment(
            seed,
            options.database,
            options.steps,
            options.cuts,
            options.mutant,
            checkpoint_pages=(1000, 40)[seed % 2],
            failing=options.failing,
        ).run()
        problems = found.pop("problems")
        total.update(cuts=found["cuts"], took_back=found["took_back"], problems=len(problems))
        print(f"seed {seed}: {found}", *problems[:5], sep="\n    ", flush=True)
    print(dict(total))
    sys.exit(bool(total["problems"]) != bool(options.mutant))


if __name__ == "__main__":
    main()
