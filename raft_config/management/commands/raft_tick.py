"""`manage.py raft_tick`: drive this node without Celery."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import close_old_connections
from django.utils.translation import gettext as _

from ...agreement import comparison
from ...conf import get_config
from ...exceptions import RolledBackError, noop
from ...joining import join_cluster
from ...language import told
from ...node import get_node
from ...operations import prepare_to_stop, resume
from ..cli.driving import refuse_tables_of_another_node
from ..cli.terminal import SpokenCommand


class Command(SpokenCommand):
    """Runs until it is told to stop; then it hands leadership over before it ends."""

    help = noop("Drive this node without Celery, until SIGTERM or Ctrl-C.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, help=_("stop after so many seconds"))

    def handle(self, *_: Any, seconds: float | None = None, **__: Any) -> None:
        refuse_tables_of_another_node()
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        interval = get_config().tick_interval_seconds
        node = get_node()
        end = None if seconds is None else node.monotonic() + seconds
        try:
            resume(node)
            while not stop.is_set() and (end is None or node.monotonic() < end):
                close_old_connections()
                join_cluster()
                comparison.go_on()
                node.run_for(interval)
        except KeyboardInterrupt:
            stop.set()
        except RolledBackError as error:
            raise CommandError(told(error)) from error
        finally:
            if stop.is_set():
                prepare_to_stop(node)
            node.close()
