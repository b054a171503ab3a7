"""An etcd of the tests' own, on loopback; for those who say RAFT_CONFIG_TEST_ETCD=1.

Debian: apt-get install etcd-server.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

HOST = "127.0.0.1"
START_SECONDS = 30.0

needs_etcd = pytest.mark.skipif(
    os.environ.get("RAFT_CONFIG_TEST_ETCD") != "1", reason="needs etcd-server: see .ci/run"
)


class Etcd:
    """One member; what it stores stays when it is killed."""

    def __init__(self, folder, **options):
        """`options` are those of etcd itself, with underscores."""
        self.folder = folder
        self.options = options
        self.port, self.peer_port = free_port(), free_port()
        scheme = "https" if "cert_file" in options else "http"
        self.url = f"{scheme}://{HOST}:{self.port}"
        self.process = None
        self.start()

    def start(self):
        program = shutil.which("etcd")
        assert program is not None, "install etcd-server, or unset RAFT_CONFIG_TEST_ETCD"
        peer_url = f"http://{HOST}:{self.peer_port}"
        options = {
            "data-dir": str(self.folder / "etcd"),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": peer_url,
            "initial-advertise-peer-urls": peer_url,
            "initial-cluster": f"default={peer_url}",
            "heartbeat-interval": "20",
            "election-timeout": "200",
            **{name.replace("_", "-"): value for name, value in self.options.items()},
        }
        with (self.folder / "etcd.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [program, *(f"--{name}={value}" for name, value in options.items())],
                stdout=log,
                stderr=log,
            )
        self._wait_until_it_answers()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, path, content):
        """Past the client that is tested."""
        request = urllib.request.Request(f"{self.url}/v3/{path}", json.dumps(content).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:  # noqa: S310 - our own
            return json.load(answer)

    def compact(self):
        """Drop every old revision, as etcd's --auto-compaction does."""
        revision = self.ask("kv/range", {"key": "eA=="})["header"]["revision"]
        self.ask("kv/compaction", {"revision": revision, "physical": True})

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "etcd.log").read_text()[-2000:]
            time.sleep(0.05)

    def _answers(self):
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0 and self._can_read()

    def _can_read(self):
        if self.url.startswith("https"):  # with certificates, only the client that is tested can
            return True
        try:
            self.ask("kv/range", {"key": "eA=="})
        except OSError:
            return False
        return True


_shared = []


def the_etcd(tmp_path_factory):
    """One for the whole run, which nobody kills; it ends with the run's process."""
    if not _shared:
        _shared.append(Etcd(tmp_path_factory.mktemp("etcd")))
        atexit.register(_shared[0].kill)
    return _shared[0]


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
