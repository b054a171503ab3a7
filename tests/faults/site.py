"""The host project's pages while the cluster is ill: every visitor is served, and soon."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from statistics import median

import requests

from benchmarks.nodes import wait_for
from demo_site.processes import RAFT, WEB
from tests.e2e.databases import on_postgres

from .cluster import USER, FaultyCluster
from .databases import connect
from .networks import CUT
from .registry import ruled
from .visitors import COLOUR, HOME, NAME, SHEET, Visitors, ninety_fifth

VISIT_SECONDS = 6.0
PAUSE_SECONDS = 0.01


def visit(cluster: FaultyCluster, node_ids: list[str], pages: tuple[str, ...]) -> Visitors:
    """A visitor for each of these nodes, who looks at these pages for some seconds."""
    urls = {each: cluster.cluster.node(each).site_url for each in node_ids}
    found = Visitors(urls, pages, pause_seconds=PAUSE_SECONDS)
    with found.at_work():
        time.sleep(VISIT_SECONDS)
    return found


def set_values(cluster: FaultyCluster) -> None:
    """Let the pages show something that is not the default, on every node."""
    url = f"{cluster.cluster.nodes[0].site_url}api/settings/"
    body = {"values": {"SHOP_NAME": NAME, "ACCENT_COLOUR": COLOUR}}
    wait_for(lambda: requests.patch(url, json=body, auth=USER, timeout=10).ok)
    for node in cluster.cluster.nodes:
        wait_for(lambda url=node.site_url: NAME in requests.get(url, timeout=10).text)


@dataclass(frozen=True, slots=True)
class Illness:
    """How the cluster is ill, and whom visitors may expect to be served by."""

    hold: Callable[[FaultyCluster], AbstractContextManager[list[str]]]
    pages: tuple[str, ...] = (HOME, SHEET)


@contextmanager
def no_quorum(cluster: FaultyCluster) -> Iterator[list[str]]:
    """Two of three are dead."""
    survivor, *dead = cluster.node_ids
    for each in dead:
        cluster.kill(each)
    yield [survivor]
    for each in dead:
        cluster.start(each)
    wait_for(lambda: all(map(cluster.answers, dead)))


@contextmanager
def peers_hang(cluster: FaultyCluster) -> Iterator[list[str]]:
    """Whatever is sent is accepted and never answered, to the node itself as well."""
    pairs = [(one, two) for one in cluster.node_ids for two in cluster.node_ids]
    with ruled(cluster, pairs, CUT):
        yield cluster.node_ids


@contextmanager
def wrong_secret(cluster: FaultyCluster) -> Iterator[list[str]]:
    """One node has been given another secret than the rest."""
    node_id, before = cluster.node_ids[-1], cluster.cluster
    cluster.cluster = replace(before, secrets={node_id: secrets.token_urlsafe(48)})
    _restart(cluster, node_id)
    yield [node_id]
    cluster.cluster = before
    _restart(cluster, node_id)


def _restart(cluster: FaultyCluster, node_id: str) -> None:
    cluster.stop(node_id, RAFT)
    cluster.stop(node_id, WEB)
    cluster.start(node_id)
    wait_for(lambda: cluster.answers(node_id))


@contextmanager
def broker_gone(cluster: FaultyCluster) -> Iterator[list[str]]:
    """With its worker and beat: nothing drives any node."""
    for each in cluster.node_ids:
        cluster.kill(each, RAFT)
    yield cluster.node_ids
    for each in cluster.node_ids:
        cluster.start(each)


TABLES = ("raft_config_node", "raft_config_storedvalue", "raft_config_logentry")


@contextmanager
def tables_missing(cluster: FaultyCluster) -> Iterator[list[str]]:
    """As before the first `migrate`, or after somebody's mistake."""
    node_id = cluster.node_ids[0]
    with closing(connect(cluster, node_id)) as connection:
        for each in TABLES:
            connection.execute(f"alter table {each} rename to lost_{each}")
        try:
            yield [node_id]
        finally:
            for each in TABLES:
                connection.execute(f"alter table lost_{each} rename to {each}")


@contextmanager
def locked(cluster: FaultyCluster) -> Iterator[list[str]]:
    """Somebody holds the write lock of every node's database."""
    with ExitStack() as stack:
        for each in cluster.node_ids:
            connection = stack.enter_context(closing(connect(cluster, each)))
            connection.execute("begin" if on_postgres(cluster.cluster) else "begin immediate")
            connection.execute("update raft_config_node set id = id")
        yield cluster.node_ids


ILLNESSES: Mapping[str, Illness] = {
    "peers hang": Illness(peers_hang),
    "databases locked": Illness(locked),
    "broker, worker and beat gone": Illness(broker_gone),
    "wrong secret": Illness(wrong_secret),
    "tables missing": Illness(tables_missing, pages=(SHEET,)),
    "no quorum": Illness(no_quorum),
}


def visit_ill(cluster: FaultyCluster, name: str) -> Visitors:
    """What visitors get while the cluster is ill in that way."""
    illness = ILLNESSES[name]
    with illness.hold(cluster) as node_ids:
        return visit(cluster, node_ids, illness.pages)


COLUMNS = (
    *("the cluster", "page", "visits", "not served", "more when well, ms"),
    *("more when ill, ms", "difference of the medians, ms"),
)


def page_times(cluster: FaultyCluster) -> str:
    """Markdown: what settings cost a page while the cluster is ill, and right before, when well."""
    set_values(cluster)
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for name, illness in ILLNESSES.items():
        normal = visit(cluster, cluster.node_ids, illness.pages)
        found = visit_ill(cluster, name)
        for page in illness.pages:
            well, ill = normal.more_ms(page), found.more_ms(page)
            failed = len(found.wrong) + len(found.unanswered)
            cells = [
                *(name, page or "home", len(ill), failed, _shown(well), _shown(ill)),
                f"{median(ill) - median(well):+.1f}",
            ]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _shown(found: list[float]) -> str:
    """p50 / p95."""
    return f"{median(found):.1f} / {ninety_fifth(found):.1f}"
