"""One run: clients at work, a fault among them, and the verdict when all is well again."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field

import requests

from benchmarks.nodes import wait_for

from . import verdict
from .catalogue import Fault
from .clients import Clients
from .cluster import USER, FaultyCluster
from .registers import REGISTERS
from .visitors import SHEET, Visitors, middle
from .watch import Watch

CLIENTS = 6
BEFORE, DURING_OR_AFTER = 100, 20
"""So many operations must have succeeded before the fault, and since it began."""

HEALED_SECONDS = 30.0
"""Within so many seconds of healing all nodes must be equal."""

WARM_UP_SECONDS = 120.0


@dataclass(slots=True)
class Run:
    """What came of it."""

    fault: str
    database: str
    seconds: float = 0.0
    ok: int = 0
    failed: int = 0
    unknown: int = 0
    ok_since: int = 0
    """Of `ok`, those that began after the fault did."""
    codes: dict[str, int] = field(default_factory=dict)
    proof: str = ""
    new_leader_seconds: float | None = None
    first_write_seconds: float | None = None
    first_write_after_healing_seconds: float | None = None
    catch_up_seconds: float | None = None
    pages: int = 0
    """Pages that were served rightly."""
    pages_unanswered: int = 0
    page_more_ms_before: float | None = None
    """By how much the style sheet took longer than a page that reads no setting: medians."""
    page_more_ms_during: float | None = None
    violations: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def make_run(cluster: FaultyCluster, fault: Fault, *, clients: int = CLIENTS) -> Run:
    """Run it once. Raises TimeoutError where the cluster does not come to work at all."""
    run = Run(fault.name, cluster.cluster.settings_module.rpartition(".")[2])
    begun_at = time.monotonic()
    team = _prepared(cluster)
    visitors = Visitors(team.urls)
    with Watch(cluster) as watch:
        with team.at_work(clients), visitors.at_work():
            wait_for(lambda: team.succeeded() >= BEFORE, WARM_UP_SECONDS)
            begun_hurting_at = time.monotonic()
            with fault.hold(cluster) as proof:
                hurt_at = time.monotonic()
                time.sleep(fault.seconds)
                run.proof = proof()
            healed_at = time.monotonic()
            _wait_until(lambda: _ok_since(team, healed_at) >= DURING_OR_AFTER, HEALED_SECONDS)
        if not _wait_until(lambda: _are_equal(watch), HEALED_SECONDS):
            run.violations.append(f"Not equal {HEALED_SECONDS:g} s after healing: {watch.look()}")
        watch.look()
    _read_once_more(team)
    run.violations += [*watch.violations, *verdict.violations(cluster, team, excused=fault.excused)]
    run.violations += visitors.wrong[:3]
    run.ok_since = _ok_since(team, begun_hurting_at)
    _fill_in_pages(run, visitors, hurt_at, healed_at)
    _fill_in(run, team, watch, hurt_at, healed_at)
    run.seconds = time.monotonic() - begun_at
    return run


def _prepared(cluster: FaultyCluster) -> Clients:
    """Clients that know how each register begins."""
    urls = {each: cluster.cluster.node(each).site_url for each in cluster.node_ids}
    team = Clients(urls, REGISTERS)
    with requests.Session() as session:
        session.auth = USER
        for name in REGISTERS:
            wait_for(lambda name=name: team.change(session, name, "write"))
            wait_for(lambda name=name: team.read(session, name) is not None)
        url = f"{next(iter(urls.values()))}api/settings/CARD_KEY/"
        wait_for(lambda: session.put(url, json={"value": verdict.CARD_KEY}, timeout=10).ok)
    return team


def _read_once_more(team: Clients) -> None:
    """What all ended with belongs to the history: nothing acknowledged may be missing."""
    with requests.Session() as session:
        session.auth = USER
        for name in team.names:
            wait_for(lambda name=name: team.read(session, name) is not None)


def _ok_since(team: Clients, instant: float) -> int:
    return sum(each.result == "ok" and each.began_at >= instant for each in team.outcomes)


def _are_equal(watch: Watch) -> bool:
    found = watch.look().states.values()
    return len({(each.last_applied, each.last_log_index) for each in found}) == 1


def _wait_until(condition: object, seconds: float) -> bool:
    try:
        wait_for(condition, seconds)  # type: ignore[arg-type]
    except TimeoutError:
        return False
    return True


def _fill_in_pages(run: Run, visitors: Visitors, hurt_at: float, healed_at: float) -> None:
    run.pages, run.pages_unanswered = len(visitors.visits), len(visitors.unanswered)
    run.page_more_ms_before = middle(visitors.more_ms(SHEET, end=hurt_at))
    run.page_more_ms_during = middle(visitors.more_ms(SHEET, hurt_at, healed_at))


def _fill_in(run: Run, team: Clients, watch: Watch, hurt_at: float, healed_at: float) -> None:
    results = [each.result for each in team.outcomes]
    run.ok, run.failed = results.count("ok"), results.count("failed")
    run.unknown = results.count("unknown")
    run.codes = dict(team.codes)
    if run.ok_since < DURING_OR_AFTER:
        run.violations.append(f"Only {run.ok_since} operations succeeded since the fault began.")
    if not run.proof:
        run.violations.append("There is no proof that the fault happened.")
    run.new_leader_seconds = watch.new_leader_after(hurt_at)
    run.catch_up_seconds = watch.caught_up_after(healed_at)
    for name, instant in (("first_write", hurt_at), ("first_write_after_healing", healed_at)):
        first = team.first_write_after(instant)
        if first is not None:
            setattr(run, f"{name}_seconds", first.ended_at - instant)
