"""Prometheus metrics: what the database tells of this node, and what this process has counted.

    path("raft/metrics/") --> status.read()   gauges, the same from every process of the node
                          --> measures        counters and histograms of this process

`prometheus_client` is optional; without it the view answers 501. With PROMETHEUS_MULTIPROC_DIR the
counters of all processes of the host are added up, else those of the one that happens to answer are
shown. No value of a setting is told, and no peer is asked: scraping works when the others fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from . import __version__, measures, status
from .core.state import Candidate, Follower, Leader, PreCandidate
from .status import ClusterStatus, MemberStatus

ROLES: Final = tuple(each.name for each in (Follower, PreCandidate, Candidate, Leader))

GAUGES: Final = {
    "raft_config_term": ("The current term; it grows with each election.", "term"),
    "raft_config_last_log_index": ("The last entry stored here.", "last_log_index"),
    "raft_config_commit_index": ("The last entry known to be committed.", "commit_index"),
    "raft_config_last_applied": ("The last entry applied here.", "last_applied"),
    "raft_config_snapshot_index": ("The last entry that is in the snapshot.", "snapshot_index"),
    "raft_config_log_entries": ("Entries stored here.", "log_entries"),
    "raft_config_log_bytes": ("Bytes of their commands.", "log_bytes"),
    "raft_config_snapshot_bytes": ("Bytes of the snapshot.", "snapshot_bytes"),
    "raft_config_may_lead": ("0 while its own URL does not answer.", "may_lead"),
    "raft_config_drained": ("1 while an operator keeps it from leading.", "drained"),
    "raft_config_driven": ("1 while Celery, or raft_tick, is at work for it.", "is_driven"),
    "raft_config_driver_late_seconds": (
        "How late the driver was at the most, in the last half minute.",
        "lateness_seconds",
    ),
}
"""Name -> what it is, and the attribute of ClusterStatus."""

MEMBER_GAUGES: Final = {
    "raft_config_peer_match_index": (
        "As leader: how much of the log the peer is known to store.",
        "match_index",
    ),
    "raft_config_peer_lag_entries": ("As leader: how many entries it lacks.", "lag_entries"),
    "raft_config_peer_silence_seconds": (
        "As leader: since it was heard last.",
        "last_contact_seconds",
    ),
}


class Collector:
    """Reads the status at each scrape."""

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily  # noqa: PLC0415

        here = status.read()
        info = {"node": here.node_id, "release": __version__, "protocol": str(here.version)}
        yield InfoMetricFamily("raft_config_node", "This node.", value=info)
        role = GaugeMetricFamily("raft_config_role", "1 for the present one.", labels=["role"])
        for name in ROLES:
            role.add_metric([name], float(name == here.role))
        yield role
        for name, (told, attribute) in GAUGES.items():
            yield GaugeMetricFamily(name, told, value=float(getattr(here, attribute)))
        for name, told, value in _derived(here):
            yield GaugeMetricFamily(name, told, value=value)
        for name, (told, attribute) in MEMBER_GAUGES.items():
            family = GaugeMetricFamily(name, told, labels=["peer"])
            for peer, value in _of_peers(here.members, attribute):
                family.add_metric([peer], value)
            yield family


def _derived(here: ClusterStatus) -> Iterator[tuple[str, str, float]]:
    yield "raft_config_has_leader", "1 while this node knows who leads.", bool(here.leader_id)
    yield "raft_config_halted", "1 while nothing more is applied here.", bool(here.halted_by)
    yield (
        "raft_config_disagreement",
        "1 while a node was found to have applied something else: an alarm.",
        bool(here.disagreement),
    )
    yield (
        "raft_config_leader_silence_seconds",
        "As follower: since the leader was heard last.",
        here.heard_seconds or 0.0,
    )
    voters = [each for each in here.members if each.is_voter]
    yield "raft_config_voters", "Voters of the configuration that counts.", len(voters)
    if here.role == Leader.name:
        up = sum(bool(each.is_up) for each in voters)
        yield "raft_config_voters_up", "As leader: voters that were heard lately.", up


def _of_peers(members: tuple[MemberStatus, ...], attribute: str) -> Iterator[tuple[str, float]]:
    for each in members:
        value = getattr(each, attribute)
        if value is not None and not each.is_self:
            yield each.node_id, float(value)


def registry() -> Any:
    """Everything of ours, for a project that has an exposition of its own."""
    from prometheus_client import CollectorRegistry, multiprocess  # noqa: PLC0415 - may be missing

    found = CollectorRegistry()
    found.register(Collector())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(found)  # type: ignore[no-untyped-call]  # theirs
    else:
        found.register(_Measured())
    return found


class _Measured:
    """What this process has counted."""

    def collect(self) -> Iterator[Any]:
        yield from measures.REGISTRY.collect()


@require_safe
@never_cache
def view(_request: HttpRequest) -> HttpResponse:
    """The exposition; behind whatever keeps strangers out, like all of the app's URLs."""
    if not measures.IS_AVAILABLE:
        text = "pip install prometheus-client, to have metrics here.\n"
        return HttpResponse(text, status=HTTPStatus.NOT_IMPLEMENTED, content_type="text/plain")
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415

    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)
