"""The only writer of the node's tables (`raft_config.models`).

`checking` stands before the log, `database` is the door, `transaction` one event on its way through
it, `durability` what a commit costs; `log`, `machine`, `rows`, `table` and `codec` are the tables.
`sqlite_database` and `RaftRouter` are for a project's settings module, which no model can be
imported in: so the rest is imported when used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .routing import RaftRouter, sqlite_database

if TYPE_CHECKING:
    from .checking import check_command
    from .database import DatabaseStorage
    from .reading import stored_settings, stored_version

__all__ = [
    "DatabaseStorage",
    "RaftRouter",
    "check_command",
    "sqlite_database",
    "stored_settings",
    "stored_version",
]

_NEEDS_MODELS = {
    "DatabaseStorage": ".database",
    "check_command": ".checking",
    "stored_settings": ".reading",
    "stored_version": ".reading",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_NEEDS_MODELS[name], __name__), name)
