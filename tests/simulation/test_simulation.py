"""A few hundred seeds with every test run; `python -m tests.simulation` for a night's worth."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .run import FailedSeedError, run_seed

BATCH = 20
REGRESSIONS = [(20, 3), (104, 5), (173, 3), (300, 3), (520, 5), (827, 3), (1075, 3)]
"""Seeds and sizes that once failed, through a fault of the core or of the simulator itself."""


@pytest.mark.parametrize("nodes", [1, 2, 3, 5])
@pytest.mark.parametrize("first", range(0, 100, BATCH))
def test_nothing_is_violated(first: int, nodes: int) -> None:
    for seed in range(first, first + BATCH):
        run_seed(seed, nodes=nodes, steps=1000)


@pytest.mark.parametrize(("seed", "nodes"), REGRESSIONS)
def test_seed_that_failed_once_is_well_now(seed: int, nodes: int) -> None:
    run_seed(seed, nodes=nodes, steps=2000, schedules=False)


def test_same_seed_gives_the_same_trace() -> None:
    one, other = run_seed(7, steps=800), run_seed(7, steps=800)
    assert one.trace_hash == other.trace_hash
    assert one.counts == other.counts
    assert run_seed(8, steps=800).trace_hash != one.trace_hash


def test_trace_does_not_depend_on_the_order_of_sets() -> None:
    code = "from tests.simulation.run import run_seed; print(run_seed(7, steps=800).trace_hash)"
    hashes = {
        subprocess.run(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1


def test_failing_seed_says_how_to_run_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("planted")

    monkeypatch.setattr("tests.simulation.run._judge", broken)
    with pytest.raises(FailedSeedError) as caught:
        run_seed(3, nodes=3, steps=50)
    assert "--first 3 --seeds 1 --nodes 3 --steps 50" in str(caught.value)
    assert "planted" in str(caught.value)
