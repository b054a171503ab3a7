"""`manage.py raft_node`: a Celery worker and beat of this node, as threads of one process.

The broker is in the process's own memory, so that no server is needed and none can fail. A
project that has a broker runs `celery worker -Q raft.<node_id>` and `celery beat` instead.
"""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from celery.beat import Scheduler, Service

from ...exceptions import noop
from ...tasks import beat_schedule, queue_name
from ..cli.driving import refuse_tables_of_another_node
from ..cli.terminal import SpokenCommand

POLLING_SECONDS = 0.05
"""The memory broker looks for messages so often; its default of 1 s delivers ticks in heaps."""


def make_app() -> Celery:
    """A Celery app of this process's own: one queue, one thread, the memory broker."""
    # Its host means nothing; without one, kombu warns that it was left out.
    app = Celery("raft_config", broker="memory://localhost", set_as_current=True)
    app.conf.update(
        beat_schedule=beat_schedule(),
        broker_connection_retry_on_startup=True,
        broker_transport_options={"polling_interval": POLLING_SECONDS},
        task_default_queue=queue_name(),
        task_ignore_result=True,
        worker_hijack_root_logger=False,
    )
    return app


class Command(SpokenCommand):
    """Runs until SIGTERM or Ctrl-C, which the worker handles."""

    help = noop("Run this node's Celery worker and beat in one process, without a broker server.")

    def handle(self, *_: Any, **__: Any) -> None:
        refuse_tables_of_another_node()
        app = make_app()
        beat = Service(app, scheduler_cls=Scheduler)
        thread = threading.Thread(target=beat.start, kwargs={"embedded_process": False})
        thread.daemon = True
        thread.start()
        worker = app.Worker(
            pool="solo",
            queues=[queue_name()],
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel="WARNING",
        )
        try:
            worker.start()
        finally:
            beat.stop()
