"""A cluster of two releases, and its upgrade one node after the other, while somebody writes.

The protocol that all agree on rises only when every member speaks it; and no process of the older
release is troubled by what the newer one says.
"""

from __future__ import annotations

import pytest

from benchmarks.nodes import wait_for

from .databases import rows
from .growing import Cluster, Writer, growing
from .test_growth import check_all

pytestmark = [pytest.mark.e2e, pytest.mark.long]

VERSIONS = "select node_id, version from raft_config_member order by node_id"


def spoken(nodes: Cluster, node_id: str) -> list[int]:
    """What each member speaks, as this node has it in its log."""
    return [version for _, version in rows(nodes, node_id, VERSIONS)]


def is_known(nodes: Cluster, expected: list[int]) -> bool:
    return nodes.leader() is not None and all(spoken(nodes, each) == expected for each in "abc")


def test_nodes_of_two_releases_agree_and_are_upgraded_without_a_failed_write() -> None:
    with growing(3, room=3, settings_module="tests.e2e.release_settings", newer="c") as nodes:
        wait_for(lambda: is_known(nodes, [1, 1, 2]))
        with Writer(nodes, "a") as older:
            nodes.do("a", "raft_transfer", "c", "--yes")  # the newer one leads older ones
            older.goes_on()
            nodes.upgrade("b")
            wait_for(lambda: is_known(nodes, [1, 2, 2]))
            older.goes_on()
            assert "runs release" in nodes.manage("a", "raft_doctor").stdout
            with Writer(nodes, "b") as newer:
                older.ends()
                nodes.upgrade("a")
                newer.goes_on()
                wait_for(lambda: is_known(nodes, [2, 2, 2]))
                newer.goes_on()
        older.acknowledged += newer.acknowledged
        older.failures += newer.failures
        check_all(nodes, older)
