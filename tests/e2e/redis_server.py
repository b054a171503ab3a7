"""A Redis server of a test's own, on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from benchmarks.nodes import wait_for

HOST = "127.0.0.1"


class Redis:
    """It begins at once; `stop` and `start` are an outage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None, "install redis-server (Debian: apt-get install redis-server)"
        options = ["--port", str(self.port), "--bind", HOST, "--save", "", "--dir"]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603
                [program, *options, str(self.folder)], stdout=log, stderr=log
            )
        wait_for(self.answers)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
