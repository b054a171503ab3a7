"""A node that comes later: it joins as a learner, becomes a voter, and counts; once."""

from __future__ import annotations

import pytest

from benchmarks.nodes import Nodes, running, wait_for

from .databases import check_invariants, rows

pytestmark = [pytest.mark.e2e, pytest.mark.long]

CONFIGURATION = "select configuration from raft_config_node"
MEMBERS = "select node_id, voter from raft_config_member order by node_id"


def voters(nodes: Nodes, node_id: str) -> str:
    return "".join(each for each, is_voter in rows(nodes, node_id, MEMBERS) if is_voter)


def has_joined(nodes: Nodes, node_id: str) -> bool:
    return nodes.are_level() and voters(nodes, node_id) == "abcde"


def test_later_node_becomes_the_fifth_voter_and_a_second_start_changes_nothing() -> None:
    with running(4, spare=1) as nodes:
        assert "error" not in nodes.agents["a"].ask(set="before it came")
        newcomer = nodes.grow()
        wait_for(lambda: has_joined(nodes, newcomer))
        assert nodes.agents[newcomer].ask()["value"] == "before it came"

        joined = rows(nodes, newcomer, CONFIGURATION)
        nodes.kill(newcomer)
        nodes.start(newcomer)
        assert "error" not in nodes.agents[newcomer].ask(set="through it")
        wait_for(nodes.are_level)
        assert rows(nodes, newcomer, CONFIGURATION) == rows(nodes, "a", CONFIGURATION) == joined

        # Of five voters two may be lost, the leader among them: not so of the four before.
        leader = nodes.leader()
        assert leader is not None
        rest = [each for each in "abcd" if each != leader]
        for each in (leader, rest[0]):
            nodes.kill(each)
        answer = nodes.agents[newcomer].ask(set="by three of five", timeout=60)
        assert "error" not in answer, answer
        for each in (leader, rest[0]):
            nodes.start(each)
        wait_for(lambda: nodes.leader() is not None and nodes.are_level())
        check_invariants(nodes, nodes.agents)
