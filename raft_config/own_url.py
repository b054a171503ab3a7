"""Whether this node's peers can reach it, by asking its own URL (DESIGN §2.10).

A node that ticks behind a web server that is down would lead a cluster that cannot answer it. A web
server that is busy is none that is down: its leader must not give up the lead because a ping waits
behind its clients, who would then wait for another one, and hold the threads that the new leader's
messages need.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from .conf import RaftConfig
from .exceptions import PeerSilentError, RaftConfigError
from .transport.courier import Transport
from .version_file import version_file_of

logger = logging.getLogger("raft_config")

REACHABLE_SECONDS = 2.0
"""How often the URL is asked whether it answers ..."""

UNREACHABLE_SECONDS = 0.5
"""... and how often while it does not."""

SERVED_SECONDS = 3.0
"""A web tier that has answered any request so lately, but not the ping in time, is busy."""

FAILED_PINGS = 2
"""So many in a row, and it counts as unreachable."""


class OwnUrl:
    """That of one node, as seen from its driver."""

    def __init__(
        self, config: RaftConfig, transport: Transport, monotonic: Callable[[], float]
    ) -> None:
        self._config = config
        self._transport = transport
        self._monotonic = monotonic
        self._pinger: ThreadPoolExecutor | None = None
        self._ping: Future[bool] | None = None
        self._failed = 0
        self._next_at = 0.0

    def look(self) -> bool | None:
        """Whether it is reachable, where a ping has just ended; begins the next one in time.

        It is asked by a thread of its own: a web tier that hangs must not stop the ticks.
        """
        found = None
        if self._ping is not None and self._ping.done():
            found = self._note(self._ping.result())
            self._ping = None
        if self._ping is None and self._monotonic() >= self._next_at:
            if self._pinger is None:
                self._pinger = ThreadPoolExecutor(1, "raft-ping")
            self._ping = self._pinger.submit(self._answers)
        return found

    def close(self) -> None:
        """End the thread."""
        if self._pinger is not None:
            self._pinger.shutdown()

    def _answers(self) -> bool:
        config = self._config
        try:
            self._transport.call(config.node_id, config.url, "ping", {}, config.rpc_timeout_seconds)
        except PeerSilentError:
            return version_file_of(config).has_served_within(SERVED_SECONDS)
        except RaftConfigError as error:
            logger.debug("Own URL %s does not answer: %s", config.url, error)
            return False
        return True

    def _note(self, answers: bool) -> bool:  # noqa: FBT001 - the answer itself
        self._failed = 0 if answers else self._failed + 1
        interval = REACHABLE_SECONDS if answers else UNREACHABLE_SECONDS
        self._next_at = self._monotonic() + interval
        return self._failed < FAILED_PINGS
