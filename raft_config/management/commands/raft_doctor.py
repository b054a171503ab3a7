"""`manage.py raft_doctor`: what keeps the cluster from being well, and what to do about it."""

from __future__ import annotations

from argparse import Namespace

from django.utils.translation import gettext as _

from ...exceptions import noop
from ...node import get_node
from ...operations.doctor import examine_cluster
from ..cli.examining import tell
from ..cli.operating import OperatorCommand
from ..cli.terminal import Exit, Terminal


class Command(OperatorCommand):
    """Changes nothing, and may run at any time, on any node."""

    help = noop(
        "Look at settings, database, driver, clocks, secrets and releases, and at every peer in "
        "both directions. Exit code: 0 nothing is wrong, 1 something is; each with its remedy."
    )

    # It is to tell of what the system checks find, not to end by it.
    requires_system_checks = ()

    def run(self, terminal: Terminal, options: Namespace) -> Exit:  # noqa: ARG002 - as any other
        self.tell(_("Asking all members ..."))
        return tell(terminal, examine_cluster(get_node()))
