"""Visitors of the host project's pages, while whatever happens to the cluster.

Of the demo, the style sheet reads a setting and nothing else; the home page also shows how the
node is, by queries of the demo's own, which need the app's tables. Each is asked for beside a page
that reads no setting, of the same node in the same instant, in either order: what it takes more is
what settings cost, whatever else the machine has to do.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles

import requests

COLOUR, DEFAULT_COLOUR = "#112233", "#1f6f50"
NAME, DEFAULT_NAME = "Shop of the harness", "Corner shop"
HOME, SHEET, PLAIN = "", "accent.css", "plain.css"

SHOWN = {HOME: (NAME, DEFAULT_NAME), SHEET: (COLOUR, DEFAULT_COLOUR), PLAIN: (":root",)}
"""What a page has to show: the value applied last, or the declared default."""

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that was served rightly, and how much longer it took than the plain one."""

    at: float
    page: str
    seconds: float
    more_seconds: float


class Visitors:
    """One for each node, who looks at these pages again and again."""

    def __init__(
        self,
        urls: Mapping[str, str],
        pages: Sequence[str] = (SHEET,),
        *,
        shown: Mapping[str, Sequence[str]] = SHOWN,
        pause_seconds: float = 0.05,
    ) -> None:
        self._urls = urls
        self._pages = pages
        self._shown = shown
        self._pause_seconds = pause_seconds
        self._ends = threading.Event()
        self.visits: list[Visit] = []
        self.wrong: list[str] = []
        """What was answered, and should not have been."""
        self.unanswered: list[str] = []
        """Where nobody answered: a web server may be dead, or stand still."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """For as long as the block lasts."""
        threads = [threading.Thread(target=self._look, args=[url]) for url in self._urls.values()]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._ends.set()
            for each in threads:
                each.join()

    def more_ms(self, page: str, begin: float = 0.0, end: float = float("inf")) -> list[float]:
        """What visits of that page in that time have taken more than the plain one, sorted."""
        found = [each for each in self.visits if each.page == page and begin <= each.at < end]
        return sorted(1000 * each.more_seconds for each in found)

    def _look(self, url: str) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for page in itertools.cycle(self._pages):
                if self._ends.wait(self._pause_seconds):
                    return
                self._compare(session, url, page)

    def _compare(self, session: requests.Session, url: str, page: str) -> None:
        at, took = time.monotonic(), {}
        for each in random.sample((PLAIN, page), 2):
            took[each] = self._get(session, url, each)
        one, other = took[page], took[PLAIN]
        if one is not None and other is not None:
            self.visits.append(Visit(at, page, one, one - other))

    def _get(self, session: requests.Session, url: str, page: str) -> float | None:
        begun_at = time.perf_counter()
        try:
            response = session.get(f"{url}{page}", timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            self.unanswered.append(f"{url}{page}: {error!r}")
            return None
        took = time.perf_counter() - begun_at
        is_right = any(each in response.text for each in self._shown[page])
        if response.status_code != requests.codes.ok or not is_right:
            self.wrong.append(f"{url}{page}: {response.status_code} {response.text[:200]}")
            return None
        return took


def middle(found: Sequence[float]) -> float | None:
    """The median, None of nothing."""
    return median(found) if found else None


def ninety_fifth(found: Sequence[float]) -> float:
    """The 95th percentile."""
    return quantiles(found, n=20, method="inclusive")[18] if len(found) > 1 else found[0]
