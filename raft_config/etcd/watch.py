"""Wakes the driver as soon as etcd has news. What it tells is not used: the driver looks itself.

So nothing is lost by a watch that breaks, comes late, or finds that etcd has compacted what it
missed: each one begins with a look, and the driver looks twice in an election timeout anyway.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from ..exceptions import RaftConfigError
from .gateway import Gateway

logger = logging.getLogger("raft_config")

RETRY_SECONDS: Final = 1.0


class Watch:
    """A thread of the driver's process, from its first rest on."""

    def __init__(self, gateway: Gateway, key: str) -> None:
        self._gateway = gateway
        self._key = key
        self._news = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self, seconds: float) -> None:
        """Until there is news, or the time is over."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="raft-etcd", daemon=True)
            self._thread.start()
        self._news.wait(seconds)

    def takes_news(self) -> bool:
        """Whether there is any; it is taken note of."""
        found = self._news.is_set()
        self._news.clear()
        return found

    def close(self) -> None:
        """Let the thread end with the next it hears; a process does not wait for it."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                for _ in self._gateway.watch(self._key):
                    self._news.set()
                    if self._closed.is_set():
                        return
            except RaftConfigError as error:
                logger.debug("The watch was broken off: %s", error)
            self._closed.wait(RETRY_SECONDS)
