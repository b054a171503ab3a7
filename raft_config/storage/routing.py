"""A database of the node's own: the DATABASES entry for it, and the router that leads there."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

APP_LABEL = "raft_config"

LOCK_TIMEOUT_SECONDS = 20.0
"""How long a process waits for the others of its node before "database is locked"."""


def sqlite_database(path: str | PathLike[str]) -> dict[str, Any]:
    """The DATABASES entry for a SQLite file that keeps what was promised (DESIGN §2.2).

    IMMEDIATE: the lock comes first, so that writers wait instead of failing. FULL: with NORMAL, a
    power cut takes acknowledged commits back. Connections are kept: opening one for each request
    costs more than answering a heartbeat, and closing the last one writes the whole file out.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": fspath(path),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": LOCK_TIMEOUT_SECONDS,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        },
    }


class RaftRouter:
    """Leads the app's tables to one database, for reads too: never to a replica, which lags.

    A subclass names the alias; where that is not "default", no other app's tables are made there.
    """

    alias = "raft_config"

    def db_for_read(self, model: type[Any], **_hints: Any) -> str | None:
        """Where a model's rows are read."""
        return self.alias if model._meta.app_label == APP_LABEL else None  # noqa: SLF001 - Django's own API

    def db_for_write(self, model: type[Any], **_hints: Any) -> str | None:
        """Where a model's rows are written."""
        return self.db_for_read(model)

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        """Whether an app's tables belong into this database."""
        if app_label == APP_LABEL:
            return db == self.alias
        return False if db == self.alias != "default" else None
