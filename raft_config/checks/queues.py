"""Checks of the Celery app, as far as it is configured where the checks run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from celery import current_app
from django.core.checks import CheckMessage, Warning, register  # noqa: A004

from ..conf import RaftConfig
from .base import TAG, valid_config

TICK: Final = "raft_config.tick"
"""The name of `tasks.tick`, which is a sibling of this module."""


@register(TAG)
def check_queue(**_: Any) -> list[CheckMessage]:
    """W023: on a broker that nodes share, another node's worker would tick for this one."""
    config = valid_config()
    if config is None or not config.peers | _joining(config) or _broker_is_private():
        return []
    own = f"raft.{config.node_id}"
    wrong = sorted({queue for queue in _tick_queues(current_app.conf) if queue != own})
    if not wrong:
        return []
    return [
        Warning(
            f"Celery sends the ticks of node {config.node_id!r} to the queue {', '.join(wrong)}; "
            "workers of other nodes may take them from there, and this node stands still.",
            hint="Use the schedule of raft_config.tasks.beat_schedule(), and start this node's "
            f"worker with -Q {own} beside its other queues.",
            id="raft_config.W023",
        )
    ]
