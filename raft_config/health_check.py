"""This node for django-health-check (4.0 and later): readiness, as one of a project's checks.

HealthCheckView.as_view(checks=["health_check.checks.Database",
                                "raft_config.health_check.RaftConfigReady"])
"""

from __future__ import annotations

from dataclasses import dataclass

from asgiref.sync import sync_to_async
from health_check.base import HealthCheck  # type: ignore[import-untyped]  # theirs
from health_check.exceptions import ServiceUnavailable  # type: ignore[import-untyped]

from .health import check


@dataclass
class RaftConfigReady(HealthCheck):  # type: ignore[misc]
    """It applies what is agreed, and has a leader to write through; asks this node's database."""

    async def run(self) -> None:
        # In the request's own thread: its connection is there, and is looked after.
        found = await sync_to_async(check)()
        if not found.is_ready:
            raise ServiceUnavailable(", ".join(found.problems))
