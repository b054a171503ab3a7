"""What a commit costs: a flush to the disk where a promise rests on it, else none (DESIGN §2.3).

SQLite decides before the transaction begins, PostgreSQL as late as before it ends. On any other
database every commit is durable.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from django.db import OperationalError, connections, transaction

from ..core import messages
from ..core.events import AllowLeadership, Event, Read, Receive, Tick

REWRITTEN_AT_ONCE_BYTES = 1024 * 1024


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


def may_have_lost(error: OperationalError) -> bool:
    """Whether a flush may have failed; not so when all that failed was to get the lock."""
    return "locked" not in str(error)


def write_wal_again(alias: str) -> None:
    """Bring to the disk what a flush that failed has dropped; raises where it fails again.

    Linux reports such a failure once, and takes the pages for written: the next flush succeeds
    without them. A durable commit would then stand behind relaxed ones that are missing, and after
    a power cut SQLite reads its WAL only up to the gap. The same bytes, written once more under the
    lock that all writers take, are the same to whoever reads them. PostgreSQL ends itself instead,
    and begins from what is on the disk.
    """
    if connections[alias].vendor != "sqlite":
        return
    wal = wal_path(alias)
    try:
        with transaction.atomic(using=alias), wal.open("r+b", buffering=0) as file:
            _write_again(file)
    except FileNotFoundError:
        pass  # it was written out, and flushed, when the last connection was closed
    except OSError as error:
        raise OperationalError(f"The disk of {wal} still fails: {error}") from error


def wal_path(alias: str) -> Path:
    """Where SQLite keeps the WAL of that database."""
    return Path(f"{connections[alias].settings_dict['NAME']}-wal")


def _write_again(file: FileIO) -> None:
    while part := file.read(REWRITTEN_AT_ONCE_BYTES):
        file.seek(-len(part), os.SEEK_CUR)
        if file.write(part) != len(part):
            raise OSError(errno.ENOSPC, "no room")
    os.fsync(file.fileno())


def relax_this_commit(alias: str) -> None:
    """Let PostgreSQL commit the present transaction without a flush.

    Also where nothing was changed: the lock on the row alone has it flushed otherwise.
    """
    if connections[alias].vendor == "postgresql":
        _execute(alias, "SET LOCAL synchronous_commit TO OFF")


def _execute(alias: str, statement: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
