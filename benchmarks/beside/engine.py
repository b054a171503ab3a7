"""What a change costs on `ENGINE = "etcd"`, beside etcd itself.

Three members of etcd and three nodes that follow it, on the one machine, measured in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack, closing

from ..nodes import Nodes, running
from . import etcd
from .__main__ import Round, in_milliseconds, show
from .load import Client, per_second, times


def measure(nodes: Nodes, theirs: etcd.Etcd, options: argparse.Namespace) -> Round:
    """Everything once."""
    url, site_url = theirs.urls[theirs.leader() or 0], nodes.cluster.nodes[0].site_url
    client, site, other = Client(url), Client(site_url), Client(nodes.cluster.nodes[1].site_url)

    def show_elsewhere(number: int) -> None:
        value = b"seen %d" % number
        site.ask("/change/", value)
        while other.ask("/show/") != value:
            pass

    def etcd_puts() -> Callable[[int], object]:
        one = Client(url)
        return lambda n: etcd.put(one, f"b {n}")

    def our_changes() -> Callable[[int], object]:
        one = Client(site_url)
        return lambda n: one.ask("/change/", b"%d" % n)

    count, seconds = options.writes, options.seconds
    return {
        **in_milliseconds("etcd put", times(lambda n: etcd.put(client, f"a {n}"), count)),
        **in_milliseconds("a change", times(lambda n: site.ask("/change/", b"%d" % n), count)),
        "etcd 64 clients/s": per_second(etcd_puts, 64, seconds),
        "64 clients/s": per_second(our_changes, 64, seconds),
        **in_milliseconds("etcd read", times(lambda _: etcd.read(client), count)),
        **in_milliseconds("linearizable read", times(lambda _: site.ask("/read/"), count)),
        **in_milliseconds("a change, until another node shows it", times(show_elsewhere, count)),
        "load": os.getloadavg()[0],
    }


def main() -> None:
    """Start all, measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside.engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--writes", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--web-server", choices=("gunicorn", "granian"), default="gunicorn")
    options = parser.parse_args()
    etcd.install()
    with ExitStack() as stack:
        theirs = stack.enter_context(closing(etcd.Etcd()))
        os.environ["ETCD_ENDPOINTS"] = " ".join(theirs.urls)
        settings = "benchmarks.beside.etcd_settings"
        nodes = stack.enter_context(
            running(settings_module=settings, web_server=options.web_server)
        )
        found = [measure(nodes, theirs, options) for _ in range(options.rounds)]
    show(found)
    for ours, their in (("a change p50", "etcd put p50"), ("64 clients/s", "etcd 64 clients/s")):
        ratio = statistics.median(each[ours] / each[their] for each in found)
        print(f"{ours} / {their}: {ratio:.2f}")


if __name__ == "__main__":
    main()
