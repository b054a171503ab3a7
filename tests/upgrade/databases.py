"""The databases that a release left: as SQL, for both engines.

    python -m tests.upgrade.databases          makes what is committed for the present release
    tests/postgres.sh .venv/bin/python -m tests.upgrade.databases

A file of a release that was published is never made again: what comes later has to migrate it.
While 0001 may still be rewritten, that is followed by making these again.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RELEASE = "0.1.0"
IS_POSTGRES = os.environ.get("RAFT_CONFIG_TEST_DB") == "postgres"
ENGINE = "postgresql" if IS_POSTGRES else "sqlite"

WRITTEN = (
    ("migrate", "--verbosity=0"),
    ("raft_config", "set", "SITE_NAME=Corner shop", "MAX_ITEMS=30", "--user=eve"),
    ("raft_config", "set", "MAX_ITEMS=40", "--comment=A busy week"),
    ("raft_config", "reset", "SITE_NAME"),
    ("raft_snapshot",),
    ("raft_config", "set", "MAX_ITEMS=50", "--expires-at=2999-12-31T00:00Z"),
    ("raft_config", "set", "CLOSED=true", "--apply-at=2999-12-24T18:00Z"),
)
"""A life: values, history, a snapshot with a log behind it, and what waits for its time."""


def manage(database: str, *words: str) -> str:
    """What a command of the project prints."""
    ended = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.upgrade.project",
            "RAFT_CONFIG_UPGRADE_DB": database,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, f"{words}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def dump_of(release: str) -> Path:
    """Where the SQL of a release is."""
    return HERE / f"{release}.{ENGINE}.sql"


def releases() -> list[str]:
    """Those of which there is a database."""
    return sorted(path.name.removesuffix(f".{ENGINE}.sql") for path in HERE.glob(f"*.{ENGINE}.sql"))


def restore(sql: str, folder: Path) -> str:
    """A database as a release left it."""
    if not IS_POSTGRES:
        path = folder / "node.sqlite3"
        with sqlite3.connect(path) as connection:
            connection.executescript(sql)
        connection.close()
        return str(path)
    name = f"upgrade_{os.getpid()}_{folder.name}".lower()
    psql("postgres", f'CREATE DATABASE "{name}"')
    psql(name, sql)
    return name


def psql(database: str, sql: str) -> None:
    line = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]
    subprocess.run(line, input=sql, text=True, check=True, capture_output=True)  # noqa: S603 - ours


def dump(database: str) -> str:
    """A database as SQL."""
    if IS_POSTGRES:
        line = ["pg_dump", "--no-owner", "--no-privileges", "--inserts", database]
        text = subprocess.check_output(line, text=True)  # noqa: S603 - ours
        # psql of another minor release does not know these.
        return "\n".join(each for each in text.splitlines() if not each.startswith("\\")) + "\n"
    with sqlite3.connect(database) as connection:
        text = "\n".join(connection.iterdump()) + "\n"
    connection.close()
    return text


def main() -> None:
    """Live the life of the present release, and keep what it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        database = restore("", Path(folder))
        for words in WRITTEN:
            manage(database, *words)
        dump_of(RELEASE).write_text(dump(database), "utf-8")


if __name__ == "__main__":
    main()
