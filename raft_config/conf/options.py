"""What RAFT_CONFIG may say: its keys, their meanings and their defaults.

What may *not* live here: how a value is written (`values`), and where it is found (`reading`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Final, Protocol

from ..core.settings import RaftSettings


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


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


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
    """The certificates to trust, in a file; by default those that the system trusts."""
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
    peers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
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
    settings: Mapping[str, object] = field(default_factory=lambda: NOTHING, repr=False)
    """The declared settings, as written: name -> `Setting(...)`; see `schema.declared`."""
    fields: Mapping[str, FieldSpec] = field(default_factory=lambda: NOTHING, repr=False)
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
    engine: str = "raft"
    """A key of `ENGINES`: who keeps the log that the nodes apply."""
    etcd: EtcdOptions = field(default_factory=EtcdOptions)
    """Where an etcd cluster is found; needed with that engine, and to move to it."""


TIMING_KEYS: Final = {each.name.upper(): each.name for each in fields(RaftSettings)}
KEYS: Final = (
    *(each.name.upper() for each in fields(RaftConfig) if each.name != "timing"),
    *TIMING_KEYS,
)
"""Everything that RAFT_CONFIG may contain."""


def name_of(key: str) -> str:
    """The key as the project wrote it."""
    return f'RAFT_CONFIG["{key}"]'
