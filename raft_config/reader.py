"""`config`: reads of what this node has applied. A read never writes and never waits for a peer.

All processes of a host map one file of 8 bytes: the index that was applied last. A read compares
it with the one its values were loaded at, and reloads, in one query, when they differ either way
(after a power cut it may have fallen). Where that file cannot tell (it cannot be opened, or other
hosts share the node's database), the node's row is asked, at most once a second. When nothing can
be loaded, a read still answers: with the value loaded before, else with the declared default.
"""

from __future__ import annotations

import logging
import mmap
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connections

from .conf import RaftConfig, get_config
from .schema import SchemaError, declared
from .storage import stored_values, stored_version

logger = logging.getLogger("raft_config")

VERSION_BYTES = 8
NEVER_LOADED = -1
CHECK_SECONDS = 1.0
"""How often to look whether the file was replaced, and at the row where the file cannot tell."""


class Version:
    """The index that was applied last, as cheaply as this host allows."""

    def __init__(self, config: RaftConfig) -> None:
        self._path = config.version_file
        self._alias = config.database
        # A SQLite file has one host; its other processes write the same 8 bytes.
        self._asks_row = connections[config.database].vendor != "sqlite"
        self._view: memoryview | None = None
        self._inode = 0
        self._row_version = 0
        self._check_at = 0.0

    def read(self) -> int:
        """The index, for comparison only."""
        if time.monotonic() >= self._check_at:
            self._check()
        return self._row_version if self._view is None else self._view[0]

    def write(self, version: int) -> None:
        """Tell every process of the host."""
        if time.monotonic() >= self._check_at:
            self._check()
        self._row_version = version
        if self._view is not None:
            self._view[0] = version

    def _check(self) -> None:
        self._check_at = time.monotonic() + CHECK_SECONDS
        try:
            self._open_if_replaced()
        except OSError as error:
            if self._view is not None or self._inode == 0:
                logger.warning(
                    "The version file %s cannot be used (%s): a change made by another process is "
                    "seen after up to %g s. Make it writable for every process of the node.",
                    *(self._path, error, CHECK_SECONDS),
                )
            self._view, self._inode = None, NEVER_LOADED
        if self._view is None or self._asks_row:
            self._ask_row()

    def _open_if_replaced(self) -> None:
        """Map the file; again when something (a cleaner of temporary files) has taken it away."""
        try:
            if self._view is not None and Path(self._path).stat().st_ino == self._inode:
                return
        except FileNotFoundError:
            pass
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            found = os.fstat(descriptor)
            if found.st_size < VERSION_BYTES:
                os.ftruncate(descriptor, VERSION_BYTES)
            self._view = memoryview(mmap.mmap(descriptor, VERSION_BYTES)).cast("Q")
            self._inode = found.st_ino
        finally:
            os.close(descriptor)

    def _ask_row(self) -> None:
        try:
            version = stored_version(self._alias)
        except (DatabaseError, SynchronousOnlyOperation):
            return  # before `migrate`, while the database is away, or in an async view
        self._row_version = version
        if self._view is not None:
            self._view[0] = version


_versions: dict[tuple[int, str], Version] = {}


def version_of(config: RaftConfig) -> Version:
    """This process's view of the version; after a fork a new one."""
    key = (os.getpid(), config.version_file)
    found = _versions.get(key)
    if found is None:
        found = _versions[key] = Version(config)
    return found


def publish_version(config: RaftConfig, version: int) -> None:
    """Let every process of this host see that another index is applied."""
    version_of(config).write(version)


class Config:
    """The declared settings as attributes: `config.SITE_NAME`."""

    def __init__(self) -> None:
        self.__dict__["_loaded_at"] = NEVER_LOADED
        self.__dict__["_values"] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f'There is no setting {name}; declare it in RAFT_CONFIG["SETTINGS"].'
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Set {name} with raft_config.proposals.propose({{{name!r}: ...}}).")

    def __getitem__(self, name: str) -> Any:
        self._reload_if_stale()
        values = self.__dict__["_values"]
        if name in values:
            return values[name]
        return declared()[name].default

    def __contains__(self, name: object) -> bool:
        return name in declared()

    def __iter__(self) -> Iterator[str]:
        return iter(declared())

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *declared()]

    def _reload_if_stale(self) -> None:
        version = version_of(get_config()).read()
        if version == self.__dict__["_loaded_at"]:
            return
        try:
            self.__dict__["_values"] = _load_anywhere()
        except DatabaseError:
            # Before `migrate`, or while the database is away: what was loaded before goes on.
            logger.debug("The settings cannot be loaded now", exc_info=True)
            return
        self.__dict__["_loaded_at"] = version


_loader = ThreadPoolExecutor(1, "raft-load")


def _load_anywhere() -> dict[str, Any]:
    try:
        return load_values()
    except SynchronousOnlyOperation:  # an async view: the one query is made by a thread
        return _loader.submit(load_values).result()


def load_values() -> dict[str, Any]:
    """The value of every setting that is set, in one query; what cannot be read is left out."""
    settings = declared()
    values = {}
    for name, stored in stored_values(get_config().database).items():
        if name not in settings:
            continue
        try:
            values[name] = settings[name].decode(stored.text)
        except SchemaError as error:
            logger.warning("Setting %s: %s; its default is used", name, error)
    return values


config = Config()
