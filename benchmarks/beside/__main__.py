"""Measure all three in turn; prints a table of medians, and of ratios round by round."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import django

from ..nodes import Nodes, running, wait_for
from . import etcd, sync_obj
from .load import Client, per_second, times

KEYS = 100
Round = dict[str, float]
"""What one round has found, by what was measured; times in milliseconds."""

RATIOS = (
    ("put, 1 client: p50", "raft_config leader p50", "etcd p50", 3.0),
    ("put, 1 client: p99", "raft_config leader p99", "etcd p99", 3.0),
    ("through a follower / the leader", "raft_config follower p50", "raft_config leader p50", 1.6),
    ("PySyncObj's default / ours", "PySyncObj default p50", "raft_config leader p50", 10.0),
    ("writes/s, 8 clients", "raft_config 8 clients/s", "etcd 8 clients/s", None),
    ("writes/s, 64 clients", "raft_config 64 clients/s", "etcd 64 clients/s", 0.35),
    ("writes/s, 64 threads", "raft_config 64 threads/s", "PySyncObj 64 threads/s", 2.0),
    ("keys/s, 100 at once", "raft_config keys/s", "etcd keys/s", 3.0),
    ("linearizable read: p50", "raft_config read p50", "etcd read p50", 3.0),
)
"""What is compared: ours by theirs, and the goal."""


class Measured:
    """The three clusters, and what is done to each."""

    def __init__(self, ours: Nodes, theirs: etcd.Etcd, single: sync_obj.PySyncObj) -> None:
        self.ours, self.theirs, self.single = ours, theirs, single

    def leader(self) -> str:
        """The node of ours that leads, once all agree."""
        wait_for(lambda: self.ours.leader() is not None)
        return self.ours.leader() or ""

    def site(self, node_id: str) -> Client:
        return Client(self.ours.cluster.node(node_id).site_url)

    def etcd_client(self) -> Client:
        return Client(self.theirs.urls[self.theirs.leader() or 0])

    def one_client(self, count: int) -> Round:
        """One write after the other."""
        leader = self.leader()
        follower = next(each for each in self.ours.agents if each != leader)
        client = self.etcd_client()
        found = in_milliseconds("etcd", times(lambda n: etcd.put(client, f"a {n}"), count))
        for role, node_id in (("leader", leader), ("follower", follower)):
            site = self.site(node_id)
            taken = times(lambda n, site=site: site.ask("/change/", b"%d" % n), count)  # type: ignore[misc]
            found |= in_milliseconds(f"raft_config {role}", taken)
        return found

    def many_clients(self, clients: int, seconds: float) -> Round:
        """As many writes as they get done."""

        def etcd_puts() -> Callable[[int], object]:
            client = self.etcd_client()
            return lambda n: etcd.put(client, f"b {n}")

        def our_changes() -> Callable[[int], object]:
            site = self.site(leader)
            return lambda n: site.ask("/change/", b"%d" % n)

        leader = self.leader()
        return {
            f"etcd {clients} clients/s": per_second(etcd_puts, clients, seconds),
            f"raft_config {clients} clients/s": per_second(our_changes, clients, seconds),
        }

    def in_process(self, seconds: float) -> Round:
        """Threads of a process of the leader; and many keys at once."""

        def etcd_puts() -> Callable[[int], object]:
            client = self.etcd_client()
            return lambda n: etcd.put_many(client, KEYS, f"c {n}")

        agent = self.ours.agents[self.leader()]
        return {
            "raft_config 64 threads/s": agent.ask(threads=64, keys=1, seconds=seconds)["rate"],
            "PySyncObj 64 threads/s": self.single.ask_leader(f"rate 64 {seconds}"),
            "raft_config keys/s": KEYS * agent.ask(threads=8, keys=KEYS, seconds=seconds)["rate"],
            "etcd keys/s": KEYS * per_second(etcd_puts, 8, seconds),
        }

    def reads(self, count: int) -> Round:
        """Linearizable ones, and how soon another node shows a change."""
        client, leader = self.etcd_client(), self.leader()
        site = self.site(leader)
        other = self.site(next(each for each in self.ours.agents if each != leader))

        def show_elsewhere(number: int) -> float:
            value = b"seen %d" % number
            site.ask("/change/", value)
            begun_at = time.perf_counter()
            while other.ask("/show/") != value:
                pass
            return time.perf_counter() - begun_at

        return {
            **in_milliseconds("etcd read", times(lambda _: etcd.read(client), count)),
            **in_milliseconds("raft_config read", times(lambda _: site.ask("/read/"), count)),
            **in_milliseconds("visible elsewhere", sorted(map(show_elsewhere, range(count)))),
        }

    def failover(self) -> Round:
        """Do kill -9 of both leaders, one after the other."""
        leader, etcd_leader = self.leader(), self.theirs.leader() or 0
        survivor = self.ours.agents[next(each for each in self.ours.agents if each != leader)]
        self.ours.kill(leader)
        begun_at = time.perf_counter()
        survivor.ask(set="after the kill")
        ours = time.perf_counter() - begun_at
        self.ours.start(leader)
        survivor_url = self.theirs.urls[etcd_leader - 1]
        self.theirs.kill(etcd_leader)
        begun_at = time.perf_counter()
        wait_for(lambda: accepts(survivor_url))
        theirs = time.perf_counter() - begun_at
        self.theirs.start_again(etcd_leader)
        wait_for(lambda: self.ours.are_level() and self.theirs.leader() is not None)
        return {"raft_config failover s": ours, "etcd failover s": theirs}


def accepts(url: str) -> bool:
    """Whether etcd takes a write now; without a leader it would let it wait for seven seconds."""
    try:
        etcd.put(Client(url, timeout_seconds=0.2), "after the kill")
    except (AssertionError, OSError):
        return False
    return True


def in_milliseconds(name: str, taken: list[float]) -> Round:
    """Median and 99th percentile of sorted seconds."""
    p99 = taken[min(len(taken) - 1, int(len(taken) * 0.99))]
    return {f"{name} p50": 1000 * statistics.median(taken), f"{name} p99": 1000 * p99}


def rounds(measured: Measured, options: argparse.Namespace) -> Iterator[Round]:
    """Each measures everything once; the load it ran under among it."""
    default = sync_obj.PySyncObj("batch")
    with closing(default):
        for _ in range(options.rounds):
            found = measured.one_client(options.writes)
            found |= in_milliseconds(
                "PySyncObj default", default.ask_leader(f"times {options.writes // 10}")
            )
            for clients in (8, 64):
                found |= measured.many_clients(clients, options.seconds)
            found |= measured.in_process(options.seconds)
            found |= measured.reads(options.writes)
            yield {**found, "load": os.getloadavg()[0]}


def show(found: list[Round]) -> None:
    """Print a table, as docs/benchmarks.md has it."""
    print("\n| what | median of the rounds | all rounds |\n|---|---|---|")
    for name in found[0]:
        values = [each[name] for each in found]
        print(f"| {name} | {short(statistics.median(values))} | {', '.join(map(short, values))} |")
    sys.stdout.flush()


def show_ratios(found: list[Round], kills: list[Round]) -> None:
    """Print ours by theirs, round by round."""
    print("\n| ratio | median | goal |\n|---|---|---|")
    for name, ours, theirs, goal in RATIOS:
        ratio = statistics.median(each[ours] / each[theirs] for each in found)
        print(f"| {name} | {ratio:.2f} | {goal or '-'} |")
    ratio = statistics.median(each["raft_config failover s"] for each in kills)
    ratio /= statistics.median(each["etcd failover s"] for each in kills)
    print(f"| failover | {ratio:.2f} | 1 |")


def short(value: float) -> str:
    """Three digits of it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004


def main() -> None:
    """Start all, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--writes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--web-workers", type=int, default=1)
    parser.add_argument("--web-server", choices=("gunicorn", "granian"), default="gunicorn")
    options = parser.parse_args()
    etcd.install()
    sync_obj.install()
    print(
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores {platform.machine()}, Python "
        f"{platform.python_version()}, Django {django.__version__}, {etcd.release()}, "
        f"{(sync_obj.HERE / 'requirements.txt').read_text().splitlines()[-1]}; "
        f"{options.web_server}, {options.web_workers} worker(s) per node, "
        f"load {os.getloadavg()[0]:.1f} before"
    )
    with ExitStack() as stack:
        theirs = stack.enter_context(closing(etcd.Etcd()))
        ours = stack.enter_context(
            running(
                settings_module="benchmarks.beside.site_settings",
                web_workers=options.web_workers,
                web_server=options.web_server,
            )
        )
        single = stack.enter_context(closing(sync_obj.PySyncObj("single")))
        measured = Measured(ours, theirs, single)
        found = list(rounds(measured, options))
        show(found)
        kills = [measured.failover() for _ in range(options.kills)]
        show(kills)
        show_ratios(found, kills)


if __name__ == "__main__":
    main()
