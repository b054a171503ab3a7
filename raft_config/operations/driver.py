"""Who ticks for this node, and what is missing if nobody does: the worker, beat, or the broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.utils.translation import gettext as _

from .. import status
from ..node import Node
from .findings import Finding, error, ok, remedy_of_lateness, warning

ANSWER_SECONDS = 1
"""How long workers are given to say what they consume."""


@dataclass(frozen=True, slots=True)
class Driver:
    """What is known of it."""

    node_id: str
    age_seconds: float | None
    """Since it left a sample, which it does every ten seconds; None: it never has."""
    late_seconds: float
    is_late: bool
    is_driven: bool
    has_shared_broker: bool
    """Or the ticks are within the process that drives, where nobody else sees them."""
    consumers: tuple[str, ...] = ()
    """Workers that take ticks from the node's queue."""
    waiting: int = 0
    """Messages in the queue."""
    broker_problem: str = ""

    @property
    def queue(self) -> str:
        return f"raft.{self.node_id}"


def look_at_driver(node: Node) -> Driver:
    """Ask the node's own database, and the broker if there is one that others can ask."""
    here = status.read()
    is_shared = not str(current_app.conf.broker_url or "memory:").startswith("memory:")
    found: dict[str, Any] = {}
    if is_shared:
        try:
            found = _ask_broker(f"raft.{node.node_id}")
        except Exception as problem:  # noqa: BLE001 - each transport has errors of its own
            found = {"broker_problem": str(problem) or type(problem).__name__}
    return Driver(
        node_id=node.node_id,
        age_seconds=here.driver_age_seconds,
        late_seconds=here.lateness_seconds,
        is_late=here.is_late,
        is_driven=here.is_driven,
        has_shared_broker=is_shared,
        **found,
    )


def _ask_broker(queue: str) -> dict[str, Any]:
    with current_app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=ANSWER_SECONDS)
        waiting = 0
        channel: Any = connection.channel()
        with suppress(*connection.channel_errors):  # there is no such queue yet
            waiting = channel.queue_declare(queue, passive=True).message_count
        asked = current_app.control.inspect(timeout=ANSWER_SECONDS, connection=connection)
        answers = asked.active_queues() or {}
    consumers = [
        worker
        for worker, queues in answers.items()
        if any(each["name"] == queue for each in queues)
    ]
    return {"consumers": tuple(sorted(consumers)), "waiting": waiting}


def check_driver(found: Driver) -> Iterator[Finding]:
    """Whether it ticks and is on time; if not, what is to be started."""
    if found.is_driven and found.age_seconds is not None:
        yield _lateness(found)
    else:
        yield _silence(found)
    if found.has_shared_broker:
        yield _queue(found)


def _lateness(found: Driver) -> Finding:
    facts = {"age": found.age_seconds, "late": found.late_seconds * 1000}
    text = _("its last sample is %(age).0f s old; at most %(late).0f ms late lately") % facts
    if found.is_late:
        return warning("driver", text, remedy_of_lateness())
    return ok("driver", text)


def _silence(found: Driver) -> Finding:
    text = _("nothing has ticked yet")
    if found.age_seconds is not None:
        text = _("nothing has ticked for %(age).0f s") % {"age": found.age_seconds}
    if not found.has_shared_broker:
        return error("driver", text, _("Start raft_node or raft_tick."))
    if found.consumers:
        remedy = _(
            "A worker is there and gets no ticks: start celery beat, with the schedule of "
            "raft_config.tasks.beat_schedule()."
        )
        return error("driver", text, remedy)
    remedy = _("Start a worker for this node, as the next finding says, or raft_node or raft_tick.")
    return error("driver", text, remedy)


def _queue(found: Driver) -> Finding:
    facts = {"queue": found.queue, "waiting": found.waiting, "problem": found.broker_problem}
    if found.broker_problem:
        text = _("the broker does not answer: %(problem)s") % facts
        return error("queue", text, _("Start it, or correct the broker's URL of the Celery app."))
    if found.consumers:
        names = ", ".join(found.consumers)
        text = _("%(workers)s takes the ticks from %(queue)s; %(waiting)d wait")
        return ok("queue", text % {**facts, "workers": names})
    if found.is_driven:
        text = _("no worker takes ticks from %(queue)s: raft_node or raft_tick drives this node")
        return ok("queue", text % facts)
    text = _("no worker takes ticks from %(queue)s; %(waiting)d wait") % facts
    remedy = (
        _("Start one: celery -A PROJECT worker -Q %(queue)s (beside its other queues).") % facts
    )
    if not found.waiting:
        remedy += " " + _("Start celery beat as well: it has sent nothing.")
    return error("queue", text, remedy)
