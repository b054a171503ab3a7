"""What the checks have in common."""

from __future__ import annotations

from typing import Any, Final

from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 -- Django's name for it
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..conf import RaftConfig, get_config
from ..exceptions import ConfigurationError

TAG: Final = "raft_config"


def valid_config() -> RaftConfig | None:
    """The configuration; None if it is wrong, which checks of their own tell."""
    try:
        return get_config()
    except ConfigurationError:
        return None


def grave(config: RaftConfig, number: int, problem: str, hint: str) -> CheckMessage:
    """An error in a cluster. A node alone has no votes to lose: it is warned, and can start."""
    if config.peers or config.join or config.url:
        return Error(problem, hint=hint, id=f"raft_config.E{number:03}")
    return Warning(problem, hint=hint, id=f"raft_config.W{number:03}")


def connection_of(config: RaftConfig) -> BaseDatabaseWrapper:
    """The connection to the node's database; it is not opened."""
    return connections[config.database]


def options_of(connection: BaseDatabaseWrapper) -> dict[str, Any]:
    """Its OPTIONS, which may be left out."""
    return dict(connection.settings_dict.get("OPTIONS") or {})


def entry_name(config: RaftConfig) -> str:
    """The entry as the project wrote it."""
    return f'DATABASES["{config.database}"]'
