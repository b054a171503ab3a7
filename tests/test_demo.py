"""The demo: what it asks of its environment, what it refuses, and a whole run of it."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from demo_site import cluster as clusters
from demo_site.cluster import DemoError, Request
from demo_site.supervisor import start_command

from .demos import Demo, free_ports, run_demo

# -- the environment


def test_environment_may_be_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cluster = clusters.plan(clusters.read_request({}))
    assert cluster.data_dir == tmp_path / "demo_data"
    assert [(node.node_id, node.port) for node in cluster.nodes] == [
        ("a", 8001),
        ("b", 8002),
        ("c", 8003),
    ]


@pytest.mark.parametrize(
    "environ",
    [{"NODES": "0"}, {"NODES": "ten"}, {"NODES": "10"}, {"PORT": "70000"}, {"PORT": "-1"}],
)
def test_number_out_of_range_is_refused_by_its_name(environ):
    (name,) = environ
    with pytest.raises(DemoError, match=f"^{name} must be a whole number from"):
        clusters.read_request(environ)


def test_second_run_keeps_size_ports_and_secret(tmp_path):
    first = clusters.plan(Request(tmp_path, nodes=5, port=9001))
    clusters.save(first)
    assert clusters.plan(Request(tmp_path)) == first


def test_file_with_the_secret_is_for_its_owner_only(tmp_path):
    clusters.save(clusters.plan(Request(tmp_path)))
    assert (tmp_path / "cluster.json").stat().st_mode & 0o077 == 0


def test_more_nodes_than_last_time_join(tmp_path):
    clusters.save(clusters.plan(Request(tmp_path)))
    cluster = clusters.plan(Request(tmp_path, nodes=5))
    joins = [node.join for node in cluster.nodes]
    assert joins == ["", "", "", *["http://127.0.0.1:8001/raft"] * 2]
    environment = cluster.environment(cluster.node("d"))
    assert environment["PEERS"] == ""
    assert environment["JOIN"] == "http://127.0.0.1:8001/raft"


def test_fewer_nodes_or_another_port_than_last_time_are_refused(tmp_path):
    clusters.save(clusters.plan(Request(tmp_path)))
    with pytest.raises(DemoError, match="FRESH=1"):
        clusters.plan(Request(tmp_path, nodes=2))
    with pytest.raises(DemoError, match="FRESH=1"):
        clusters.plan(Request(tmp_path, port=9001))
    fresh = clusters.plan(Request(tmp_path, nodes=2, port=9001, fresh=True))
    assert (fresh.size, fresh.port) == (2, 9001)


def test_broken_file_is_told_with_the_remedy(tmp_path):
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(DemoError, match="FRESH=1"):
        clusters.plan(Request(tmp_path))


def test_fresh_deletes_what_the_demo_made_and_nothing_else(tmp_path):
    cluster = clusters.plan(Request(tmp_path))
    clusters.save(cluster)
    cluster.nodes[0].log_folder.mkdir(parents=True)
    (tmp_path / "thesis.txt").write_text("ten years of work")
    clusters.erase(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


# -- what it refuses before anything starts


def test_port_in_use_is_named_with_the_remedy_and_nothing_is_made(tmp_path):
    first = free_ports(3)
    with socket.socket() as holder:
        holder.bind((clusters.HOST, first + 1))
        holder.listen()
        ended = run_demo(tmp_path, PORT=str(first))
    assert ended.returncode == 1
    assert f"Port {first + 1}, which node b needs" in ended.stderr
    assert "make demo PORT=" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["supervisor.lock"]


def test_start_without_a_running_demo_says_what_to_do(tmp_path):
    assert "make demo" in run_demo(tmp_path, "start", "b").stderr
    clusters.save(clusters.plan(Request(tmp_path)))
    assert "make demo" in run_demo(tmp_path, "start", "b").stderr
    assert "the nodes are a, b, c" in run_demo(tmp_path, "start", "x").stderr


def test_start_hint_names_the_data_that_are_not_in_the_usual_place(tmp_path, monkeypatch):
    elsewhere = clusters.plan(Request(tmp_path))
    assert start_command(elsewhere, "c").startswith(f"DATA_DIR={tmp_path} ")
    monkeypatch.chdir(tmp_path)
    usual = clusters.plan(clusters.read_request({}))
    assert start_command(usual, "c") == f"{sys.executable} -m demo_site start c"


# -- a whole run


@pytest.fixture
def demo(tmp_path):
    running = Demo(tmp_path / "data", free_ports(3), tmp_path / "terminal")
    yield running
    if running.process.poll() is None:
        running.stop()


def processes_of(data_dir):
    """Pids whose environment names the data folder: whatever the demo started, and its children."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if str(data_dir).encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found


@pytest.mark.e2e
def test_ctrl_c_while_the_nodes_are_prepared_starts_none_of_them(demo):
    demo.wait_for("word of the beginning", lambda: "Preparing 3 nodes" in demo.text())
    assert demo.stop() == 0
    assert "Stopping 0 processes" in demo.text()
    assert processes_of(demo.data_dir) == []


@pytest.mark.e2e
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_edit_kill_the_leader_edit_again_and_the_killed_node_catches_up(demo):
    demo.wait_until_ready()

    answer = demo.save("b", SHOP_NAME="Bakery")
    assert "Saved at index" in answer.text
    assert demo.shows("b", "Bakery")
    for node_id in "abc":
        demo.wait_for(f"Bakery on {node_id}", lambda node_id=node_id: demo.shows(node_id, "Bakery"))

    leader = demo.status("a")["leader_id"]
    survivor, other = [node_id for node_id in "abc" if node_id != leader]
    for group in demo.groups(leader):
        os.killpg(group, signal.SIGKILL)
    answer = demo.save(survivor, SHOP_NAME="Dairy")
    assert "Saved at index" in answer.text
    demo.wait_for("Dairy on the other survivor", lambda: demo.shows(other, "Dairy"))
    demo.wait_for("word of the loss", lambda: f"start {leader}" in demo.text())

    assert run_demo(demo.data_dir, "start", leader).returncode == 0
    demo.wait_for("Dairy on the killed node", lambda: demo.shows(leader, "Dairy"))
    demo.wait_for(
        "equal indexes", lambda: len({demo.status(each).get("last_applied") for each in "abc"}) == 1
    )

    assert demo.stop() == 0
    assert processes_of(demo.data_dir) == []
