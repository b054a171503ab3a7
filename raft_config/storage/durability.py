"""What a commit costs: a flush to the disk where a promise rests on it, else none (DESIGN §2.3).

SQLite decides before the transaction begins, PostgreSQL as late as before it ends. On any other
database every commit is durable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from ..core import messages
from ..core.events import AllowLeadership, Event, Read, Receive, Tick


def is_likely_durable(event: Event) -> bool:
    """Whether a step of this will probably need a flush; a guess, for those that must choose."""
    if not isinstance(event, Receive):
        return not isinstance(event, (Tick, Read, AllowLeadership))
    message = event.envelope.message
    if isinstance(message, messages.AppendEntries):
        return bool(message.entries)
    return isinstance(
        message, (messages.RequestVote, messages.InstallSnapshot, messages.TimeoutNow)
    )


class DurabilityNeededError(Exception):
    """A transaction was begun relaxed, and its step needs durability: it has to be done again."""


@contextmanager
def relaxed_commits(alias: str) -> Iterator[bool]:
    """Let SQLite commit without a flush in here, not afterwards; yields whether it does.

    The connection may be the site's own: if it cannot be put back, it is closed.
    """
    connection = connections[alias]
    # Only within a test case can a transaction be open here already; it never reaches the disk.
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield False
        return
    _execute(alias, "PRAGMA synchronous=NORMAL")
    try:
        yield True
    finally:
        try:
            _execute(alias, "PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise


def relax_this_commit(alias: str) -> None:
    """Let PostgreSQL commit the present transaction without a flush.

    Also where nothing was changed: the lock on the row alone has it flushed otherwise.
    """
    if connections[alias].vendor == "postgresql":
        _execute(alias, "SET LOCAL synchronous_commit TO OFF")


def _execute(alias: str, statement: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
