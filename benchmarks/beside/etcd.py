"""Three members of etcd on loopback, asked through the JSON gateway."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ..nodes import free_ports, wait_for
from .load import Client

HOST = "127.0.0.1"


def install() -> None:
    """Get etcd from Debian if it is not there."""
    if shutil.which("etcd") is None and os.geteuid() == 0:
        subprocess.run(["apt-get", "install", "-qq", "-y", "etcd-server"], check=True)  # noqa: S607
    if shutil.which("etcd") is None:
        raise SystemExit("Install etcd first: apt-get install etcd-server")


def release() -> str:
    """What is measured."""
    text = subprocess.run(["etcd", "--version"], check=True, capture_output=True, text=True).stdout  # noqa: S607
    return text.splitlines()[0].replace(" Version:", "")


class Etcd:
    """A cluster with etcd's defaults; it flushes to the disk, as ours does."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="etcd-bench-")
        first = free_ports(6)
        self.urls = [f"http://{HOST}:{first + place}" for place in range(3)]
        self.peer_urls = [f"http://{HOST}:{first + 3 + place}" for place in range(3)]
        self.processes: list[subprocess.Popen[bytes]] = []
        for place in range(3):
            self.processes.append(self._start(place))
        wait_for(lambda: self.leader() is not None)

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        cluster = ",".join(f"m{place}={url}" for place, url in enumerate(self.peer_urls))
        options = {
            "name": f"m{place}",
            "data-dir": f"{self.folder.name}/{place}",
            "listen-client-urls": self.urls[place],
            "advertise-client-urls": self.urls[place],
            "listen-peer-urls": self.peer_urls[place],
            "initial-advertise-peer-urls": self.peer_urls[place],
            "initial-cluster": cluster,
        }
        with Path(self.folder.name, f"{place}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own command
                ["etcd", *(f"--{name}={value}" for name, value in options.items())],  # noqa: S607
                stdout=log,
                stderr=log,
            )

    def leader(self) -> int | None:
        """The place of the one that leads, if they agree."""
        found = []
        for url in self.urls:
            try:
                answer = json.loads(Client(url).ask("/v3/maintenance/status", b"{}"))
            except (OSError, AssertionError):
                return None
            found.append((answer["header"]["member_id"], answer.get("leader")))
        leaders = {leader for _, leader in found}
        ids = [member for member, _ in found]
        return ids.index(leaders.pop()) if len(leaders) == 1 and leaders <= {*ids} else None

    def kill(self, place: int) -> None:
        """Do kill -9."""
        self.processes[place].kill()
        self.processes[place].wait()

    def start_again(self, place: int) -> None:
        """The killed one, with what it had stored."""
        self.processes[place] = self._start(place)

    def close(self) -> None:
        """End all, and forget what they stored."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.folder.cleanup()


def put(client: Client, value: str) -> bytes:
    """Change one key."""
    return client.ask(
        "/v3/kv/put", json.dumps({"key": text("KEY_0"), "value": text(value)}).encode()
    )


def put_many(client: Client, count: int, value: str) -> bytes:
    """Change so many keys in one transaction."""
    puts = [
        {"requestPut": {"key": text(f"KEY_{number}"), "value": text(value)}}
        for number in range(count)
    ]
    return client.ask("/v3/kv/txn", json.dumps({"success": puts}).encode())


def read(client: Client) -> bytes:
    """A linearizable read, as etcd's are unless asked otherwise."""
    return client.ask("/v3/kv/range", json.dumps({"key": text("KEY_0")}).encode())


def text(value: str) -> str:
    """As the gateway wants it."""
    return base64.b64encode(value.encode()).decode()
