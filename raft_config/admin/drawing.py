"""Where things stand in the pictures of the cluster page: numbers for the templates' SVG.

No style stands here: the templates put classes, which the style sheet colours for light and dark.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from ..models import Sample
from ..picture import Picture, Seen
from ..storage.rings import SAMPLE_SECONDS, SAMPLES

WIDTH = 520
CENTRE_X, CENTRE_Y = 260, 158
RADIUS_X, RADIUS_Y = 172, 104
NODE_RADIUS = 34

PART_OF_URL = re.compile(r"(?<=/)(?=[^/])|(?<=\.)(?=[a-zA-Z])")

GRAPH_WIDTH, GRAPH_HEIGHT = 300, 72
HOUR = SAMPLES * SAMPLE_SECONDS
MAX_GAP_SECONDS = 3 * SAMPLE_SECONDS
"""A longer silence breaks the line."""


# -- the nodes and the links between them


@dataclass(frozen=True, slots=True)
class Spot:
    """A node in the picture."""

    seen: Seen
    x: float
    y: float
    kind: str
    """leader, voter, learner or down: what it looks like."""
    role: str
    detail: str

    @property
    def role_y(self) -> int:
        """Words stand on the outer side, where no link crosses them."""
        return -60 if self.y < CENTRE_Y - 1 else 52

    @property
    def detail_y(self) -> int:
        return self.role_y + 16

    @property
    def address_parts(self) -> list[str]:
        """Its URL, cut where a line may break: after slashes, and between the names of a host."""
        return [each for each in PART_OF_URL.split(self.seen.member.address) if each]


@dataclass(frozen=True, slots=True)
class Link:
    """Between the leader and another node, from edge to edge."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: str
    """up, behind or down."""


@dataclass(frozen=True, slots=True)
class Drawing:
    spots: tuple[Spot, ...]
    links: tuple[Link, ...]
    told: str
    """The picture in words."""

    @property
    def view_box(self) -> str:
        """All of it with its words, and no more."""
        top = min((each.y for each in self.spots), default=CENTRE_Y) - 78
        bottom = max((each.y for each in self.spots), default=CENTRE_Y) + 76
        return f"0 {top:.0f} {WIDTH} {bottom - top:.0f}"


def draw(picture: Picture) -> Drawing:
    """Nodes in a ring, in the order of their ids, so that no news moves them."""
    count = len(picture.nodes)
    spots = tuple(
        _spot(seen, place, count, is_leader=seen.node_id == picture.leader_id)
        for place, seen in enumerate(picture.nodes)
    )
    leader = next((each for each in spots if each.seen.node_id == picture.leader_id), None)
    links = [_link(leader, each) for each in spots if leader is not None and each is not leader]
    told = "; ".join(f"{each.seen.node_id}: {each.role}, {each.detail}" for each in spots)
    return Drawing(spots, tuple(links), told)


def _spot(seen: Seen, place: int, count: int, *, is_leader: bool) -> Spot:
    angle = math.tau * place / max(count, 1) - math.pi / 2
    is_single = count == 1
    kind, role = _kind(seen, is_leader=is_leader)
    return Spot(
        seen=seen,
        x=CENTRE_X if is_single else round(CENTRE_X + RADIUS_X * math.cos(angle), 1),
        y=CENTRE_Y if is_single else round(CENTRE_Y + RADIUS_Y * math.sin(angle), 1),
        kind=kind,
        role=role,
        detail=_detail(seen),
    )


def _kind(seen: Seen, *, is_leader: bool) -> tuple[str, str]:
    if seen.is_rolled_back:
        return "down", _("older copy")
    if not seen.is_up:
        return "down", _("refuses this node") if seen.refuses else _unheard(seen)
    if is_leader:
        return "leader", _("leader")
    if not seen.member.is_voter:
        return "learner", _("learner")
    is_campaigning = seen.facts is not None and "candidate" in seen.facts.role
    return "voter", _("candidate") if is_campaigning else _("follower")


def _unheard(seen: Seen) -> str:
    return _("not heard") if seen.facts else _("no answer")


def _detail(seen: Seen) -> str:
    lag = seen.lag_entries
    if seen.disagrees:
        return _("disagrees")
    if not seen.is_up or lag is None:
        return _("nothing known") if lag is None else _("%d behind") % lag
    return _("up to date") if lag == 0 else _("%d behind") % lag


def _link(leader: Spot, other: Spot) -> Link:
    """From edge to edge, so that the line does not cross the labels in the circles."""
    length = math.hypot(other.x - leader.x, other.y - leader.y)
    along_x = (other.x - leader.x) / length * (NODE_RADIUS + 4)
    along_y = (other.y - leader.y) / length * (NODE_RADIUS + 4)
    behind = "behind" if other.seen.lag_entries else "up"
    return Link(
        round(leader.x + along_x, 1),
        round(leader.y + along_y, 1),
        round(other.x - along_x, 1),
        round(other.y - along_y, 1),
        "down" if other.kind == "down" else behind,
    )


# -- the last hour


@dataclass(frozen=True, slots=True)
class Graph:
    """One measure over the last hour."""

    name: str
    title: str
    lines: tuple[str, ...]
    """Each the `d` of a path; a gap in what is known begins another one."""
    area: tuple[str, ...]
    told: str


Point = tuple[float, float]
"""When, and how much."""


def graphs(samples: Sequence[Sample], now: float) -> list[Graph]:
    """What the samples tell, the newest at the right."""
    seconds = [(each.at, each.write_seconds / each.writes) for each in samples if each.writes]
    slowest = max((each.slowest_seconds for each in samples), default=0.0)
    driven = [each for each in samples if each.commit_index or each.term]
    commits = [(at, max(0, count) / passed) for at, count, passed in _steps(driven, "commit_index")]
    elections = [(at, float(max(0, count))) for at, count, _passed in _steps(driven, "term")]
    lag = [(each.at, float(each.lag_entries)) for each in driven]
    total = int(sum(count for _at, count in elections))
    return [
        _graph("latency", _("Write latency"), seconds, now, _milliseconds, highest=slowest),
        _graph("commits", _("Commits per second"), commits, now, "{:.3g}".format),
        _graph("lag", _("Entries behind"), lag, now, "{:.0f}".format),
        replace(
            _graph("elections", _("Elections"), elections, now, "{:.0f}".format),
            told=_("%d in the last hour") % total,
        ),
    ]


def _milliseconds(seconds: float) -> str:
    return _("%.3g ms") % (seconds * 1000)


def _steps(samples: Iterable[Sample], column: str) -> Iterator[tuple[float, int, float]]:
    """By how much a column grew from each sample to the next, and in how many seconds."""
    before: Sample | None = None
    for each in samples:
        if before is not None and before.at < each.at:
            grown = getattr(each, column) - getattr(before, column)
            yield each.at, grown, each.at - before.at
        before = each


def _graph(
    name: str,
    title: str,
    points: Sequence[Point],
    now: float,
    told: Callable[[float], str],
    *,
    highest: float | None = None,
) -> Graph:
    top = max((value for _at, value in points), default=0.0)
    runs = list(_runs(points))
    lines = tuple(_path(run, now, top) for run in runs)
    return Graph(
        name=name,
        title=title,
        lines=lines,
        area=tuple(_closed(run, line, now) for run, line in zip(runs, lines, strict=True)),
        told=_now_and_most(told(points[-1][1]), told(highest or top)) if points else _("none yet"),
    )


def _now_and_most(latest: str, highest: str) -> str:
    return _("now %(latest)s, at most %(highest)s") % {"latest": latest, "highest": highest}


def _runs(points: Iterable[Point]) -> Iterator[list[Point]]:
    """Points that follow each other closely enough to be joined."""
    run: list[Point] = []
    for point in points:
        if run and point[0] - run[-1][0] > MAX_GAP_SECONDS:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


def _path(run: Sequence[Point], now: float, top: float) -> str:
    places = [(_x(at, now), _y(value, top)) for at, value in run]
    if len(places) == 1:  # a line of no length shows nothing
        x, y = places[0]
        places = [(x - 1, y), (x + 1, y)]
    return "M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places)


def _closed(run: Sequence[Point], line: str, now: float) -> str:
    first, last = _x(run[0][0], now), _x(run[-1][0], now)
    return f"{line} L{last:.1f} {GRAPH_HEIGHT} L{first:.1f} {GRAPH_HEIGHT} Z"


def _x(at: float, now: float) -> float:
    return max(0.0, min(1.0, 1 - (now - at) / HOUR)) * GRAPH_WIDTH


def _y(value: float, top: float) -> float:
    return GRAPH_HEIGHT - 2 - (value / top if top else 0.0) * (GRAPH_HEIGHT - 8)
