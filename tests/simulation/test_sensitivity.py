"""The simulator is worth what it catches: each planted bug, within its number of seeds."""

from __future__ import annotations

from importlib import import_module

import pytest

from .planted import BUGS, Bug, planted
from .run import FailedSeedError, run_seed


def first_failing_seed(bug: Bug) -> int | None:
    """The first seed in which the bug shows."""
    with planted(bug):
        return next((seed for seed in range(bug.seeds) if fails(bug, seed)), None)


def fails(bug: Bug, seed: int) -> bool:
    try:
        run_seed(seed, nodes=bug.nodes, steps=bug.steps, schedules=bug.schedules)
    except FailedSeedError:
        return True
    return False


@pytest.mark.long
@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if not bug.paper_test], ids=lambda bug: bug.name
)
def test_simulator_catches_the_planted_bug(bug: Bug) -> None:
    assert first_failing_seed(bug) is not None, f"{bug.name}: not caught in {bug.seeds} seeds"


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.paper_test], ids=lambda bug: bug.name)
def test_paper_test_catches_the_planted_bug(bug: Bug) -> None:
    module, _, function = bug.paper_test.partition(":")
    test = getattr(import_module(module), function)
    test()
    with planted(bug), pytest.raises(AssertionError):
        test()


def test_edited_function_is_itself_again_afterwards() -> None:
    bug = BUGS[0]
    before = bug.function.__code__
    with planted(bug):
        assert bug.function.__code__ is not before
    assert bug.function.__code__ is before
