"""`manage.py raft_snapshot`: shorten the log of a node now."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _

from ...exceptions import noop
from ...node import get_node
from ...operations import Operation
from ..cli.operating import OperatorCommand, operate, operation_options
from ..cli.terminal import Exit, Terminal


class Command(OperatorCommand):
    """Nodes do so by themselves; this is for before a backup, or to let a log shrink at once."""

    help = noop("Take a snapshot of the values, on this node or on NODE, and shorten its log.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        operation_options(parser)
        parser.add_argument("node", nargs="?", default="", help=_("another node than this one"))

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        options.yes = True  # it takes nothing away
        operation = Operation("snapshot", options.node or get_node().node_id)
        return operate(self, terminal, options, operation)
