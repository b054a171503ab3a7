"""The database below a folder: a SQLite file needs nothing, PostgreSQL a server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

BIN = max(
    Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]), default=None
)
START_SECONDS = 60.0
SMALL = (
    *("shared_buffers=1MB", "max_wal_size=4MB", "min_wal_size=2MB", "checkpoint_timeout=30s"),
    *("listen_addresses=", "max_connections=10", "autovacuum_naptime=5s"),
)
"""So that pages are written out, and checkpoints happen, within a short run."""


class Sqlite:
    """A file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def entry(self, *, checkpoint_pages: int = 1000) -> dict[str, object]:
        """The entry for DATABASES."""
        from raft_config.storage import sqlite_database  # noqa: PLC0415 - not while settings load

        found = sqlite_database(self.folder / "db.sqlite3")
        found["OPTIONS"]["init_command"] += f"PRAGMA wal_autocheckpoint={checkpoint_pages};"
        return found

    def create(self) -> None:
        """There is nothing to be done."""

    @contextmanager
    def running(self, **_environment: str) -> Iterator[None]:
        yield


class Postgres:
    """A cluster of PostgreSQL's, in `data`; it is served only within `running`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    def entry(self, **_: object) -> dict[str, object]:
        """The entry for DATABASES."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "postgres",
            "USER": "postgres",
            "HOST": str(self.folder),
            "OPTIONS": {},
        }

    def create(self) -> None:
        """An empty cluster, with small files of its WAL."""
        self._own()
        options = ("-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--wal-segsize=1")
        command = (*as_owner(), BIN / "initdb", "-D", self.data, *options, "-N")
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own command

    def _own(self) -> None:
        """PostgreSQL wants to own its folder, and refuses to be root."""
        if os.getuid() == 0:
            self.folder.chmod(0o755)
            for path in (self.folder, self.data, *self.data.rglob("*")):
                if path.exists():
                    shutil.chown(path, "postgres", "postgres")
        if self.data.exists():
            self.data.chmod(0o700)

    @contextmanager
    def running(self, *options: str, **environment: str) -> Iterator[None]:
        """Served, until it is stopped as by a crash."""
        self._own()
        settings = [f"-c{each}" for each in (*SMALL, *options)]
        command = [*as_owner(), BIN / "postgres", "-D", self.data, "-k", self.folder, *settings]
        with (self.folder / "server.log").open("ab") as log:
            server = subprocess.Popen(  # noqa: S603 - our own command
                command, env={**os.environ, **environment}, stdout=log, stderr=log
            )
        try:
            self._wait(server)
            yield
        finally:
            server.send_signal(
                signal.SIGINT if environment.get("END") == "well" else signal.SIGQUIT
            )
            server.wait(START_SECONDS)

    def _wait(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        ready = (BIN / "pg_isready", "-q", "-h", self.folder)
        while subprocess.run(ready, check=False).returncode:  # noqa: S603 - our own command
            log = (self.folder / "server.log").read_text(errors="replace")
            assert server.poll() is None, f"PostgreSQL does not start: {log[-2000:]}"
            assert time.monotonic() < deadline, f"PostgreSQL is not ready: {log[-2000:]}"
            time.sleep(0.02)


def as_owner() -> tuple[str, ...]:
    if os.getuid():
        return ()
    return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")


SERVERS: Mapping[str, type[Sqlite | Postgres]] = {"sqlite": Sqlite, "postgres": Postgres}
