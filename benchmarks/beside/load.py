"""Clients over HTTP that keep their connections: one after the other, or many at once."""

from __future__ import annotations

import http.client
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0

Ask = Callable[[], bytes]


class Client:
    """One kept connection."""

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_seconds)

    def ask(self, path: str, body: bytes | None = None) -> bytes:
        """The body of the answer, which must be a good one."""
        self._connection.request("GET" if body is None else "POST", path, body)
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.status == http.HTTPStatus.OK, content[:300]
        return content


def times(ask: Callable[[int], object], count: int) -> list[float]:
    """The seconds that each of so many takes, sorted."""
    found = []
    for number in range(count):
        begun_at = time.perf_counter()
        ask(number)
        found.append(time.perf_counter() - begun_at)
    return sorted(found)


def per_second(make: Callable[[], Callable[[int], object]], clients: int, seconds: float) -> float:
    """How many all clients together get done in a second; `make` is called in each one's thread.

    What fails (a leader may be lost on a busy machine) does not count, and is told.
    """
    counts: list[int] = []
    failed: list[Exception] = []
    end = time.perf_counter() + seconds

    def work() -> None:
        count, ask = 0, make()
        while time.perf_counter() < end:
            try:
                ask(count)
                count += 1
            except Exception as error:  # noqa: BLE001, PERF203 - told below
                failed.append(error)
                ask = make()
        counts.append(count)

    begun_at = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        print(f"{len(failed)} failed, the first with {failed[0]!r:.200}", file=sys.stderr)
    return sum(counts) / (time.perf_counter() - begun_at)
