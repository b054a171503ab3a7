"""The node's row, by statements that are made once: each event reads it, and most write it.

Django compiles a query anew each time, which costs more than a small database takes to answer it.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from ..models import NODE_ROW, Node
from .codec import STATE_COLUMNS, Columns

LOCKED_COLUMNS = (
    *STATE_COLUMNS,
    *("base_index", "base_term", "halted_by", "durable_saves", "values_hash"),
)


class NodeRow:
    """That of the node in the database `alias`."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._queries: dict[tuple[tuple[str, ...], bool], str] = {}
        self._updates: dict[tuple[str, ...], str] = {}

    def lock(self) -> Columns | None:
        """The row, once no other process holds it; within a transaction."""
        return self._read(LOCKED_COLUMNS, is_locked=True)

    def look(self, columns: tuple[str, ...] = STATE_COLUMNS) -> Columns | None:
        """These columns as they were committed last; None while there is no row."""
        return self._read(columns)

    def update(self, columns: Columns) -> None:
        """Write these columns."""
        names = tuple(columns)
        statement = self._updates.get(names)
        if statement is None:
            quote = connections[self.alias].ops.quote_name
            changes = ", ".join(f"{quote(name)} = %s" for name in names)
            table, key = quote(Node._meta.db_table), quote("id")  # noqa: SLF001 - Django's own API
            statement = f"UPDATE {table} SET {changes} WHERE {key} = %s"  # noqa: S608 - our names
            self._updates[names] = statement
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, (*columns.values(), NODE_ROW))

    def _read(self, columns: tuple[str, ...], *, is_locked: bool = False) -> Columns | None:
        statement = self._queries.get((columns, is_locked))
        if statement is None:
            rows = Node.objects.using(self.alias).filter(pk=NODE_ROW).values_list(*columns)
            rows = rows.select_for_update() if is_locked else rows
            statement, _ = rows.query.get_compiler(self.alias).as_sql()
            self._queries[columns, is_locked] = statement
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, (NODE_ROW,))
            row: tuple[Any, ...] | None = cursor.fetchone()
        return None if row is None else dict(zip(columns, row, strict=True))
