"""`manage.py raft_drain`: before a deploy, let this node neither lead nor campaign."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _

from ...exceptions import noop
from ...node import get_node
from ...operations import Operation
from ..cli.operating import FORCE, OperatorCommand, operate, operation_options
from ..cli.terminal import Exit, Terminal


class Command(OperatorCommand):
    """It goes on receiving, voting and serving reads and writes."""

    help = noop(
        "Hand over leadership, and do not campaign until --off, or until the node's driver "
        "(raft_node, raft_tick, Celery worker) starts again, whichever comes first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        operation_options(parser)
        parser.add_argument("node", nargs="?", default="", help=_("another node than this one"))
        parser.add_argument("--off", action="store_true", help=_("let it lead again"))
        parser.add_argument("--force", action="store_true", help=_(FORCE))

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        name = "undrain" if options.off else "drain"
        operation = Operation(name, options.node or get_node().node_id)
        return operate(self, terminal, options, operation)
