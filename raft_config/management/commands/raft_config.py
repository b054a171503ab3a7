"""`manage.py raft_config ACTION`: the settings from the command line and from scripts."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ..cli import files, past, planned, upkeep, values
from ..cli.terminal import perform

ACTIONS = {
    action.name: action
    for module in (values, files, past, planned, upkeep)
    for action in module.ACTIONS
}


class Command(BaseCommand):
    """One subcommand each. What is refused is told in one line, and the exit code tells why."""

    help = "Show, change, compare and move the settings that all nodes agree on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for action in ACTIONS.values():
            action.add_arguments(actions.add_parser(action.name, help=action.help))

    def handle(self, *_: Any, action: str, **options: Any) -> None:
        perform(ACTIONS[action].run, self, options)
