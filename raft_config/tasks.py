"""Celery drives the node: beat gives the second, the task divides it (DESIGN §2.8).

Ticks may come late, twice, or in heaps: time is compared, never counted; a task older than its
interval has expired; and a second one beside a running one returns at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta, timezone
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from celery import shared_task
from celery.schedules import schedule
from celery.signals import celeryd_after_setup, worker_shutting_down
from django.db import close_old_connections, connections

from .agreement import comparison
from .conf import get_config
from .core.events import TakeSnapshot
from .exceptions import NotLeaderError, UnavailableError
from .joining import join_cluster
from .node import get_node
from .operations import prepare_to_stop, resume

logger = logging.getLogger("raft_config")

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
            comparison.go_on()
            node.run_for(min(interval, _drive.until - node.monotonic()))
    finally:
        _drive.is_running = False


class Handover:
    """What the worker that ticks for this node does as it starts, and as it is told to stop.

    Other workers of the project drive nothing: only one that consumes the node's queue counts.
    """

    def __init__(self) -> None:
        self.is_driver = False

    def begin(self, queues: Collection[str]) -> None:
        """The start ends a drain; before the pool forks, so that no child shares a connection."""
        self.is_driver = queue_name() in queues
        if self.is_driver:
            resume(get_node())
            connections.close_all()

    def end(self) -> threading.Thread | None:
        """Hand over, on a thread of its own: a signal may come in the midst of a transaction."""
        if not self.is_driver:
            return None
        thread = threading.Thread(target=self._hand_over, name="raft-handover")
        thread.start()
        return thread

    def _hand_over(self) -> None:
        try:
            prepare_to_stop(get_node())
        finally:
            connections.close_all()


_handover = Handover()


@celeryd_after_setup.connect
def _begin(instance: Any, **_: Any) -> None:
    _handover.begin(instance.app.amqp.queues.consume_from)


@worker_shutting_down.connect
def _end(**_: Any) -> None:
    _handover.end()


@shared_task(name="raft_config.compact", ignore_result=True)
def compact() -> None:
    """Take a snapshot now, whatever the policy says."""
    get_node().take(TakeSnapshot())


Returned = TypeVar("Returned")
Arguments = ParamSpec("Arguments")


def leader_only(
    function: Callable[Arguments, Returned],
) -> Callable[Arguments, Returned | None]:
    """Let every node's worker start a task, and the leader's alone do it; elsewhere it gives None.

    Leadership is proved by a round to a majority first, so of two nodes that believe to lead one
    alone begins. It is not held while the task runs: what must happen once at the most has to be
    safe to repeat all the same.

        @shared_task
        @leader_only
        def nightly() -> None: ...
    """

    @wraps(function)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned | None:
        node = get_node()
        try:
            node.read_index(timeout_seconds=node.config.write_timeout_seconds)
        except (NotLeaderError, UnavailableError):
            logger.debug("Node %s does not lead: %s is left out", node.node_id, function.__name__)
            return None
        return function(*args, **kwargs)

    return run


def queue_name() -> str:
    """This node's own queue: another node's worker must not tick for it."""
    return f"raft.{get_config().node_id}"


class SteadySchedule(schedule):
    """Every so many seconds, also when the clock is set.

    Celery's own waits until the time of its last run comes again: set back by an hour, the clock
    would take the node its ticks for as long.
    """

    def now(self) -> datetime:
        """The time of day as of the start, and what has passed since."""
        return _BEGUN_AT + timedelta(seconds=time.monotonic())

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Never more than one interval: an earlier process may have had another clock."""
        return min(super().remaining_estimate(last_run_at), timedelta(seconds=self.seconds))


_BEGUN_AT: Final = datetime.now(timezone.utc) - timedelta(seconds=time.monotonic())


def beat_schedule() -> dict[str, dict[str, Any]]:
    """For the project's own Celery app: `app.conf.beat_schedule.update(beat_schedule())`."""
    seconds = get_config().tick_interval_seconds
    return {
        "raft_config.tick": {
            "task": "raft_config.tick",
            "schedule": SteadySchedule(seconds),
            # One more may wait while one runs, or there would be a gap between the two.
            "options": {"queue": queue_name(), "expires": KEPT_BEATS * seconds},
        }
    }
