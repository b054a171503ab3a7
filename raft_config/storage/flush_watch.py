"""Whether all that SQLite took for flushed is on the disk: some flushes fail, and nobody is told.

SQLite flushes its WAL in a commit, which tells of a failure, and in the checkpoint that a commit
may begin, which does not; nor would the site's own commit tell us. Linux takes the pages of a flush
that failed for written. If there were relaxed commits among them, a durable one behind them is not
read after a power cut, for SQLite reads its WAL only up to the gap.

So each process keeps a descriptor of its own on the WAL, and asks it after each durable commit,
before anything is sent that rests on it: to each descriptor Linux tells of every failure once, by
whomever it was met. Another process may have met one before this descriptor was there: so what was
written by then is written again. PostgreSQL ends itself instead, and begins from what it flushed.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Final

from django.db import OperationalError, connections

from .durability import may_have_lost, wal_path, write_wal_again

WAIT_BEFORE: Final = 1
"""SYNC_FILE_RANGE_WAIT_BEFORE: wait for nothing new, and tell of what has failed."""


def _how_to_ask() -> Callable[[int], object]:
    """Raises OSError if a flush failed. Without Linux's own call, which takes 4 µs: by a flush."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if call is None:
        return os.fsync
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)

    def ask(descriptor: int) -> None:
        if call(descriptor, 0, 1, WAIT_BEFORE):
            raise OSError(ctypes.get_errno(), "a flush has failed")

    return ask


ask_for_failures = _how_to_ask()


class FlushWatch:
    """One process's, over the database `alias`; safe to share between threads."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._lock = threading.Lock()
        self._is_in_doubt = False
        self._opened = (0, 0)
        """By which process, and which file: to a descriptor that came with a fork less is told."""
        self._descriptor = -1
        self._close: Callable[[], object] = int  # there is nothing to be closed yet

    def doubt(self, error: OperationalError) -> None:
        """An event was not taken in: with what was to be flushed, what it stands on may be lost."""
        self._is_in_doubt = self._is_in_doubt or may_have_lost(error)

    def settle(self) -> None:
        """Return once all that is in doubt was written again. Raises OperationalError."""
        if self._is_in_doubt:
            with self._lock:
                self._write_again()

    def make_good(self) -> None:
        """Return once all that was committed is on the disk. Raises OperationalError."""
        if connections[self._alias].vendor == "sqlite":
            with self._lock:
                self._is_in_doubt = self._has_failed() or self._is_in_doubt
                self._write_again()

    def _write_again(self) -> None:
        if self._is_in_doubt:
            write_wal_again(self._alias)
            self._is_in_doubt = False

    def _has_failed(self) -> bool:
        path = wal_path(self._alias)
        try:
            if self._opened != (os.getpid(), path.stat().st_ino):
                self._open(path)
                return True
            ask_for_failures(self._descriptor)
        except FileNotFoundError:
            return False  # in memory, or written out as the last connection was closed
        except OSError:
            return True
        return False

    def _open(self, path: Path) -> None:
        self._close()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._descriptor)
        self._opened = (os.getpid(), os.fstat(self._descriptor).st_ino)
