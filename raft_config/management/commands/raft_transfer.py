"""`manage.py raft_transfer [NODE]`: let another voter lead."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _

from ...exceptions import noop
from ...operations import Operation
from ..cli.operating import OperatorCommand, operate, operation_options
from ..cli.terminal import Exit, Terminal


class Command(OperatorCommand):
    """From any node; changes wait for a moment, and none is lost."""

    help = noop("Hand leadership over, to NODE or to the voter with the most complete log.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        operation_options(parser)
        parser.add_argument("node", nargs="?", default="", help=_("who shall lead"))

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        return operate(self, terminal, options, Operation("transfer", options.node))
