"""Real nodes, with processes and databases: on an etcd, and on the way there and back."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from benchmarks.nodes import Agent, running, wait_for

from .server import needs_etcd

pytestmark = [pytest.mark.e2e, pytest.mark.long, needs_etcd]

SETTINGS = "tests.etcd.demo_settings"


@pytest.fixture
def start_with(monkeypatch, own_etcd):
    """Which engine the processes that are started from now on use."""
    monkeypatch.setenv("DEMO_ETCD", own_etcd.url)

    def start_with(engine):
        monkeypatch.setenv("DEMO_ENGINE", engine)

    return start_with


def rows(nodes, node_id, table):
    """A table of a node, as its database has it."""
    path = nodes.cluster.node(node_id).folder / "db.sqlite3"
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT * FROM raft_config_{table}").fetchall()  # noqa: S608


def differing(nodes, table):
    """The rows of each node, by its id, unless all have the same; without their keys."""
    found = {each: sorted(row[1:] for row in rows(nodes, each, table)) for each in nodes.agents}
    first, *others = found.values()
    return {} if all(each == first for each in others) else found


def test_nodes_that_write_at_once_agree_and_outlive_their_etcd(start_with, own_etcd):
    start_with("etcd")
    with running(2, settings_module=SETTINGS) as nodes:
        assert nodes.leader() == "etcd"
        failed = []

        def write(agent, name):
            for each in range(15):
                answer = agent.ask(set=f"{name} {each}")
                failed.extend([answer["error"]] if "error" in answer else [])

        threads = [threading.Thread(target=write, args=(nodes.agents[each], each)) for each in "ab"]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert failed == []
        own_etcd.kill()
        assert "UnavailableError" in nodes.agents["a"].ask(set="without", timeout=1)["error"]
        own_etcd.start()
        wait_for(lambda: "error" not in nodes.agents["b"].ask(set="back", timeout=1))
        wait_for(nodes.are_level)
        assert {agent.ask()["value"] for agent in nodes.agents.values()} == {"back"}
        assert len(rows(nodes, "a", "change")) == 31
        assert [differing(nodes, table) for table in ("change", "storedvalue")] == [{}, {}]


def move(nodes, node_id, to):
    """What the command says on this node."""
    environment = {**os.environ, **nodes.cluster.environment(nodes.cluster.node(node_id))}
    command = [sys.executable, "manage.py", "raft_config", "move", "--to", to, "--yes", "--json"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, env=environment, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def switch(nodes):
    """Start every process of every node anew."""
    for node_id in nodes.agents:
        nodes.kill(node_id)
        nodes.agents[node_id].close()
    for node_id in nodes.agents:
        nodes.start(node_id)
        nodes.agents[node_id] = Agent(nodes.cluster, nodes.cluster.node(node_id))
    wait_for(lambda: nodes.leader() is not None)


def test_three_nodes_move_to_etcd_and_back_under_their_readers(start_with):
    start_with("raft")
    with running(3, settings_module=SETTINGS) as nodes:
        index = nodes.agents["a"].ask(set="with raft", request_id="first")["index"]
        there = [move(nodes, node_id, "etcd") for node_id in nodes.agents]
        assert [each["step"] for each in there] == ["move", "follow", "follow"]
        assert len({(each["index"], each["digest"]) for each in there}) == 1
        assert {agent.ask()["value"] for agent in nodes.agents.values()} == {"with raft"}
        start_with("etcd")
        switch(nodes)
        assert nodes.agents["b"].ask(set="again", request_id="first")["index"] == index
        assert "error" not in nodes.agents["c"].ask(set="with etcd")
        back = [move(nodes, node_id, "raft") for node_id in nodes.agents]
        assert [each["step"] for each in back] == ["move", "follow", "follow"]
        assert len({(each["index"], each["digest"]) for each in back}) == 1
        start_with("raft")
        switch(nodes)
        assert nodes.leader() in nodes.agents
        assert nodes.agents["b"].ask(set="again", request_id="first")["index"] == index
        found = nodes.agents["a"].ask(set="with raft again")
        assert "error" not in found, found
        wait_for(nodes.are_level)
        assert [differing(nodes, table) for table in ("change", "storedvalue")] == [{}, {}]
        texts = [each[3] for each in sorted(rows(nodes, "a", "change"), key=lambda each: each[1])]
        assert len(texts) == 4
