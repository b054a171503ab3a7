"""The fixed part of `make faults`: a few faults on real nodes, each with its whole verdict."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.power.recording import COMPILER, WHY_NOT

from .catalogue import FAULTS
from .cluster import FaultyCluster, running
from .run import make_run

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def cluster() -> Iterator[FaultyCluster]:
    with running(3, flushes=COMPILER is not None) as found:
        yield found


@pytest.mark.parametrize(
    "name",
    [
        "leader alone",
        "leader killed",
        "web workers killed, one after the other",
        "killed at each durable write",
        "everything at once",
    ],
)
def test_nothing_is_lost_and_all_agree_after(cluster: FaultyCluster, name: str) -> None:
    if FAULTS[name].flushes and COMPILER is None:
        pytest.skip(WHY_NOT)
    run = make_run(cluster, FAULTS[name])
    assert not run.violations, run.as_json()
