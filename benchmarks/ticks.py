"""How punctual each driver is: the time between two ticks beyond what was asked for.

A cluster of one has nothing to do, so its driver ticks once per heartbeat interval; a gap between
two beats, or a beat that came late, shows as a longer wait.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import pairwise

DRIVERS = ("raft_node", "raft_tick", "celery")


def main() -> None:
    """Print a row for each driver; that of the stock celery needs a broker in BROKER_URL."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--driver", choices=DRIVERS, help="this one only, in this process")
    options = parser.parse_args()
    if options.driver:
        measure(options.driver, options.seconds)
        return
    for driver in DRIVERS:
        if driver == "celery" and "BROKER_URL" not in os.environ:
            continue
        with tempfile.TemporaryDirectory(prefix="raft-config-bench-") as folder:
            environment = {**os.environ, "DATA_DIR": folder, "NODE_ID": "solo"}
            arguments = ["--driver", driver, "--seconds", str(options.seconds)]
            manage = [sys.executable, "manage.py", "migrate", "-v0"]
            subprocess.run(manage, env=environment, check=True)  # noqa: S603 - our own command
            subprocess.run(  # noqa: S603 - our own command
                [sys.executable, "-m", "benchmarks.ticks", *arguments],
                env=environment,
                check=True,
                stderr=subprocess.DEVNULL,
            )


def measure(driver: str, seconds: float) -> None:
    """Run a driver in this process for so long, then print its row and end."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
    import django  # noqa: PLC0415

    django.setup()
    from raft_config.node import Node  # noqa: PLC0415 - needs Django set up

    ticks: list[float] = []
    tick = Node.tick

    def noted(node: Node) -> float:
        ticks.append(time.perf_counter())
        return tick(node)

    Node.tick = noted  # type: ignore[method-assign]
    reporter = threading.Timer(seconds, report, (driver, ticks))
    reporter.daemon = True
    reporter.start()
    run_driver(driver)()


def run_driver(driver: str) -> Callable[[], None]:
    """What runs it until the process ends."""
    from django.core.management import call_command  # noqa: PLC0415

    if driver != "celery":
        return lambda: call_command(driver)
    from demo_site.celery import app  # noqa: PLC0415 - needs Django set up

    schedule = f"{os.environ['DATA_DIR']}/celerybeat-schedule"
    options = ["worker", "-P", "threads", "-B", "-Q", "raft.solo", "-s", schedule, "-l", "ERROR"]
    return lambda: app.worker_main(options)


def report(driver: str, ticks: list[float]) -> None:
    """One row; waits in milliseconds beyond the interval, processor as a share of one core."""
    from raft_config.conf import get_config  # noqa: PLC0415 - needs Django set up

    interval = get_config().timing.heartbeat_interval_seconds
    steady = ticks[len(ticks) // 5 :]
    late = sorted(1000 * (b - a - interval) for a, b in pairwise(steady))
    share = 100 * time.process_time() / (time.perf_counter() - ticks[0])
    print(
        f"{driver:10} {len(late):5} ticks: late by median {statistics.median(late):.1f} ms, "
        f"p99 {late[int(len(late) * 0.99)]:.1f} ms, max {late[-1]:.1f} ms; {share:.1f} % of a core",
        file=sys.__stdout__,  # Celery has taken the other one
        flush=True,
    )
    os._exit(0)


if __name__ == "__main__":
    main()
