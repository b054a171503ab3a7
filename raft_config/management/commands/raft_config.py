"""`manage.py raft_config ACTION`: the settings from the command line and from scripts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils.translation import gettext

from ...exceptions import noop
from ..cli import files, moving, past, planned, upkeep, values
from ..cli.terminal import SpokenCommand, perform

ACTIONS = {
    action.name: action
    for module in (values, files, past, planned, upkeep, moving)
    for action in module.ACTIONS
}


class Command(SpokenCommand):
    """One subcommand each. What is refused is told in one line, and the exit code tells why."""

    help = noop("Show, change, compare and move the settings that all nodes agree on.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for action in ACTIONS.values():
            action.add_arguments(actions.add_parser(action.name, help=gettext(action.help)))

    def handle(self, *_: Any, action: str, **options: Any) -> None:
        perform(ACTIONS[action].run, self, options)
