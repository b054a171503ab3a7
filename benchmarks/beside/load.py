"""Clients over HTTP that keep their connections: one after the other, or many at once."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 30.0

Ask = Callable[[], bytes]


class Client:
    """One kept connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_SECONDS)

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
    """How many all clients together get done in a second; `make` is called in each one's thread."""
    counts: list[int] = []
    failed: list[BaseException] = []
    end = time.perf_counter() + seconds

    def work() -> None:
        count = 0
        try:
            ask = make()
            while time.perf_counter() < end:
                ask(count)
                count += 1
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)
        counts.append(count)

    begun_at = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(counts) / (time.perf_counter() - begun_at)
