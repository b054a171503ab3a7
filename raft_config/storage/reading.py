"""What a process of the site asks that only reads settings; it loads nothing that writes."""

from __future__ import annotations

from ..models import NODE_ROW, Node, StoredValue
from ..state_machine import Value
from .table import name_of, select

_NODE = f'FROM {name_of(Node)} WHERE "id" = %s'
_VERSION = f'SELECT "last_applied" {_NODE}'
_SETTINGS = f"""
    SELECT "name", "text", "index" FROM {name_of(StoredValue)}
    UNION ALL SELECT '', '', "last_applied" {_NODE}
"""  # noqa: S608 - likewise


def stored_version(alias: str) -> int:
    """last_applied of the node in the database `alias`, 0 while it has no row; one query."""
    rows = select(alias, _VERSION, (NODE_ROW,))
    return int(rows[0][0]) if rows else 0


def stored_settings(alias: str) -> tuple[int, dict[str, Value]]:
    """last_applied and all values that are set, as of the same instant; one query."""
    rows = select(alias, _SETTINGS, (NODE_ROW,))
    values = {name: Value(text, index) for name, text, index in rows}
    version = values.pop("", Value("", 0)).index
    return version, values
