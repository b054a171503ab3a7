"""Whatever state the cluster is in, the host project's pages are served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .cluster import FaultyCluster, running
from .site import ILLNESSES, set_values, visit_ill

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def cluster() -> Iterator[FaultyCluster]:
    with running(3) as found:
        set_values(found)
        yield found


@pytest.mark.parametrize("name", ILLNESSES)
def test_pages_show_the_last_applied_or_default_values_while(
    cluster: FaultyCluster, name: str
) -> None:
    found = visit_ill(cluster, name)
    assert not found.wrong, found.wrong[:3]
    assert not found.unanswered, found.unanswered[:3]
    assert all(found.more_ms(page) for page in ILLNESSES[name].pages)
