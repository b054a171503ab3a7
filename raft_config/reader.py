"""`config`: reads of what this node has applied. A read never writes and never waits for a peer.

All processes of a host map one file of 8 bytes: the index that was applied last. A read compares
it with the one its values were loaded at, and reloads, in one query, when they differ either way
(after a power cut it may have fallen). When nothing can be loaded, a read still answers: with the
value loaded before, else with the declared default.
"""

from __future__ import annotations

import logging
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import DatabaseError

from .conf import RaftConfig, get_config
from .schema import SchemaError, declared
from .storage import stored_values

logger = logging.getLogger("raft_config")

VERSION_BYTES = 8
NEVER_LOADED = -1


class VersionFile:
    """The shared 8 bytes; aligned, so they are read and written whole on common machines."""

    def __init__(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < VERSION_BYTES:
                os.ftruncate(descriptor, VERSION_BYTES)
            self._map = mmap.mmap(descriptor, VERSION_BYTES)
        finally:
            os.close(descriptor)
        self._view = memoryview(self._map).cast("Q")

    def read(self) -> int:
        """The index that was applied last on this host."""
        return self._view[0]

    def write(self, version: int) -> None:
        """Tell every process of the host."""
        self._view[0] = version


_files: dict[str, VersionFile] = {}


def _version_file(config: RaftConfig) -> VersionFile:
    found = _files.get(config.version_file)
    if found is None:
        found = _files[config.version_file] = VersionFile(config.version_file)
    return found


def publish_version(config: RaftConfig, version: int) -> None:
    """Let every process of this host see that another index is applied."""
    _version_file(config).write(version)


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
        version = _version_file(get_config()).read()
        if version == self.__dict__["_loaded_at"]:
            return
        try:
            self.__dict__["_values"] = load_values()
        except DatabaseError:
            # Before `migrate`, or while the database is away: what was loaded before goes on.
            logger.debug("The settings cannot be loaded now", exc_info=True)
            return
        self.__dict__["_loaded_at"] = version


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
