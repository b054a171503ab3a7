"""Rows of one table by statements of constant text, for what every write does.

Django compiles a query anew each time, which costs more than a small database takes to answer it.
What is rare goes through the models, which read better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections
from django.db.models import Model

MOST_KEYS = 500
"""So many keys are asked for in one statement; every database takes more parameters than that."""

Row = tuple[Any, ...]


class Table:
    """That of `model`, in whichever database; a row has these columns, the first is its key."""

    def __init__(self, model: type[Model], *columns: str) -> None:
        self.name = name_of(model)
        key, *others = (f'"{column}"' for column in columns)
        names, places = ", ".join((key, *others)), ", ".join("%s" for _ in columns)
        changes = ", ".join(f"{each} = EXCLUDED.{each}" for each in others)
        self._insert = f"INSERT INTO {self.name} ({names}) VALUES ({places})"  # noqa: S608 - ours
        self._upsert = f"{self._insert} ON CONFLICT ({key}) DO UPDATE SET {changes}"
        self._find = f"SELECT {names} FROM {self.name} WHERE {key} IN "  # noqa: S608 - likewise
        self._forget = f'DELETE FROM {self.name} WHERE "index" <= %s'  # noqa: S608 - likewise

    def insert(self, alias: str, rows: Sequence[Row]) -> None:
        """Store new rows."""
        _execute_many(alias, self._insert, rows)

    def upsert(self, alias: str, rows: Sequence[Row]) -> None:
        """Store rows, in the place of those with the same keys."""
        _execute_many(alias, self._upsert, rows)

    def find(self, alias: str, keys: Iterable[str]) -> list[Row]:
        """The rows with these keys, as far as there are any."""
        wanted = sorted(keys)
        found: list[Row] = []
        for start in range(0, len(wanted), MOST_KEYS):
            some = wanted[start : start + MOST_KEYS]
            found += select(alias, f"{self._find} ({', '.join(['%s'] * len(some))})", some)
        return found

    def forget(self, alias: str, index: int) -> None:
        """Delete the rows of the entries up to `index`."""
        with connections[alias].cursor() as cursor:
            cursor.execute(self._forget, (index,))


def name_of(model: type[Model]) -> str:
    """The name of its table; both databases quote like this."""
    return f'"{model._meta.db_table}"'  # noqa: SLF001 - Django's own API


def select(alias: str, statement: str, parameters: Sequence[int | str]) -> list[Row]:
    """What a statement finds."""
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, tuple(parameters))
        found: list[Row] = cursor.fetchall()
    return found


def _execute_many(alias: str, statement: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    with connections[alias].cursor() as cursor:
        cursor.executemany(statement, rows)
