"""What an operator is told on each of three real nodes while some of them are down."""

from __future__ import annotations

import json

import pytest

from benchmarks.nodes import wait_for

from .growing import Cluster, growing

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def test_status_tells_the_same_on_every_node_that_is_left() -> None:
    with growing(3, room=3) as nodes:
        wait_for(lambda: told(nodes, "abc") == {(0, "healthy")})
        nodes.forget(next(each for each in "abc" if each != nodes.leader()))
        left = "".join(nodes.agents)
        wait_for(lambda: told(nodes, left) == {(1, "degraded")})
        nodes.forget(left[0])
        wait_for(lambda: told(nodes, left[1]) == {(3, "no quorum")})


def told(nodes: Cluster, node_ids: str) -> set[tuple[int, str]]:
    ended = [nodes.manage(each, "raft_status", "--json") for each in node_ids]
    return {(each.returncode, json.loads(each.stdout)["health"]) for each in ended}
