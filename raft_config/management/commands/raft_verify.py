"""`manage.py raft_verify`: whether this node holds what the cluster agreed on."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from django.utils.translation import gettext as _

from ...exceptions import noop
from ...node import get_node
from ...operations.verify import verify
from ..cli.examining import tell
from ..cli.operating import OperatorCommand
from ..cli.terminal import Exit, Terminal


class Command(OperatorCommand):
    """Changes nothing, and may run at any time."""

    help = noop(
        "Check this node's log, replay it against its tables, and compare with its peers. Exit "
        "code: 0 nothing is wrong, 1 something is; each finding says what."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--local", action="store_true", help=_("ask no peer"))

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        with terminal.progress() as progress:
            progress.step(_("Replaying the log ..."))
            found = verify(get_node(), ask_peers=not options.local, told=progress.part)
        return tell(terminal, found)
