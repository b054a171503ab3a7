"""The host project's pages while the cluster is ill: every visitor is served, and soon.

Of the demo, the style sheet reads a setting and nothing else; the home page also shows how the
node is, by queries of the demo's own, which need the app's tables.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from statistics import median

import requests

from benchmarks.nodes import wait_for
from demo_site.processes import RAFT, WEB

from .cluster import USER, FaultyCluster
from .databases import connect
from .networks import CUT
from .registry import ruled

COLOUR, DEFAULT_COLOUR = "#112233", "#1f6f50"
NAME, DEFAULT_NAME = "Shop of the harness", "Corner shop"
HOME, SHEET = "", "accent.css"

SHOWN = {HOME: (NAME, DEFAULT_NAME), SHEET: (COLOUR, DEFAULT_COLOUR)}
"""What a page has to show: the value applied last, or the declared default."""

VISIT_SECONDS = 6.0
TIMEOUT_SECONDS = 10.0


@dataclass(slots=True)
class Visits:
    """What visitors got."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {HOME: [], SHEET: []})
    """By page."""
    problems: list[str] = field(default_factory=list)

    def get(self, session: requests.Session, site_url: str, page: str) -> None:
        begun_at = time.perf_counter()
        try:
            response = session.get(f"{site_url}{page}", timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            self.problems.append(f"{site_url}{page}: {error!r}")
            return
        self.seconds[page].append(time.perf_counter() - begun_at)
        is_right = any(each in response.text for each in SHOWN[page])
        if response.status_code != requests.codes.ok or not is_right:
            self.problems.append(f"{site_url}{page}: {response.status_code} {response.text[:200]}")

    def middle(self, page: str) -> float:
        """The median, in milliseconds."""
        return 1000 * median(self.seconds[page])


def visit(cluster: FaultyCluster, node_ids: list[str], pages: tuple[str, ...]) -> Visits:
    """Two visitors, who look at these pages of these nodes for some seconds."""
    found, ends_at = Visits(), time.monotonic() + VISIT_SECONDS
    urls = [cluster.cluster.node(each).site_url for each in node_ids]

    def look() -> None:
        with requests.Session() as session:
            session.trust_env = False
            for url, page in itertools.cycle(itertools.product(urls, pages)):
                if time.monotonic() > ends_at:
                    return
                found.get(session, url, page)
                time.sleep(0.01)

    visitors = [threading.Thread(target=look) for _ in range(2)]
    for each in visitors:
        each.start()
    for each in visitors:
        each.join()
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
def well(cluster: FaultyCluster) -> Iterator[list[str]]:
    yield cluster.node_ids


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


ILLNESSES: Mapping[str, Illness] = {
    "well": Illness(well),
    "peers hang": Illness(peers_hang),
    "broker, worker and beat gone": Illness(broker_gone),
    "wrong secret": Illness(wrong_secret),
    "tables missing": Illness(tables_missing, pages=(SHEET,)),
    "no quorum": Illness(no_quorum),
}


def visit_ill(cluster: FaultyCluster, name: str) -> Visits:
    """What visitors get while the cluster is ill in that way."""
    illness = ILLNESSES[name]
    with illness.hold(cluster) as node_ids:
        return visit(cluster, node_ids, illness.pages)


def ratios(cluster: FaultyCluster) -> str:
    """Markdown: how long the pages take, beside how long they take when all is well."""
    set_values(cluster)
    lines = ["| the cluster | pages | not served | home, ms | sheet, ms |", "|---|---|---|---|---|"]
    for name in ILLNESSES:
        found = visit_ill(cluster, name)
        count = sum(map(len, found.seconds.values()))
        cells = [
            f"{found.middle(each):.1f}" if found.seconds[each] else "" for each in (HOME, SHEET)
        ]
        lines.append(f"| {' | '.join([name, str(count), str(len(found.problems)), *cells])} |")
    return "\n".join(lines)
