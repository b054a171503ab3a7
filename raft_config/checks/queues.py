"""Checks of the Celery app, as far as it is configured where the checks run."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from .base import TAG, valid_config

TICK: Final = "raft_config.tick"
"""The name of `tasks.tick`, which is a sibling of this module."""


@register(TAG)
def check_queue(**_: Any) -> list[CheckMessage]:
    """W023: on a broker that nodes share, another node's worker would tick for this one."""
    config = valid_config()
    # A project that has an app has imported this; whatever only reads settings has no need to.
    celery = sys.modules.get("celery")
    if config is None or not (config.peers or config.join) or celery is None:
        return []
    conf = celery.current_app.conf
    own = f"raft.{config.node_id}"
    wrong = [] if _is_private(conf) else sorted(set(_tick_queues(conf)) - {own})
    if not wrong:
        return []
    return [
        Warning(
            f"Celery sends the ticks of node {config.node_id!r} to the queue {', '.join(wrong)}: "
            "on a shared broker, another node's worker takes them, and this node stands still.",
            hint="Use the schedule of raft_config.tasks.beat_schedule(), and start this node's "
            f"worker with -Q {own} beside its other queues.",
            id="raft_config.W023",
        )
    ]


def _is_private(conf: Any) -> bool:
    return str(conf.broker_url or "").startswith("memory:")


def _tick_queues(conf: Any) -> Iterator[str]:
    """Where the beat entries of this app lead.

    Celery's own router is not asked: it adds the queues it hears of to those that are consumed,
    and these checks run in workers too.
    """
    for entry in (conf.beat_schedule or {}).values():
        if entry.get("task") == TICK:
            queue = (entry.get("options") or {}).get("queue") or _routed_queue(conf)
            yield str(getattr(queue, "name", queue))


def _routed_queue(conf: Any) -> object:
    routes = conf.task_routes
    route = routes.get(TICK) if isinstance(routes, Mapping) else None
    queue = route.get("queue") if isinstance(route, Mapping) else route
    return queue or conf.task_default_queue
