"""A cluster that grows, shrinks, loses nodes and replaces them, while somebody writes.

On SQLite, and on PostgreSQL where RAFT_CONFIG_TEST_DB=postgres says that there is a server:
`tests/postgres.sh .venv/bin/python -m pytest -m long tests/e2e/test_growth.py`.

After each: no write has failed, every acknowledged one is in the history of every node, and the
invariants hold in all databases.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from benchmarks.nodes import wait_for
from demo_site.processes import RAFT

from .databases import check_invariants, rows
from .growing import Cluster, Writer, growing

pytestmark = [pytest.mark.e2e, pytest.mark.long]

MEMBERS = "select node_id, voter from raft_config_member order by node_id"
HISTORY = "select new_text from raft_config_change where name = 'SHOP_NAME'"


def voters(nodes: Cluster, node_id: str) -> str:
    return "".join(each for each, is_voter in rows(nodes, node_id, MEMBERS) if is_voter)


def agree(nodes: Cluster, expected: str) -> bool:
    """Whether all name these voters, and one leader."""
    seen = {voters(nodes, each) for each in nodes.agents}
    return seen == {expected} and nodes.leader() is not None


def check_all(nodes: Cluster, writer: Writer) -> None:
    wait_for(nodes.are_level)
    assert writer.failures == []
    for node_id in nodes.agents:
        kept = {json.loads(text)["value"] for (text,) in rows(nodes, node_id, HISTORY)}
        lost = [each for each in writer.acknowledged if each not in kept]
        assert lost == [], node_id
    check_invariants(nodes, nodes.agents)


def test_cluster_grows_from_one_node_to_five_and_shrinks_to_three() -> None:
    with growing(1, room=5) as nodes:
        with Writer(nodes, "a") as writer:
            for expected in ("abc", "abcde"):
                nodes.grow_by(2)
                wait_for(lambda expected=expected: agree(nodes, expected))
                writer.goes_on()
            nodes.do("b", "raft_transfer", "e", "--yes")
            for node_id, rest in (("e", "abcd"), ("d", "abc")):
                said = nodes.do("c", "raft_members", "remove", node_id, "--yes")
                assert f"{len(rest) + 1} voters" in said
                nodes.forget(node_id)
                wait_for(lambda rest=rest: agree(nodes, rest))
                writer.goes_on()
        check_all(nodes, writer)


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    with growing(3, room=3) as nodes:
        yield nodes


def test_nodes_are_restarted_one_after_the_other_without_a_failed_write(three: Cluster) -> None:
    with Writer(three, "a") as writer:
        for node_id in "abc":
            three.restart(node_id)
            wait_for(lambda: three.leader() is not None)
            writer.goes_on()
        drained = "select drained from raft_config_node"
        wait_for(lambda: not any(rows(three, each, drained)[0][0] for each in "abc"))
    check_all(three, writer)


def test_secret_is_rotated_node_by_node_without_a_failed_write() -> None:
    """As docs/security.md says: each step on every node before the next one begins."""
    with growing(3, room=3) as nodes:
        old, new = nodes.cluster.secret, "another secret, as long as the first one"
        with Writer(nodes, "a") as writer:
            for secrets in ((old, new), (new, old), (new,)):
                for node_id in "cba":
                    nodes.give_secrets(node_id, *secrets)
                    if node_id == "a":
                        writer.renew()
                    wait_for(lambda: nodes.leader() is not None)
                    writer.goes_on()
        check_all(nodes, writer)


def test_node_that_comes_back_empty_is_refused_until_it_joins_anew(three: Cluster) -> None:
    url = three.cluster.node("a").raft_url
    with Writer(three, "a") as writer:
        three.forget("c")
        # The leader may count it as heard still, for an election timeout; so it asks.
        assert is_refused(three, "Bring nodes back first", "a", "remove", "b")
        wait_for(lambda: three.manage("a", "raft_status").returncode == 1)
        three.wipe("c")
        three.come_back("c")
        remedy = "raft_members remove, raft_recover --join"
        wait_for(lambda: any(remedy in three.events(each) for each in "ab"))
        too_early = three.manage("c", "raft_recover", "--join", url)
        assert "raft_members remove c" in too_early.stderr
        writer.goes_on()
        three.do("b", "raft_members", "remove", "c", "--yes")
        wait_for(lambda: voters(three, "a") == "ab")
        three.do("c", "raft_recover", "--join", url)
        wait_for(lambda: agree(three, "abc"))
        writer.goes_on()
    check_all(three, writer)


def is_refused(nodes: Cluster, reason: str, node_id: str, *words: str) -> bool:
    ended = nodes.manage(node_id, "raft_members", *words, "--yes")
    return ended.returncode == 1 and reason in ended.stderr


def test_node_that_has_moved_is_found_at_its_new_url(three: Cluster) -> None:
    with Writer(three, "a") as writer:
        three.stop("b", RAFT)
        three.stop("b")
        url = three.move("b")
        assert is_refused(three, "not found there", "a", "set-url", "b", url)
        three.come_back("b")
        move = ("raft_members", "set-url", "b", url, "--yes")
        wait_for(lambda: three.manage("c", *move).returncode == 0)
        wait_for(lambda: agree(three, "abc"))
        writer.goes_on()
    check_all(three, writer)


def test_learner_reads_and_passes_writes_on_and_is_never_counted() -> None:
    with growing(3, room=4, learners="d") as nodes:
        with Writer(nodes, "b") as writer:
            edge = "d"
            nodes.grow_by(1)
            wait_for(lambda: agree(nodes, "abc"))
            writer.goes_on()
            assert "error" not in nodes.agents[edge].ask(set="at the edge")
            nodes.kill(edge)
            writer.goes_on()
            nodes.start(edge)
        check_all(nodes, writer)
        assert nodes.agents[edge].ask()["value"] == writer.acknowledged[-1]


def test_survivor_of_a_lost_majority_begins_anew_and_the_old_one_stays_out() -> None:
    with growing(3, room=4) as nodes:
        with Writer(nodes, "a") as writer:
            writer.goes_on()
        wait_for(nodes.are_level)
        nodes.kill("b")
        nodes.kill("c")
        refused = nodes.manage("a", "raft_recover", "--confirm", "a without")
        assert refused.returncode == 2
        nodes.do("a", "raft_recover", "--confirm", "a without b c")
        assert "error" not in nodes.agents["a"].ask(set="alone")
        # Both come back, and elect a leader of the old cluster among themselves.
        nodes.start("b")
        nodes.start("c")
        wait_for(lambda: nodes.agents["b"].ask()["leader"] in ("b", "c"))
        assert "error" not in nodes.agents["b"].ask(set="of the old cluster")
        assert "error" not in nodes.agents["a"].ask(set="of the new one")
        url = nodes.cluster.node("a").raft_url
        for node_id in "bc":
            nodes.do(node_id, "raft_recover", "--join", url, "--confirm", f"forget {node_id}")
        wait_for(lambda: agree(nodes, "abc") and nodes.are_level())
        assert {agent.ask()["value"] for agent in nodes.agents.values()} == {"of the new one"}
        check_all(nodes, writer)
