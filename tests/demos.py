"""A running demo, as its terminal and its pages show it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from demo_site import cluster as clusters

from .html_forms import read_form

ROOT = Path(__file__).resolve().parent.parent
EDITOR = "admin/raft_config/storedvalue/edit/"


def free_ports(count):
    """The first of `count` ports in a row that nobody holds."""
    for first in range(20000 + os.getpid() % 5000, 60000, count):
        with suppress(OSError):
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind((clusters.HOST, port))
            return first
    pytest.fail("no free ports")


def demo_environment(data_dir, **variables):
    inherited = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
    }
    return {**inherited, "DATA_DIR": str(data_dir), **variables}


def run_demo(data_dir, *arguments, **variables):
    return subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "demo_site", *arguments],
        cwd=ROOT,
        env=demo_environment(data_dir, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Demo:
    """Three nodes, or as many as NODES says, to be stopped."""

    def __init__(self, data_dir, port, output, **variables):
        self.data_dir = data_dir
        self.port = port
        self.output = output
        with output.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "demo_site"],
                cwd=ROOT,
                env=demo_environment(data_dir, PORT=str(port), **variables),
                stdout=terminal,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def url(self, node_id):
        return f"http://127.0.0.1:{self.port + 'abc'.index(node_id)}/"

    def text(self):
        return self.output.read_text()

    def wait_for(self, what, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        pytest.fail(f"No {what}. The terminal shows:\n{self.text()}")

    def groups(self, node_id):
        """The process groups of a node, from the table."""
        row = re.search(rf"^{node_id}  .* (\d+) +(\d+)$", self.text(), re.MULTILINE)
        return [int(row[1]), int(row[2])]

    def status(self, node_id):
        try:
            return requests.get(f"{self.url(node_id)}node.json", timeout=2).json()
        except (requests.RequestException, ValueError):
            return {}

    def shows(self, node_id, text):
        with suppress(requests.RequestException):
            return text in requests.get(self.url(node_id), timeout=2).text
        return False

    def save(self, node_id, **values):
        """Log in and press Save, as a browser would."""
        browser = requests.Session()
        page = f"{self.url(node_id)}{EDITOR}?group=Look"
        login = browser.get(page, timeout=5)
        data = read_form(login.text) | {"username": "admin", "password": "admin"}
        form = browser.post(login.url, data, headers={"Referer": login.url}, timeout=5)
        data = read_form(form.text) | {f"value-{name}": value for name, value in values.items()}
        return browser.post(page, data, headers={"Referer": page}, timeout=15)

    def wait_until_ready(self):
        self.wait_for("table", lambda: "Log in to any admin" in self.text(), seconds=60)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)
