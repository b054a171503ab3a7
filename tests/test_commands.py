"""The commands that drive a node: raft_tick, raft_node."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from celery.beat import Service
from django.core.management import CommandError, call_command
from django.test import override_settings

from raft_config import models
from raft_config.management.commands import raft_node
from raft_config.node import Node
from raft_config.tasks import queue_name

from .peers import SECRETS, URLS, Peers, adopt, elect, make_node

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def raft_settings(tmp_path):
    config = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "TICK_INTERVAL_SECONDS": 0.1,
        "VERSION_FILE": tmp_path / "version",
    }
    with override_settings(RAFT_CONFIG=config):
        yield


@pytest.fixture
def node():
    made = adopt(make_node(Peers()))
    yield made
    made.close()


@pytest.mark.parametrize(("command", "options"), [("raft_tick", {"seconds": 0}), ("raft_node", {})])
def test_driver_does_not_start_over_the_tables_of_another_node(node, monkeypatch, command, options):
    """As after a single node was given another NODE_ID: it would vote in the other one's name."""
    elect(node)
    models.Node.objects.update(node_id="node")
    monkeypatch.setattr(raft_node, "make_app", lambda: pytest.fail("It starts."))
    with pytest.raises(CommandError, match="set NODE_ID back to 'node'"):
        call_command(command, **options)


# -- raft_tick


@pytest.fixture
def sigterm():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_raft_tick_drives_the_node_and_stops_when_told(node, sigterm):
    elect(node)
    before = len(node.transport.sent)
    call_command("raft_tick", seconds=0.5)
    assert len(node.transport.sent) > before
    assert node.courier._is_closed


def test_raft_tick_ends_on_sigterm(node, sigterm, monkeypatch):
    def run_for(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Node, "run_for", run_for)
    call_command("raft_tick")
    assert node.courier._is_closed


def test_raft_tick_ends_on_ctrl_c(node, sigterm, monkeypatch):
    def run_for(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Node, "run_for", run_for)
    call_command("raft_tick")
    assert node.courier._is_closed


# -- raft_node


def test_raft_node_needs_no_broker_and_listens_to_its_own_queue():
    app = raft_node.make_app()
    assert app.conf.broker_url == "memory://localhost"
    assert app.conf.task_default_queue == queue_name() == "raft.a"
    (entry,) = app.conf.beat_schedule.values()
    assert entry["options"]["queue"] == queue_name()
    # The memory broker's own interval of a second would deliver the ticks in heaps.
    assert app.conf.broker_transport_options["polling_interval"] <= 0.1


@pytest.mark.filterwarnings("ignore::celery.exceptions.SecurityWarning")  # where root runs it
def test_raft_node_stops_its_beat_when_the_worker_ends(monkeypatch):
    stopped = []
    running = threading.Event()
    monkeypatch.setattr(Service, "start", lambda *_, **__: running.set())
    monkeypatch.setattr(Service, "stop", lambda *_, **__: stopped.append(True))
    monkeypatch.setattr("celery.apps.worker.Worker.start", lambda _: running.wait(20))
    call_command("raft_node")
    assert stopped == [True]


def test_raft_node_drives_a_node_until_sigterm(tmp_path):
    """The real thing, in a process of its own: a cluster of one ticks, and ends."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "demo_site.settings",
        "DATA_DIR": str(tmp_path),
        "NODE_ID": "solo",
    }
    manage = [sys.executable, "manage.py"]
    subprocess.run([*manage, "migrate", "-v0"], cwd=ROOT, env=environment, check=True)  # noqa: S603
    process = subprocess.Popen(  # noqa: S603 - our own command
        [*manage, "raft_node"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 40
        while "leader" not in _events(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "became leader" in _events(tmp_path)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def _events(folder):
    path = folder / "log" / "events.log"
    return path.read_text() if path.exists() else ""
