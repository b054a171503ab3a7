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

_driving = threading.Lock()


@shared_task(name="raft_config.tick", ignore_result=True)
def tick() -> None:
    """Drive this node until the next beat; return at once when this process does so already."""
    if not _driving.acquire(blocking=False):
        return
    try:
        close_old_connections()
        join_cluster()
        get_node().run_for(get_config().tick_interval_seconds)
    finally:
        _driving.release()


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
            "options": {"queue": queue_name(), "expires": seconds},
        }
    }
