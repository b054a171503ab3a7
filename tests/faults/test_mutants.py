"""The harness is worth what it sees. `python -m tests.faults --mutants` plants all of them."""

from __future__ import annotations

import pytest

from .hunting import evidence
from .mutants import MUTANTS

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.mark.parametrize("name", ["local read served as linearizable", "retry applied twice"])
def test_harness_sees_the_planted_bug(name: str) -> None:
    assert evidence(name)


@pytest.mark.parametrize("name", ["truncation without a conflict", "vote not flushed"])
def test_named_test_sees_the_planted_bug(name: str) -> None:
    assert evidence(name)


def test_there_is_one_way_to_see_each() -> None:
    assert all(bool(each.fault) != bool(each.test) for each in MUTANTS.values())
