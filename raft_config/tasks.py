"""Celery drives the node: beat gives the second, the task divides it (DESIGN §2.8).

Ticks may come late, twice, or in heaps: time is compared, never counted; a task older than its
interval has expired; and a second one beside a running one returns at once.
"""

from __future__ import annotations

import threading
from typing import Any

from celery import shared_task
from django.db import close_old_connections

from .conf import get_config
from .core.events import TakeSnapshot
from .joining import join_cluster
from .node import get_node

KEPT_BEATS = 2
"""A tick that has waited for so many intervals is not run any more."""

SLACK = 0.5
"""A tick drives for so much of an interval beyond its own, so that a late beat leaves no gap."""


class Drive:
    """Until when this process drives its node, and whether it is doing so."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = 0.0
        self.is_running = False

    def extend(self, until: float) -> bool:
        """Drive longer; whether nobody does so yet, and the caller has to."""
        with self.lock:
            self.until = max(self.until, until)
            if self.is_running:
                return False
            self.is_running = True
            return True

    def ends(self, now: float) -> bool:
        """Whether the time is over; then somebody else may drive."""
        with self.lock:
            self.is_running = now < self.until
            return not self.is_running


_drive = Drive()


@shared_task(name="raft_config.tick", ignore_result=True)
def tick() -> None:
    """Drive this node until the next beat; beside a running one, let that go on and return."""
    node = get_node()
    interval = get_config().tick_interval_seconds
    if not _drive.extend(node.monotonic() + (1 + SLACK) * interval):
        return
    try:
        while not _drive.ends(node.monotonic()):
            close_old_connections()
            join_cluster()
            node.run_for(min(interval, _drive.until - node.monotonic()))
    finally:
        _drive.is_running = False


@shared_task(name="raft_config.compact", ignore_result=True)
def compact() -> None:
    """Take a snapshot now, whatever the policy says."""
    get_node().take(TakeSnapshot())


def queue_name() -> str:
    """This node's own queue: another node's worker must not tick for it."""
    return f"raft.{get_config().node_id}"


def beat_schedule() -> dict[str, dict[str, Any]]:
    """For the project's own Celery app: `app.conf.beat_schedule.update(beat_schedule())`."""
    seconds = get_config().tick_interval_seconds
    return {
        "raft_config.tick": {
            "task": "raft_config.tick",
            "schedule": seconds,
            # One more may wait while one runs, or there would be a gap between the two.
            "options": {"queue": queue_name(), "expires": KEPT_BEATS * seconds},
        }
    }
