"""RAFT_CONFIG read, key after key; here alone are Django's settings looked at."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver

from ..core.settings import RaftSettings
from ..exceptions import ConfigurationError
from . import values
from .options import ETCD, KEYS, NOTHING, TIMING_KEYS, EtcdOptions, RaftConfig, name_of

T = TypeVar("T")


@cache
def get_config() -> RaftConfig:
    """The configuration in force. Raises ConfigurationError, for the first of all problems."""
    config, errors = _build(_Given(_raw()))
    if errors:
        raise errors[0]
    return config


def problems() -> list[ConfigurationError]:
    """Everything that is wrong with RAFT_CONFIG, for the system checks; read afresh."""
    return _build(_Given(_raw()))[1]


def _raw() -> object:
    return getattr(settings, "RAFT_CONFIG", {})


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in {"RAFT_CONFIG", "DATABASES"}:
        get_config.cache_clear()


class _Given:
    """Takes key after key, and collects what is wrong instead of stopping at the first."""

    def __init__(self, raw: object) -> None:
        self.errors: list[ConfigurationError] = []
        if isinstance(raw, Mapping):
            self.content: Mapping[object, object] = raw
        else:
            self.content = {}
            self.errors.append(
                ConfigurationError("RAFT_CONFIG", f"must be a dict, not {values.cut(raw)}.")
            )
        for key in self.content:
            if key not in KEYS:
                # Its repr: the quotes show a blank at the end, or that the key is no string.
                name = f"RAFT_CONFIG[{key!r}]" if not isinstance(key, str) else name_of(key)
                hint = values.did_you_mean(str(key), KEYS)
                self.errors.append(ConfigurationError(name, f"is not a key of raft_config. {hint}"))

    def take(self, key: str, parse: Callable[[object], T], default: T) -> T:
        if key not in self.content:
            return default
        try:
            return parse(self.content[key])
        except values.WrongValueError as error:
            self.refuse(key, str(error))
            return default

    def refuse(self, key: str, problem: str) -> None:
        self.errors.append(ConfigurationError(name_of(key), problem))


def _build(given: _Given) -> tuple[RaftConfig, list[ConfigurationError]]:
    timing = _take_timing(given)
    node_id = given.take("NODE_ID", values.identifier, "node")
    cluster_id = given.take("CLUSTER_ID", values.identifier, "raft-config")
    database = given.take("DATABASE", _database, "default")
    peers = given.take("PEERS", values.peers, NOTHING)
    config = RaftConfig(
        node_id=node_id,
        cluster_id=cluster_id,
        peers=peers,
        join=given.take("JOIN", values.optional_url, ""),
        learner=given.take("LEARNER", values.boolean, default=False),
        url=given.take("URL", values.optional_url, "") or peers.get(node_id, ""),
        secrets=given.take("SECRETS", values.secrets, ()),
        database=database,
        settings=given.take("SETTINGS", values.declarations, NOTHING),
        fields=given.take("FIELDS", values.form_fields, NOTHING),
        fieldsets=given.take("FIELDSETS", values.fieldsets, ()),
        encryption_keys=given.take("ENCRYPTION_KEYS", values.secrets, ()),
        clean=given.take("CLEAN", values.callable_or_path, None),
        timing=timing,
        version_file=_take_version_file(given, cluster_id, node_id, database),
        watch_max_waiters=given.take(
            "WATCH_MAX_WAITERS", values.count, RaftConfig.watch_max_waiters
        ),
        engine=given.take("ENGINE", values.engine, "raft"),
        etcd=_take_etcd(given, cluster_id),
        **_take_seconds(given, timing),
    )
    if not given.errors:  # or the same fault would be told twice
        _check_together(given, config)
        _check_engine(given, config)
    return config, given.errors


def _check_together(given: _Given, config: RaftConfig) -> None:
    if config.peers and not config.join and config.node_id not in config.peers:
        given.refuse(
            "NODE_ID",
            f"must be one of the ids in {name_of('PEERS')} ({', '.join(sorted(config.peers))}), "
            f"not {config.node_id!r}. Give each node its own id there, or let this one JOIN.",
        )
    if (config.peers or config.join) and not config.secrets:
        given.refuse("SECRETS", f"is needed as soon as there are PEERS or JOIN. {values.MAKE_KEY}")
    if config.join and not config.url:
        given.refuse("URL", "is needed with JOIN: write where the members reach this node.")
    elif config.learner and not config.join:
        given.refuse("LEARNER", "is for a node that joins: write the URL of a member in JOIN.")
    elif config.join and config.join == config.url:
        given.refuse("JOIN", "is this node's own URL: write the URL of a member instead.")


def _check_engine(given: _Given, config: RaftConfig) -> None:
    if ETCD in (config.node_id, *config.peers):
        given.refuse("NODE_ID", f"must not be {ETCD!r}: that is how the nodes call an etcd.")
    if config.engine == ETCD and not config.etcd.endpoints:
        given.refuse("ETCD", f"is needed with this ENGINE. {values.ETCD_EXAMPLE}")
    if config.engine == ETCD and config.join:
        given.refuse("JOIN", "is for the engine raft; with etcd a new node needs ETCD alone.")


def _take_timing(given: _Given) -> RaftSettings:
    chosen: dict[str, Any] = {
        name: given.content[key] for key, name in TIMING_KEYS.items() if key in given.content
    }
    try:
        return RaftSettings(**chosen)
    except ConfigurationError as error:
        problem = str(error).removeprefix(error.setting).strip()
        # The core says `election_timeout_seconds`; the project wrote it in upper case.
        for key, name in TIMING_KEYS.items():
            problem = re.sub(rf"\b{name}\b", key, problem)
        given.refuse(error.setting.upper(), f"{problem}.")
        return RaftSettings()


def _take_seconds(given: _Given, timing: RaftSettings) -> dict[str, float]:
    return {
        key.lower(): given.take(key, values.seconds, default)
        for key, default in {
            "TICK_INTERVAL_SECONDS": RaftConfig.tick_interval_seconds,
            "RPC_TIMEOUT_SECONDS": timing.election_timeout_seconds,
            "WRITE_TIMEOUT_SECONDS": RaftConfig.write_timeout_seconds,
            "MAX_CLOCK_SKEW_SECONDS": RaftConfig.max_clock_skew_seconds,
        }.items()
    }


def _take_etcd(given: _Given, cluster_id: str) -> EtcdOptions:
    nothing: dict[str, Any] = {}
    found = given.take("ETCD", values.etcd_options, nothing)
    return EtcdOptions(**{"prefix": f"/raft_config/{cluster_id}", **found})


def _take_version_file(given: _Given, cluster_id: str, node_id: str, database: str) -> str:
    path = given.take("VERSION_FILE", values.absolute_path, "")
    return path or _derived_version_file(cluster_id, node_id, database)


def _database(value: object) -> str:
    if not isinstance(value, str) or value not in settings.DATABASES:
        hint = values.did_you_mean(str(value), tuple(settings.DATABASES))
        raise values.WrongValueError(
            f"must be an alias of DATABASES, not {values.cut(value)}. {hint}"
        )
    return value


def _derived_version_file(cluster_id: str, node_id: str, database: str) -> str:
    """The same in every process of this node, another for any other node of this host."""
    place = settings.DATABASES.get(database, {})
    name = str(place.get("NAME", ""))
    if str(place.get("ENGINE", "")).endswith("sqlite3"):
        name = str(Path(name).absolute())
    parts = (cluster_id, node_id, name, str(place.get("HOST", "")), str(place.get("PORT", "")))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return str(Path(tempfile.gettempdir()) / f"raft_config-{node_id}-{digest}.version")
