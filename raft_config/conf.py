"""`settings.RAFT_CONFIG` as one frozen, typed object; the only reader of Django's settings.

Read on access (`get_config()`), kept until `setting_changed` announces another RAFT_CONFIG. A wrong
value raises a ConfigurationError that names the setting as the project wrote it and says what to
do; an unknown key is refused, because a misspelt one would silently mean its default.

What may *not* live here: anything that asks the database, the network or another app; that is for
`checks`. And SETTINGS stay raw: `schema.declared()` makes them `Setting` objects.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeVar

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.module_loading import import_string

from .core.settings import RaftSettings
from .exceptions import ConfigurationError

T = TypeVar("T")

MIN_SECRET_LENGTH: Final = 32
MAX_URL_LENGTH: Final = 200
MAX_SHOWN: Final = 80

# The same as transport.auth.ID_PATTERN, which is on a higher floor; a test compares them.
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# The host as Django's own get_host() takes it (no underscore, or the peer answers 400), and a path
# that is the same before and after normalising, because it is signed (transport.auth).
_BASE_URL: Final = re.compile(
    r"https?://([A-Za-z0-9.-]+|\[[A-Fa-f0-9:.]+\])(:[0-9]{1,5})?"
    r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?"
)
_DOTTED_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class PeersProvider(Protocol):
    """Finds the first members; `RAFT_CONFIG["PEERS"]` may be the dotted path to one.

    Called without arguments, once per process, when the configuration is first read. It returns
    {node_id: base_url} with this node among them, and must return the same on every node: it is
    the first configuration of the cluster, and two different ones are two clusters. It is not
    asked again later, but by the system checks: further nodes come with JOIN. Whatever it raises
    passes through unchanged.
    """

    def __call__(self) -> Mapping[str, str]: ...


ETCD: Final = "etcd"
"""The engine, and the id of the one member that leads and votes where it is used."""

ENGINES: Final[Mapping[str, str]] = {
    "raft": "raft_config.node.raft_node",
    ETCD: "raft_config.etcd.node.etcd_node",
}
"""What makes this process's node, by its dotted path: no engine is loaded but the one in use."""

FieldSpec = tuple[Any, Mapping[str, Any]]
"""A form field's class or dotted path, and its options."""


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class EtcdOptions:
    """How an etcd cluster is reached, and under which keys it keeps the log."""

    endpoints: tuple[str, ...] = ()
    """Base URLs of its members; the first that answers is asked."""
    prefix: str = ""
    """Of every key; by default made of the cluster's id."""
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""
    """The certificates to trust, in a file; by default those that `requests` trusts."""
    cert: str = ""
    key: str = ""
    """This client's own certificate and its key, in files."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RaftConfig:
    """One node's configuration. Durations in seconds; base URLs without a slash at the end."""

    node_id: str = "node"
    """This node's name; another one on each."""
    cluster_id: str = "raft-config"
    """The same on every node, and another one for each cluster that shares a secret."""
    peers: Mapping[str, str] = field(default_factory=_nothing)
    """The first members and their base URLs, oneself included; empty for a cluster of one."""
    join: str = ""
    """The base URL of any member: start with no configuration, and be added by the cluster."""
    learner: bool = False
    """Join without ever getting a vote, as a read-only site at the edge."""
    url: str = ""
    """Where the others reach this node; by default what `peers` says."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The first one signs, all verify; never shown."""
    database: str = "default"
    """The alias in DATABASES of this node's own database."""
    settings: Mapping[str, object] = field(default_factory=_nothing, repr=False)
    """The declared settings, as written: name -> `Setting(...)`; see `schema.declared`."""
    fields: Mapping[str, FieldSpec] = field(default_factory=_nothing, repr=False)
    """Names of types -> form fields, as in CONSTANCE_ADDITIONAL_FIELDS."""
    fieldsets: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)
    """Groups and the names of their settings."""
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    """The first one encrypts secret settings, all decrypt; never shown."""
    clean: Callable[..., object] | str | None = field(default=None, repr=False)
    """Whether the values fit together: the callable, or its dotted path."""
    timing: RaftSettings = field(default_factory=RaftSettings)
    tick_interval_seconds: float = 1.0
    """How often beat starts the task, which drives the node until the next one."""
    rpc_timeout_seconds: float = RaftSettings().election_timeout_seconds
    """A peer that does not answer for so long is given up; by default the election timeout."""
    write_timeout_seconds: float = 5.0
    """How long a proposal waits until it is applied here."""
    max_clock_skew_seconds: float = 30.0
    """A message that was signed longer ago, or so far in the future, is refused."""
    version_file: str = ""
    """What the processes of this node map to see a change; by default a file in the temporary
    directory, named after the node and its database."""
    watch_max_waiters: int = 32
    """How many clients may wait for changes in one process; more are told to come back."""
    state_machines: Mapping[str, str] = field(default_factory=_nothing)
    """Command prefix -> dotted path. Only read so far."""
    engine: str = "raft"
    """A key of `ENGINES`: who keeps the log that the nodes apply."""
    etcd: EtcdOptions = field(default_factory=EtcdOptions)
    """Where an etcd cluster is found; needed with that engine, and to move to it."""


_TIMING_KEYS: Final = {each.name.upper(): each.name for each in fields(RaftSettings)}
KEYS: Final = (
    *(each.name.upper() for each in fields(RaftConfig) if each.name != "timing"),
    *_TIMING_KEYS,
)
"""Everything that RAFT_CONFIG may contain."""


@cache
def get_config() -> RaftConfig:
    """The configuration in force. Raises ConfigurationError, for the first of all problems."""
    config, errors = _build(_Values(getattr(settings, "RAFT_CONFIG", {})))
    if errors:
        raise errors[0]
    return config


def problems() -> list[ConfigurationError]:
    """Everything that is wrong with RAFT_CONFIG, for the system checks; read afresh."""
    return _build(_Values(getattr(settings, "RAFT_CONFIG", {})))[1]


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in {"RAFT_CONFIG", "DATABASES"}:
        get_config.cache_clear()


def name_of(key: str) -> str:
    """The key as the project wrote it."""
    return f'RAFT_CONFIG["{key}"]'


def did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """The ending of a message about an unknown name: the nearest one, or all of them."""
    found = difflib.get_close_matches(name.upper(), [each.upper() for each in known], n=1)
    near = next((each for each in known if found and each.upper() == found[0]), None)
    return f"Did you mean {near!r}?" if near else f"Known are: {', '.join(sorted(known))}."


class _WrongError(Exception):
    """What is wrong with a value; `_Values` knows of which key."""


class _Values:
    """Takes key after key, and collects what is wrong instead of stopping at the first."""

    def __init__(self, given: object) -> None:
        self.errors: list[ConfigurationError] = []
        if isinstance(given, Mapping):
            self.given: Mapping[object, object] = given
        else:
            self.given = {}
            self.errors.append(
                ConfigurationError("RAFT_CONFIG", f"must be a dict, not {_cut(given)}.")
            )
        for key in self.given:
            if key not in KEYS:
                # Its repr: the quotes show a blank at the end, or that the key is no string.
                name = f"RAFT_CONFIG[{key!r}]" if not isinstance(key, str) else name_of(key)
                hint = did_you_mean(str(key), KEYS)
                self.errors.append(ConfigurationError(name, f"is not a key of raft_config. {hint}"))

    def take(self, key: str, parse: Callable[[object], T], default: T) -> T:
        if key not in self.given:
            return default
        try:
            return parse(self.given[key])
        except _WrongError as error:
            self.refuse(key, str(error))
            return default

    def refuse(self, key: str, problem: str) -> None:
        self.errors.append(ConfigurationError(name_of(key), problem))


def _build(values: _Values) -> tuple[RaftConfig, list[ConfigurationError]]:
    timing = _take_timing(values)
    node_id = values.take("NODE_ID", _id, "node")
    cluster_id = values.take("CLUSTER_ID", _id, "raft-config")
    database = values.take("DATABASE", _database, "default")
    peers = values.take("PEERS", _peers, _nothing())
    config = RaftConfig(
        node_id=node_id,
        cluster_id=cluster_id,
        peers=peers,
        join=values.take("JOIN", _optional_url, ""),
        learner=values.take("LEARNER", _boolean, default=False),
        url=values.take("URL", _optional_url, "") or peers.get(node_id, ""),
        secrets=values.take("SECRETS", _secrets, ()),
        database=database,
        settings=values.take("SETTINGS", _declarations, _nothing()),
        fields=values.take("FIELDS", _fields, _nothing()),
        fieldsets=values.take("FIELDSETS", _fieldsets, ()),
        encryption_keys=values.take("ENCRYPTION_KEYS", _secrets, ()),
        clean=values.take("CLEAN", _callable, None),
        timing=timing,
        version_file=_take_version_file(values, cluster_id, node_id, database),
        watch_max_waiters=values.take("WATCH_MAX_WAITERS", _count, RaftConfig.watch_max_waiters),
        state_machines=values.take("STATE_MACHINES", _state_machines, _nothing()),
        engine=values.take("ENGINE", _engine, "raft"),
        etcd=_take_etcd(values, cluster_id),
        **_take_seconds(values, timing),
    )
    if not values.errors:  # or the same fault would be told twice
        _check_together(values, config)
        _check_engine(values, config)
    return config, values.errors


def _check_together(values: _Values, config: RaftConfig) -> None:
    if config.peers and not config.join and config.node_id not in config.peers:
        values.refuse(
            "NODE_ID",
            f"must be one of the ids in {name_of('PEERS')} ({', '.join(sorted(config.peers))}), "
            f"not {config.node_id!r}. Give each node its own id there, or let this one JOIN.",
        )
    if (config.peers or config.join) and not config.secrets:
        values.refuse("SECRETS", f"is needed as soon as there are PEERS or JOIN. {MAKE_KEY}")
    if config.join and not config.url:
        values.refuse("URL", "is needed with JOIN: write where the members reach this node.")
    elif config.learner and not config.join:
        values.refuse("LEARNER", "is for a node that joins: write the URL of a member in JOIN.")
    elif config.join and config.join == config.url:
        values.refuse("JOIN", "is this node's own URL: write the URL of a member instead.")


def _check_engine(values: _Values, config: RaftConfig) -> None:
    if ETCD in (config.node_id, *config.peers):
        values.refuse("NODE_ID", f"must not be {ETCD!r}: that is how the nodes call an etcd.")
    if config.engine == ETCD and not config.etcd.endpoints:
        values.refuse("ETCD", f"is needed with this ENGINE. {_ETCD_EXAMPLE}")
    if config.engine == ETCD and config.join:
        values.refuse("JOIN", "is for the engine raft; with etcd a new node needs ETCD alone.")


def _take_timing(values: _Values) -> RaftSettings:
    given: dict[str, Any] = {
        name: values.given[key] for key, name in _TIMING_KEYS.items() if key in values.given
    }
    try:
        return RaftSettings(**given)
    except ConfigurationError as error:
        problem = str(error).removeprefix(error.setting).strip()
        # The core says `election_timeout_seconds`; the project wrote it in upper case.
        for key, name in _TIMING_KEYS.items():
            problem = re.sub(rf"\b{name}\b", key, problem)
        values.refuse(error.setting.upper(), f"{problem}.")
        return RaftSettings()


_ETCD_EXAMPLE: Final = "Write {'ENDPOINTS': ['https://10.0.0.1:2379', ...]}."


def _take_seconds(values: _Values, timing: RaftSettings) -> dict[str, float]:
    return {
        key.lower(): values.take(key, _seconds, default)
        for key, default in {
            "TICK_INTERVAL_SECONDS": RaftConfig.tick_interval_seconds,
            "RPC_TIMEOUT_SECONDS": timing.election_timeout_seconds,
            "WRITE_TIMEOUT_SECONDS": RaftConfig.write_timeout_seconds,
            "MAX_CLOCK_SKEW_SECONDS": RaftConfig.max_clock_skew_seconds,
        }.items()
    }


def _take_etcd(values: _Values, cluster_id: str) -> EtcdOptions:
    nothing: dict[str, Any] = {}
    found = values.take("ETCD", _etcd, nothing)
    return EtcdOptions(**{"prefix": f"/raft_config/{cluster_id}", **found})


def _take_version_file(values: _Values, cluster_id: str, node_id: str, database: str) -> str:
    given = values.take("VERSION_FILE", _path, "")
    return given or _derived_version_file(cluster_id, node_id, database)


# -- one function for each kind of value: the value, or _WrongError with "must be ..."


def _id(value: object) -> str:
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise _WrongError(
        "must be 1 to 64 letters, digits and '.', '_' or '-', beginning with a letter or digit, "
        f"not {_cut(value)}."
    )


def _seconds(value: object) -> float:
    # A bool is an int to Python.
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return value
    raise _WrongError(f"must be a finite number of seconds above 0, not {_cut(value)}.")


def _count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _WrongError(f"must be a whole number, 0 or more, not {_cut(value)}.")


def _base_url(value: object) -> str:
    if (
        isinstance(value, str)
        and len(value) <= MAX_URL_LENGTH
        and (match := _BASE_URL.fullmatch(value))
        and (match[2] is None or 0 < int(match[2][1:]) < 2**16)
    ):
        return value.rstrip("/")
    # A user name and password in it are not repeated: messages end in logs.
    shown = "" if isinstance(value, str) and "@" in value else f", not {_cut(value)}"
    raise _WrongError(
        "must be an address like 'http://10.0.0.2:8000/raft' (http or https, a host without "
        f"underscore, the prefix of the app's urls; no user, query or fragment){shown}."
    )


def url_problem(value: str) -> str:
    """What is wrong with a node's URL, "" if nothing is."""
    try:
        _base_url(value)
    except _WrongError as error:
        return str(error)
    return ""


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _WrongError(f"must be True or False, not {_cut(value)}.")


def _optional_url(value: object) -> str:
    return "" if value == "" else _base_url(value)


def _peers(value: object) -> Mapping[str, str]:
    found = _provided_peers(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise _WrongError(
            "must be a dict of node id -> base URL, or the dotted path to a callable that returns "
            f"one, not {_cut(found)}."
        )
    peers: dict[str, str] = {}
    for node_id, url in found.items():
        peers[_entry(node_id, _id, node_id)] = _entry(node_id, _base_url, url)
    _require_distinct(peers)
    return MappingProxyType(peers)


def _entry(node_id: object, parse: Callable[[object], str], value: object) -> str:
    try:
        return parse(value)
    except _WrongError as error:
        raise _WrongError(f"has a wrong entry {_cut(node_id)}: it {error}") from error


def _provided_peers(path: str) -> object:
    try:
        provider = import_string(path)
    except ImportError as error:
        raise _WrongError(f"names {path!r}, which cannot be imported: {error}.") from error
    if not callable(provider):
        raise _WrongError(f"names {path!r}, which is no callable; put the dict itself there.")
    return provider()


def _require_distinct(peers: Mapping[str, str]) -> None:
    # One node under two ids would be two of the majority.
    seen: dict[str, str] = {}
    for node_id, url in peers.items():
        other = seen.setdefault(url.lower(), node_id)
        if other != node_id:
            raise _WrongError(
                f"gives {other!r} and {node_id!r} the same URL; each node needs its own."
            )


MAKE_KEY: Final = (
    'Make one with: python -c "import secrets; print(secrets.token_urlsafe(32))" '
    "and give the same to every node."
)


def _secrets(value: object) -> tuple[str, ...]:
    # No message repeats a secret, whatever is wrong with it.
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise _WrongError(
            "must be a list of strings: the first signs or encrypts, all of them verify or decrypt."
        )
    for number, secret in enumerate(value, start=1):
        if len(secret) < MIN_SECRET_LENGTH:
            raise _WrongError(
                f"has a secret (number {number}) of {len(secret)} characters, fewer than "
                f"{MIN_SECRET_LENGTH}. {MAKE_KEY}"
            )
        # As when one node strips the line that it reads from a file, and another does not.
        if secret != secret.strip():
            raise _WrongError(
                f"has a secret (number {number}) with white space at an end; strip() it."
            )
    if len(set(value)) < len(value):
        raise _WrongError("has the same secret twice; remove one.")
    return tuple(value)


def _database(value: object) -> str:
    if not isinstance(value, str) or value not in settings.DATABASES:
        hint = did_you_mean(str(value), tuple(settings.DATABASES))
        raise _WrongError(f"must be an alias of DATABASES, not {_cut(value)}. {hint}")
    return value


def _declarations(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _WrongError(f"must be a dict of name -> Setting(...), not {_cut(value)}.")
    return MappingProxyType(dict(value))


def _fields(value: object) -> Mapping[str, FieldSpec]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _WrongError(f"must be a dict of name -> [form field, options], not {_cut(value)}.")
    return MappingProxyType({name: _field_spec(name, each) for name, each in value.items()})


def _field_spec(name: str, given: object) -> FieldSpec:
    match given:
        case [field_class]:
            return field_class, {}
        case [field_class, Mapping() as options]:
            return field_class, dict(options)
        case _:
            raise _WrongError(
                f"has a wrong entry {name!r}: it must be [dotted path of a form field, {{option: "
                f"value}}], not {_cut(given)}."
            )


def _fieldsets(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    found = []
    for pair in pairs if isinstance(pairs, Iterable) else [None]:
        match pair:
            case [str() as title, ([*_] | {"fields": [*_]}) as content]:
                names = content["fields"] if isinstance(content, Mapping) else content
                found.append((title, tuple(str(name) for name in names)))
            case _:
                raise _WrongError(
                    "must be a dict of group -> names of settings, or of group -> {'fields': "
                    f"names}}, not {_cut(value)}."
                )
    return tuple(found)


def _callable(value: object) -> Callable[..., object] | str | None:
    if value is None or callable(value):
        return value
    if isinstance(value, str) and _DOTTED_PATH.fullmatch(value):
        return value
    raise _WrongError(f"must be a callable or its dotted path, not {_cut(value)}.")


def _path(value: object) -> str:
    if value == "":
        return ""
    if isinstance(value, str | os.PathLike) and Path(value).is_absolute():
        return str(value)
    raise _WrongError(f"must be an absolute path, the same in every process, not {_cut(value)}.")


def _state_machines(value: object) -> Mapping[str, str]:
    if isinstance(value, Mapping) and all(
        isinstance(path, str) and _DOTTED_PATH.fullmatch(path) and _id(prefix)
        for prefix, path in value.items()
    ):
        return MappingProxyType(dict(value))
    raise _WrongError(
        f"must be a dict of prefix -> dotted path ('shop.raft.Orders'), not {_cut(value)}."
    )


def _engine(value: object) -> str:
    if isinstance(value, str) and value in ENGINES:
        return value
    raise _WrongError(f"must be one of {', '.join(map(repr, ENGINES))}, not {_cut(value)}.")


def _etcd(value: object) -> dict[str, Any]:
    """What is given, by the names of `EtcdOptions`."""
    if not isinstance(value, Mapping):
        raise _WrongError(f"must be a dict. {_ETCD_EXAMPLE}")
    known = {each.name.upper(): each.name for each in fields(EtcdOptions)}
    for key in value:
        if key not in known:
            raise _WrongError(f"has a wrong key {key!r}. {did_you_mean(str(key), tuple(known))}")
    found = {known[key]: given for key, given in value.items()}
    endpoints = found.pop("endpoints", ())
    if isinstance(endpoints, str) or not isinstance(endpoints, Iterable) or not endpoints:
        raise _WrongError(f"must name at least one of ENDPOINTS, in a list. {_ETCD_EXAMPLE}")
    _check_etcd_texts(found)
    return {**found, "endpoints": tuple(_base_url(each) for each in endpoints)}


def _check_etcd_texts(found: dict[str, Any]) -> None:
    for name, given in found.items():
        if not isinstance(given, str):  # not shown: it may be a password
            raise _WrongError(f"must have a string as {name.upper()}, not {type(given).__name__}.")
    for one, other in (("user", "password"), ("cert", "key")):
        if bool(found.get(one)) != bool(found.get(other)):
            raise _WrongError(f"must have {one.upper()} and {other.upper()}, or neither.")
    prefix = found.get("prefix", "-")
    if not prefix.strip("/") or prefix.endswith("/"):
        raise _WrongError("must have a PREFIX of its own like '/raft_config/shop'.")


def _derived_version_file(cluster_id: str, node_id: str, database: str) -> str:
    """The same in every process of this node, another for any other node of this host."""
    place = settings.DATABASES.get(database, {})
    name = str(place.get("NAME", ""))
    if str(place.get("ENGINE", "")).endswith("sqlite3"):
        name = str(Path(name).absolute())
    parts = (cluster_id, node_id, name, str(place.get("HOST", "")), str(place.get("PORT", "")))
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return str(Path(tempfile.gettempdir()) / f"raft_config-{node_id}-{digest}.version")


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
