"""`manage.py raft_config list|get|set|reset`: the settings from the command line."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from ... import proposals
from ...exceptions import RaftConfigError
from ...live import config
from ...schema import declared


class Command(BaseCommand):
    """One subcommand each; a refusal is told in one line, and the exit code is 1."""

    help = "List, get, set or reset the settings that all nodes agree on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="action", required=True)
        commands.add_parser("list", help="every setting and its value")
        get = commands.add_parser("get", help="one value")
        get.add_argument("name")
        change = commands.add_parser("set", help="change one value")
        change.add_argument("name")
        change.add_argument("value", help="as it would be typed into the admin's form")
        reset = commands.add_parser("reset", help="go back to the declared default")
        reset.add_argument("names", nargs="+")

    def handle(self, *_: Any, action: str, **options: Any) -> None:
        actions: dict[str, Callable[..., None]] = {
            "list": self._list,
            "get": self._get,
            "set": self._set,
            "reset": self._reset,
        }
        try:
            actions[action](**options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except RaftConfigError as error:
            raise CommandError(str(error)) from error

    def _list(self, **_: Any) -> None:
        for name in config:
            self.stdout.write(f"{name} = {_shown(name)}")

    def _get(self, name: str, **_: Any) -> None:
        _require(name)
        self.stdout.write(_shown(name))

    def _set(self, name: str, value: str, **_: Any) -> None:
        _require(name)
        cleaned = declared()[name].parse(value)
        answer = proposals.propose({name: cleaned})
        self.stdout.write(f"{name} = {_shown(name)} (index {answer.index})")

    def _reset(self, names: list[str], **_: Any) -> None:
        for name in names:
            _require(name)
        answer = proposals.propose({}, reset=names)
        self.stdout.write(f"Reset {', '.join(names)} (index {answer.index})")


def _require(name: str) -> None:
    if name not in config:
        known = ", ".join(config) or "none"
        raise CommandError(f"There is no setting {name}. Declared are: {known}.")


def _shown(name: str) -> str:
    value = config[name]
    return value if isinstance(value, str) else json.dumps(value, default=str)
