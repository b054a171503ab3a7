"""`make faults`: every fault in turn, for so many minutes; what came of it, as a table.

python -m tests.faults --minutes 30 --out runs.jsonl
python -m tests.faults --only "leader alone" --rounds 3
python -m tests.faults --table runs.jsonl
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import django

from .catalogue import FAULTS, Fault
from .cluster import FaultyCluster, running
from .proxied import POSTGRES, SQLITE
from .run import Run, make_run
from .site import page_times
from .table import table


def main() -> int:
    """The exit code: 1 if a run was not passed."""
    options = _options()
    if options.table:
        print(table(options.table))
        return 0
    if options.mutants:
        return hunt()
    if options.site:
        with running(3, settings_module=settings_of(options)) as cluster:
            print(page_times(cluster))
        return 0
    return _make_runs(options)


def settings_of(options: argparse.Namespace) -> str:
    return POSTGRES if options.postgres else SQLITE


def hunt() -> int:
    """Say of each planted bug what gave it away; the exit code is 1 if something went unseen."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    from .hunting import evidence  # noqa: PLC0415 - the mutants import models
    from .mutants import MUTANTS  # noqa: PLC0415

    unseen = 0
    for name in MUTANTS:
        found = evidence(name)
        unseen += not found
        print(f"{name}: {found[:300] or 'NOT SEEN'}", flush=True)
    print(f"{len(MUTANTS) - unseen} of {len(MUTANTS)} seen")
    return min(unseen, 1)


def _make_runs(options: argparse.Namespace) -> int:
    chosen = [FAULTS[name] for name in options.only or FAULTS]
    kinds = _kinds(
        [each for each in chosen if (not each.flushes if options.postgres else not each.postgres)]
    )
    deadline = time.monotonic() + 60 * options.minutes
    failed = 0
    for number in range(options.rounds) if options.rounds else itertools.count():
        for faults in kinds:
            if time.monotonic() > deadline:
                return min(failed, 1)
            first = faults[0]
            with running(
                first.nodes, settings_module=settings_of(options), **first.needs
            ) as cluster:
                for each in faults:
                    failed += _run(cluster, each, number, options.out)
    return min(failed, 1)


def _run(cluster: FaultyCluster, fault: Fault, number: int, out: Path | None) -> bool:
    run = make_run(cluster, fault)
    verdict = "ok" if not run.violations else f"FAILED: {run.violations}"
    print(f"{number} {_line(run)} {verdict}", flush=True)
    if out:
        with out.open("a") as file:
            file.write(json.dumps(run.as_json()) + "\n")
        if run.violations:
            _keep(cluster, out.with_name(f"{out.stem}: {number} {run.fault}"))
    return bool(run.violations)


def _keep(cluster: FaultyCluster, folder: Path) -> None:
    """The logs and the databases, with each node's journal: what a run is explained by."""
    for node_id in cluster.node_ids:
        with suppress(shutil.Error):  # the nodes are at work, and files come and go
            shutil.copytree(cluster.cluster.node(node_id).folder, folder / node_id)


def _line(run: Run) -> str:
    first = run.first_write_seconds
    shown = "never" if first is None else f"{first:.2f} s"
    return (
        f"{run.fault}: {run.ok} ok, {run.failed} failed, {run.unknown} unknown, "
        f"first write {shown}, {run.proof}."
    )


def _kinds(faults: list[Fault]) -> list[list[Fault]]:
    """The faults by the cluster that they need."""
    found: dict[tuple[int, ...], list[Fault]] = {}
    for each in faults:
        found.setdefault((each.nodes, *each.needs.values()), []).append(each)
    return list(found.values())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=0, help="instead of a time")
    parser.add_argument("--only", action="append", choices=list(FAULTS))
    parser.add_argument("--postgres", action="store_true", help="see tests/postgres.sh")
    parser.add_argument(
        "--out", type=Path, help="append each run to it, and keep beside it what a failed one left"
    )
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("--site", action="store_true")
    parser.add_argument("--table", type=Path, help="show what such a file says, and run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
