"""Checks of the DATABASES entry, without asking the database: they run with every command."""

from __future__ import annotations

import re
from typing import Any, Final

from django.core.checks import CheckMessage, Error, Info, register
from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import RaftConfig
from ..models import Node
from .base import TAG, connection_of, entry_name, grave, options_of, valid_config

_PRAGMA: Final = re.compile(r"\s*PRAGMA\s+(?:\w+\.)?(\w+)\s*[=(]\s*['\"]?(\w+)", re.IGNORECASE)
_USE_HELPER: Final = (
    "Take the entry from raft_config.storage.sqlite_database(path); it may be a file, and an "
    "alias, of the node's own (RAFT_CONFIG['DATABASE'])."
)
SUPPORTED: Final = frozenset({"sqlite", "postgresql"})


def _sqlite() -> tuple[RaftConfig, BaseDatabaseWrapper] | None:
    config = valid_config()
    if config is None or connection_of(config).vendor != "sqlite":
        return None
    return config, connection_of(config)


def _pragma(connection: BaseDatabaseWrapper, name: str) -> str:
    """What the init_command sets it to last, in upper case; "" if it does not."""
    statements = str(options_of(connection).get("init_command") or "").split(";")
    matches = [match for each in statements if (match := _PRAGMA.match(each))]
    return next((each[2].upper() for each in reversed(matches) if each[1].lower() == name), "")


def is_in_memory(connection: BaseDatabaseWrapper) -> bool:
    """Whether SQLite keeps it in memory, for this process alone."""
    name = str(connection.settings_dict.get("NAME") or "")
    return connection.vendor == "sqlite" and (name == ":memory:" or "mode=memory" in name)


def is_djangos_test_database(connection: BaseDatabaseWrapper) -> bool:
    """Whether Django's test runner has put its own in place of a file: it ends with the tests."""
    return str(connection.settings_dict.get("NAME") or "").startswith("file:memorydb_")


@register(TAG)
def check_engine(**_: Any) -> list[CheckMessage]:
    """E006: where the lock, the durable commit and the relaxed one were never proved."""
    config = valid_config()
    if config is None or connection_of(config).vendor in SUPPORTED:
        return []
    return [
        Error(
            f"{entry_name(config)} is a database that raft_config does not support "
            f"({connection_of(config).display_name}).",
            hint="Keep the site's data there, and give the node a small SQLite file of its own: "
            "DATABASES['raft_config'] = raft_config.storage.sqlite_database(path), "
            "RAFT_CONFIG['DATABASE'] = 'raft_config' and "
            "DATABASE_ROUTERS = ['raft_config.storage.RaftRouter'].",
            id="raft_config.E006",
        )
    ]


@register(TAG)
def check_connections_are_kept(**_: Any) -> list[CheckMessage]:
    """I030: each message of a peer would open a connection, which costs more than its answer."""
    config = valid_config()
    if config is None or connection_of(config).settings_dict.get("CONN_MAX_AGE", 0) != 0:
        return []
    return [
        Info(
            f"{entry_name(config)} opens a connection for each request, each message of another "
            "node among them.",
            hint="Set CONN_MAX_AGE to None, and CONN_HEALTH_CHECKS to True; under ASGI, or behind "
            "a pooler, leave it as it is and silence this with SILENCED_SYSTEM_CHECKS.",
            id="raft_config.I030",
        )
    ]


@register(TAG)
def check_sqlite_transaction_mode(**_: Any) -> list[CheckMessage]:
    """E/W007: with the default, most concurrent writers die at once (DESIGN §2.2)."""
    if (found := _sqlite()) is None:
        return []
    config, connection = found
    if str(options_of(connection).get("transaction_mode") or "").upper() in _LOCKING_MODES:
        return []
    problem = (
        f"{entry_name(config)} begins its transactions without the lock: of two processes of this "
        "node that write at once, one fails with 'database is locked'."
    )
    return [grave(config, 7, problem, f"Set OPTIONS transaction_mode to IMMEDIATE. {_USE_HELPER}")]


_LOCKING_MODES: Final = frozenset({"IMMEDIATE", "EXCLUSIVE"})


@register(TAG)
def check_sqlite_journal(**_: Any) -> list[CheckMessage]:
    """E/W008: WAL is what makes both a relaxed and a durable commit cheap and ordered."""
    found = _sqlite()
    if found is None or is_in_memory(found[1]) or _pragma(found[1], "journal_mode") == "WAL":
        return []
    problem = f"{entry_name(found[0])} does not ask for journal_mode=WAL."
    hint = f"Add 'PRAGMA journal_mode=WAL;' to OPTIONS init_command. {_USE_HELPER}"
    return [grave(found[0], 8, problem, hint)]


@register(TAG)
def check_sqlite_synchronous(**_: Any) -> list[CheckMessage]:
    """E/W009: after a power cut, WAL with NORMAL lost 200 of 200 acknowledged commits."""
    found = _sqlite()
    if found is None or is_in_memory(found[1]):
        return []
    config, connection = found
    if _pragma(connection, "synchronous") in _FLUSHING:
        return []
    problem = (
        f"{entry_name(config)} does not ask for synchronous=FULL: a power cut can take back votes "
        "and acknowledged changes."
    )
    hint = f"Add 'PRAGMA synchronous=FULL;' to OPTIONS init_command. {_USE_HELPER}"
    return [grave(config, 9, problem, hint)]


_FLUSHING: Final = frozenset({"FULL", "EXTRA", "2", "3"})


@register(TAG)
def check_not_in_memory(**_: Any) -> list[CheckMessage]:
    """E/W010: a node is its row; each process would have another one, and vote for itself."""
    found = _sqlite()
    if found is None or not is_in_memory(found[1]) or is_djangos_test_database(found[1]):
        return []
    problem = (
        f"{entry_name(found[0])} is in memory: each process of this node would be a node of its "
        "own, with votes of its own, and forget them at its end."
    )
    return [grave(found[0], 10, problem, f"Use a file. {_USE_HELPER}")]


@register(TAG)
def check_postgresql_options(**_: Any) -> list[CheckMessage]:
    """E/W013, as far as the OPTIONS say it; the live check asks the server."""
    config = valid_config()
    if config is None or connection_of(config).vendor != "postgresql":
        return []
    options = str(options_of(connection_of(config)).get("options") or "")
    if not re.search(r"synchronous_commit\s*=\s*'?(off|false|no|0)\b", options, re.IGNORECASE):
        return []
    return [synchronous_commit_is_off(config)]


def synchronous_commit_is_off(config: RaftConfig) -> CheckMessage:
    """The message E/W013."""
    return grave(
        config,
        13,
        f"{entry_name(config)} has synchronous_commit off: a crash of the server can take back "
        "votes and acknowledged changes.",
        "Leave it on for this alias (OPTIONS options, ALTER ROLE, ALTER DATABASE or "
        "postgresql.conf). raft_config itself relaxes the commits that may be lost.",
    )


@register(TAG)
def check_router(**_: Any) -> list[CheckMessage]:
    """E015: a replica lags; what is read there is not what was promised."""
    config = valid_config()
    if config is None:
        return []
    aliases = {router.db_for_read(Node), router.db_for_write(Node)}
    wrong = sorted(aliases - {config.database})
    if not wrong:
        return []
    return [
        Error(
            f"DATABASE_ROUTERS lead the tables of raft_config to {', '.join(wrong)}, not to "
            f"{config.database}.",
            hint="Put 'raft_config.storage.RaftRouter' first in DATABASE_ROUTERS, or a subclass "
            f"with alias = '{config.database}'.",
            id="raft_config.E015",
        )
    ]


@register(TAG)
def check_tables_are_migrated(**_: Any) -> list[CheckMessage]:
    """E016: a router that keeps `migrate` from making the tables where they are read."""
    config = valid_config()
    if config is None or router.allow_migrate_model(config.database, Node):
        return []
    return [
        Error(
            f"DATABASE_ROUTERS forbid the tables of raft_config in {entry_name(config)}.",
            hint="Put 'raft_config.storage.RaftRouter' first in DATABASE_ROUTERS, or a subclass "
            f"with alias = '{config.database}'.",
            id="raft_config.E016",
        )
    ]


@register(TAG)
def check_not_a_mirror(**_: Any) -> list[CheckMessage]:
    """E017: the project itself says that this alias is the replica of another."""
    config = valid_config()
    if config is None:
        return []
    test = connection_of(config).settings_dict.get("TEST") or {}
    if not (primary := test.get("MIRROR")):
        return []
    return [
        Error(
            f"{entry_name(config)} is a replica of {primary!r}, as its TEST MIRROR says.",
            hint=f"Set RAFT_CONFIG['DATABASE'] to {primary!r}, or to an alias of the node's own.",
            id="raft_config.E017",
        )
    ]
