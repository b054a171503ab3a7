"""Whether a planted bug is seen: by the verdict of a run on real nodes, or by a test that fails."""

from __future__ import annotations

import os
import subprocess
import sys

from demo_site.processes import ROOT

from .catalogue import FAULTS
from .cluster import running
from .mutants import MUTANTS, Mutant
from .run import make_run


def evidence(name: str) -> str:
    """What gave the bug away, "" if nothing did."""
    mutant = MUTANTS[name]
    return _by_harness(name, mutant) if mutant.fault else _by_test(name, mutant)


def _by_harness(name: str, mutant: Mutant) -> str:
    try:
        with running(3, mutant=name) as cluster:
            for _ in range(mutant.tries):
                if found := make_run(cluster, FAULTS[mutant.fault]).violations:
                    return found[0]
    except TimeoutError as error:
        # The nodes are not fit for any run: that counts as seen, and is said.
        return f"The nodes do not come to work: {error}"
    return ""


def _by_test(name: str, mutant: Mutant) -> str:
    if _run(mutant.test, {}, []).returncode != 0:
        raise AssertionError(f"{mutant.test} fails without the bug.")
    found = _run(mutant.test, {"MUTANT": name}, ["-p", "tests.faults.planting"])
    failed = [line for line in found.stdout.splitlines() if line.startswith("FAILED")]
    return failed[0] if found.returncode == 1 and failed else ""


def _run(test: str, extra: dict[str, str], options: list[str]) -> subprocess.CompletedProcess[str]:
    common = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "pytest", *common, *options, test],
        cwd=ROOT,
        env={**os.environ, **extra},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
