"""What this process counts and times for Prometheus; nothing happens without `prometheus_client`.

Each process has its own: with PROMETHEUS_MULTIPROC_DIR set, before it starts, the library adds up
those of all processes of the host. What the database tells is in `metrics` instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from time import perf_counter
from typing import Any, Final, Protocol

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a commit on a fast disk to a write that nobody waits for any longer."""


class Counted(Protocol):
    """The part of a counter that is used here."""

    def labels(self, *values: Any) -> Any: ...

    def inc(self) -> None: ...


class Timed(Protocol):
    """The part of a histogram that is used here."""

    def labels(self, *values: Any) -> Any: ...

    def observe(self, amount: float) -> None: ...


class _Nothing:
    """Stands for every measure while the library is missing."""

    def labels(self, *_values: Any) -> _Nothing:
        return self

    def inc(self) -> None:
        pass

    def observe(self, amount: float) -> None:
        pass


IS_AVAILABLE: Final = find_spec("prometheus_client") is not None


def _registry() -> Any:
    if not IS_AVAILABLE:
        return None
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - may be missing

    return CollectorRegistry()


REGISTRY: Final = _registry()
"""Of our own: what the project counts is not ours to show."""


def _histogram(name: str, told: str, *labels: str) -> Timed:
    if not IS_AVAILABLE:
        return _Nothing()
    from prometheus_client import Histogram  # noqa: PLC0415 - may be missing

    return Histogram(name, told, labels, registry=REGISTRY, buckets=BUCKETS)


def _counter(name: str, told: str, *labels: str) -> Counted:
    if not IS_AVAILABLE:
        return _Nothing()
    from prometheus_client import Counter  # noqa: PLC0415 - may be missing

    return Counter(name, told, labels, registry=REGISTRY)


WRITES: Final = _histogram(
    "raft_config_write_seconds",
    "From the call to the value applied on this node, by how it ended.",
    "outcome",
)
REPLICATIONS: Final = _histogram(
    "raft_config_replication_seconds", "As leader, from the entry stored to the entry applied."
)
COMMITS: Final = _histogram(
    "raft_config_commit_seconds",
    "A transaction over the node's row; those with flush=yes wait for the disk.",
    "flush",
)
LATENESS: Final = _histogram(
    "raft_config_tick_lateness_seconds", "How much later than planned the driver looked."
)
CAMPAIGNS: Final = _counter("raft_config_campaigns", "Elections that this node began.")
RPC_ERRORS: Final = _counter(
    "raft_config_rpc_errors", "Messages to a peer without a usable answer.", "peer", "reason"
)


@contextmanager
def timed_write() -> Iterator[None]:
    """Time a write, and tell how it ended by the error's class."""
    begun, outcome = perf_counter(), "applied"
    try:
        yield
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        WRITES.labels(outcome).observe(perf_counter() - begun)
