"""What reading a setting costs, beside django-constance, django-dynamic-preferences, and a dict.

Each row is measured in turn, several rounds, in one process; ratios are to `config.NAME`.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .both import set_up
from .nodes import running, wait_for

DECLARATIONS = {f"NAME_{number}": (f"value {number}", "") for number in range(50)}
NAME = "NAME_7"
SECONDS_PER_ROUND = 0.2
HOST = "127.0.0.1"


def main() -> None:
    """Print the table, the queries of a page, and how soon a change is seen on another node."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raft-config-bench-") as folder, redis() as port:
        set_up(
            Path(folder),
            DECLARATIONS,
            PLAIN="value",
            CONSTANCE_REDIS_CONNECTION=f"redis://{HOST}:{port}/0",
        )
        print_costs(options.rounds, with_redis=port is not None)
        print_queries()
    print_delay(options.changes)


@contextmanager
def redis() -> Iterator[int | None]:
    """A server of our own on loopback; its port, or None where there is none installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", HOST, "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
    try:
        wait_for(lambda: _answers(port))
        yield port
    finally:
        server.terminate()
        server.wait(timeout=20)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


# -- the cost of one read


def print_costs(rounds: int, *, with_redis: bool) -> None:
    """Medians over rounds, in nanoseconds, and the ratio round by round."""
    rows = {**own_rows(), **constance_rows(with_redis=with_redis), **preference_rows()}
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, timer in rows.items():
            times[name].append(nanoseconds(timer))
    base = times["config.NAME"]
    print(f"{'one read':46} {'median':>12} {'ratio':>9}")
    for name, found in times.items():
        ratio = statistics.median(each / own for each, own in zip(found, base, strict=True))
        print(f"{name:46} {statistics.median(found):9.0f} ns {ratio:9.2f}")


class Repeated:
    """What is timed: `call(number)` does it so many times."""

    def __init__(self, call: Callable[[int], object]) -> None:
        self.call = call

    def timeit(self, number: int) -> float:
        """Seconds for all of them, as `timeit.Timer` has it."""
        begun_at = time.perf_counter()
        self.call(number)
        return time.perf_counter() - begun_at


def nanoseconds(timer: timeit.Timer | Repeated) -> float:
    """Of one read, over as many as take a good while."""
    number = 1
    while (seconds := timer.timeit(number)) < SECONDS_PER_ROUND / 10:
        number *= 4
    number = max(1, int(number * SECONDS_PER_ROUND / seconds))
    return timer.timeit(number) / number * 1e9


def own_rows() -> dict[str, timeit.Timer | Repeated]:
    """Ours, and what nothing can beat."""
    from django.conf import settings  # noqa: PLC0415, TID251 - a peer

    from raft_config import config  # noqa: PLC0415

    known = {"config": config, "settings": settings, "plain": {NAME: "value"}}

    def timer(statement: str) -> timeit.Timer:
        return timeit.Timer(statement, globals=known)

    return {
        "config.NAME": timer("config.NAME_7"),
        "config.NAME, in an async view": Repeated(lambda n: asyncio.run(_view(config, n))),
        "config.NAME, pinned": Repeated(lambda n: _pinned(config, n)),
        'config["NAME"]': timer("config['NAME_7']"),
        "{{ config.NAME }} in a template": _template("{{ config.NAME_7 }}", known),
        "{{ plain.NAME }}, of a dict": _template("{{ plain.NAME_7 }}", known),
        "django.conf.settings.NAME": timer("settings.PLAIN"),
        "a dict": timer("plain['NAME_7']"),
    }


async def _view(config: object, number: int) -> None:
    timeit.timeit("config.NAME_7", globals={"config": config}, number=number)


def _pinned(config: Any, number: int) -> None:
    with config.pinned():
        timeit.timeit("config.NAME_7", globals={"config": config}, number=number)


def _template(source: str, known: Mapping[str, object]) -> Repeated:
    from django.template import Context, Template  # noqa: PLC0415 - Django is set up by now

    template = Template(f"{{% for _ in turns %}}{source}{{% endfor %}}")
    return Repeated(lambda number: template.render(Context({"turns": range(number), **known})))


def constance_rows(*, with_redis: bool) -> dict[str, timeit.Timer]:
    """django-constance with each of its backends; values are stored, as after a first save."""
    backends = {
        "constance, database": ("database.DatabaseBackend", None),
        "constance, database and file cache": ("database.DatabaseBackend", "files"),
        "constance, memory": ("memory.MemoryBackend", None),
    }
    if with_redis:
        backends["constance, Redis"] = ("redisd.RedisBackend", None)
        backends["constance, Redis, caching"] = ("redisd.CachingRedisBackend", None)
    return {
        name: timeit.Timer("config.NAME_7", globals={"config": _constance(path, cache)})
        for name, (path, cache) in backends.items()
    }


def _constance(path: str, cache: str | None) -> object:
    from constance import base  # noqa: PLC0415 - Django is set up by now
    from constance import settings as constance_settings  # noqa: PLC0415

    constance_settings.BACKEND = f"constance.backends.{path}"
    constance_settings.DATABASE_CACHE_BACKEND = cache
    config = base.Config()
    for name, (value, _help) in DECLARATIONS.items():
        setattr(config, name, value)
    return config


def preference_rows() -> dict[str, timeit.Timer]:
    """django-dynamic-preferences, whose values are in the cache, as after a first read."""
    preferences = _preferences()
    return {
        "dynamic-preferences, memory cache": timeit.Timer(
            "preferences['NAME_7']", globals={"preferences": preferences}
        )
    }


def _preferences() -> Any:
    from dynamic_preferences.registries import (  # noqa: PLC0415 - Django is set up by now
        global_preferences_registry,
    )
    from dynamic_preferences.types import StringPreference  # noqa: PLC0415

    for name, (value, _help) in DECLARATIONS.items():
        facts = {"name": name, "default": value}
        global_preferences_registry.register(type(name, (StringPreference,), facts))
    found = global_preferences_registry.manager()
    for name, (value, _help) in DECLARATIONS.items():
        found[name] = value
    return found


# -- the queries of a page, and how soon a change is there


def print_queries() -> None:
    """Queries of a request that reads 50 settings, the first one after a change and all others."""
    from raft_config import config  # noqa: PLC0415 - Django is set up by now

    constance = _constance("database.DatabaseBackend", None)
    config.set(NAME, "another value")
    print("queries of a request that reads 50 settings")
    for name, of in (("raft_config, a change later", config), ("raft_config", config)):
        print(f"  {name:44} {_queries(of)}")
    print(f"  {'constance, database':44} {_queries(constance)}")


def _queries(config: object) -> int:
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    with CaptureQueriesContext(connection) as queries:
        for name in DECLARATIONS:
            getattr(config, name)
    return len(queries)


def print_delay(changes: int) -> None:
    """From the moment a write returns on the leader until a view on another node shows it."""
    import requests  # noqa: PLC0415 - only here

    delays = []
    with running() as nodes, requests.Session() as session:
        session.trust_env = False
        leader = nodes.leader()
        other = next(node for node in nodes.cluster.nodes if node.node_id != leader)
        for number in range(changes):
            begun_at = time.perf_counter()
            nodes.agents[str(leader)].ask(set=f"change number {number}")
            written_at = time.perf_counter()
            while f"change number {number}" not in session.get(other.site_url, timeout=10).text:
                pass
            delays.append((time.perf_counter() - written_at, time.perf_counter() - begun_at))
    for place, name in enumerate(("its return", "its call")):
        found = sorted(1000 * each[place] for each in delays)
        print(
            f"from {name} until a view on another node shows the write: "
            f"p50 {statistics.median(found):.1f} ms, p99 {found[int(len(found) * 0.99)]:.1f} ms"
        )


if __name__ == "__main__":
    main()
