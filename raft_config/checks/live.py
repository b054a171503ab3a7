"""Checks that ask the database: under `migrate`, and `check --database <alias>`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Tags, register
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import ETCD, RaftConfig, name_of
from ..models import Node
from .base import TAG, connection_of, entry_name, grave, valid_config
from .database import is_in_memory, synchronous_commit_is_off

SQLITE_FULL: Final = 2
"""As SQLite answers; EXTRA is 3."""


def _asked(
    databases: Sequence[str] | None, vendor: str
) -> tuple[RaftConfig, BaseDatabaseWrapper] | None:
    """The node's database, if it is one of those that may be asked, and of that vendor."""
    config = valid_config()
    if config is None or config.database not in (databases or ()):
        return None
    connection = connection_of(config)
    if connection.vendor != vendor or is_in_memory(connection):
        return None
    return config, connection


def _answer(connection: BaseDatabaseWrapper, question: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question)
        row = cursor.fetchone()
    return row[0] if row else None


@register(Tags.database, TAG)
def check_sqlite_journal_in_use(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E/W011: some file systems, and other connections, keep SQLite from WAL, without an error."""
    if (found := _asked(databases, "sqlite")) is None:
        return []
    mode = str(_answer(found[1], "PRAGMA journal_mode")).lower()
    if mode == "wal":
        return []
    problem = f"{entry_name(found[0])} is in journal mode {mode}, not wal."
    hint = (
        "Set it in OPTIONS init_command. If it is set there, the file is on a network file system "
        "or is read-only: move it to a local disk."
    )
    return [grave(found[0], 11, problem, hint)]


@register(Tags.database, TAG)
def check_sqlite_synchronous_in_use(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E/W012: what the connection does, whatever its options say."""
    if (found := _asked(databases, "sqlite")) is None:
        return []
    level = int(_answer(found[1], "PRAGMA synchronous"))
    if level >= SQLITE_FULL:
        return []
    problem = (
        f"{entry_name(found[0])} runs with synchronous={level}, below FULL: a power cut can take "
        "back votes and acknowledged changes."
    )
    hint = (
        "Set it in OPTIONS init_command. If it is set there, look for code that changes it later, "
        "such as a receiver of connection_created."
    )
    return [grave(found[0], 12, problem, hint)]


@register(Tags.database, TAG)
def check_postgresql_commit(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E/W013: what this role in this database gets, wherever it is set."""
    found = _asked(databases, "postgresql")
    if found is None or _answer(found[1], "SHOW synchronous_commit") != "off":
        return []
    return [synchronous_commit_is_off(found[0])]


@register(Tags.database, TAG)
def check_postgresql_fsync(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """E/W014: a server that flushes nothing, as is common in containers for tests."""
    if (found := _asked(databases, "postgresql")) is None:
        return []
    off = [
        name for name in ("fsync", "full_page_writes") if _answer(found[1], f"SHOW {name}") == "off"
    ]
    if not off:
        return []
    problem = (
        f"The server of {entry_name(found[0])} runs with {' and '.join(off)} off: a power cut can "
        "take back votes, or destroy the database."
    )
    hint = f"Set {' and '.join(f'{name} = on' for name in off)} in postgresql.conf, and reload."
    return [grave(found[0], 14, problem, hint)]


@register(Tags.database, TAG)
def check_tables_are_our_own(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E018: two nodes on one row share one vote, and count it twice."""
    config, owner = _owner(databases, "node_id")
    if config is None or owner in (None, config.node_id):
        return []
    return [
        Error(
            f"The tables in {entry_name(config)} are those of node {owner!r}; this is node "
            f"{config.node_id!r}.",
            hint="Each node needs a database of its own; a SQLite file is enough "
            "(raft_config.storage.sqlite_database). A node keeps its id: set NODE_ID back to "
            f"{owner!r}. A new id is a new node, which starts with empty tables and JOIN.",
            id="raft_config.E018",
        )
    ]


@register(Tags.database, TAG)
def check_tables_are_of_the_engine(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """E029: what one engine has agreed on is not what the other would go on with."""
    from ..storage.codec import decode_configuration  # noqa: PLC0415 - the core, at each start

    config, members = _owner(databases, "configuration")
    if config is None or members is None:
        return []
    voters = decode_configuration(members).voters
    followed = ETCD if voters == {ETCD} else "raft"
    if not voters or followed == config.engine:
        return []
    return [
        Error(
            f"The tables in {entry_name(config)} follow the engine {followed!r}, and "
            f"{name_of('ENGINE')} is {config.engine!r}.",
            hint=f"Move what they hold: manage.py raft_config move --to {config.engine}. "
            f"Until then, leave the ENGINE {followed!r}.",
            id="raft_config.E029",
        )
    ]


def _owner(databases: Sequence[str] | None, column: str) -> tuple[RaftConfig | None, Any]:
    """What the node's row says, if its database may be asked; before the first start, nothing."""
    config = valid_config()
    if config is None or config.database not in (databases or ()):
        return None, None
    names = connection_of(config).introspection.table_names()
    if Node._meta.db_table not in names:  # noqa: SLF001 -- Django's API
        return config, None
    rows = Node.objects.using(config.database).values_list(column, flat=True)
    return config, rows.first()
