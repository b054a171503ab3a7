"""Whether this node's database is an older copy of itself: one word that all its processes map.

    24 bits of the incarnation's digest | 40 bits: how many durable saves are committed

The row counts its durable saves, those that a promise rests on; after each commit the count is
written here too, before anything is sent. A row that counts fewer was rolled back: a file restored
from yesterday, a virtual machine's snapshot, a standby that lagged behind when it was promoted. It
may have forgotten votes and entries, and must take part in nothing.

The word may lag (a process died before it wrote; the file is not flushed, and a power cut takes the
last seconds), but it is never ahead of what was durable, so nobody is refused wrongly. Where the
file is lost or restored with the database, nothing is recognised.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os

from django.db import connections

from ..conf import RaftConfig

logger = logging.getLogger("raft_config.storage")

SAVES_BITS = 40
WORD_BYTES = 8


class HighWater:
    """That of one node; `path` "" for a database that no copy can take the place of."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._pid = 0
        self._word: memoryview | list[int] = [0]

    def of(self, incarnation: str) -> int:
        """How many durable saves this life of the database is known to have seen."""
        return saves_in(self.word(), incarnation)

    def word(self) -> int:
        """What stands there now. Who holds no lock reads it before the row, which goes on."""
        return self._mapped()[0]

    def rise(self, incarnation: str, saves: int) -> None:
        """So many are committed; of two processes that come at once, the lower may stand."""
        if saves > self.of(incarnation):
            # One store of eight bytes: the tag of one life never stands with another's count.
            self._mapped()[0] = _tag(incarnation) << SAVES_BITS | saves

    def _mapped(self) -> memoryview | list[int]:
        if self._path and self._pid != os.getpid():
            self._pid = os.getpid()
            try:
                self._word = _map(self._path)
            except OSError as error:
                logger.warning(
                    "%s cannot be used (%s): an older copy of the database would not be recognised",
                    self._path,
                    error,
                )
        return self._word


def saves_in(word: int, incarnation: str) -> int:
    """How many durable saves of that life are told by a word; 0 when it is of another one."""
    tag, saves = divmod(word, 1 << SAVES_BITS)
    return saves if tag == _tag(incarnation) else 0


def _map(path: str) -> memoryview:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if os.fstat(descriptor).st_size < WORD_BYTES:
            os.ftruncate(descriptor, WORD_BYTES)
        return memoryview(mmap.mmap(descriptor, WORD_BYTES)).cast("Q")
    finally:
        os.close(descriptor)


def _tag(incarnation: str) -> int:
    return int.from_bytes(hashlib.sha256(incarnation.encode()).digest()[:3], "big")


def high_water_of(config: RaftConfig) -> HighWater:
    """Beside a SQLite file, where its WAL is mapped too; else beside the version file."""
    connection = connections[config.database]
    if connection.vendor != "sqlite":
        return HighWater(f"{config.version_file}.saves")
    name = str(connection.settings_dict["NAME"])
    return HighWater("" if not name or "memory" in name else f"{name}-saves")
