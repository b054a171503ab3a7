"""What all actions share: exit codes, output for people or for scripts, errors in one line."""

from __future__ import annotations

import datetime as dt
import enum
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import DatabaseError
from django.utils.duration import duration_string
from django.utils.translation import gettext as _

from ...conf import did_you_mean
from ...exceptions import (
    ConflictError,
    EntryLostError,
    NotLeaderError,
    NotPendingError,
    OutcomeUnknownError,
    PeerUnavailableError,
    RaftConfigError,
    StaleReadError,
    UnavailableError,
)
from ...language import told
from ...schema import MASK, Setting, declared
from .progress import Progress, progress_on


class Exit(enum.IntEnum):
    """What a script learns of the outcome; docs/cli.md is the same table in sentences."""

    DONE = 0
    REFUSED = 1
    USAGE = 2  # argparse's own
    TRY_AGAIN = 3
    OUTCOME_UNKNOWN = 4
    CONFLICT = 5
    FOUND = 6  # `diff` and `stale`: not 1, so that a difference is no misspelt name
    INTERRUPTED = 130  # as of any program that Ctrl-C ends


_EXIT_OF: Mapping[type[Exception], Exit] = {
    ConflictError: Exit.CONFLICT,
    NotPendingError: Exit.CONFLICT,
    OutcomeUnknownError: Exit.OUTCOME_UNKNOWN,
    NotLeaderError: Exit.TRY_AGAIN,
    UnavailableError: Exit.TRY_AGAIN,
    EntryLostError: Exit.TRY_AGAIN,
    PeerUnavailableError: Exit.TRY_AGAIN,
    StaleReadError: Exit.TRY_AGAIN,
}


class Terminal:
    """Where an action says what it found or did, in the form that was asked for."""

    def __init__(self, out: OutputWrapper, err: OutputWrapper, *, as_json: bool) -> None:
        self.out = out
        self.err = err
        self.as_json = as_json

    def answer(self, data: object, lines: Iterable[str]) -> None:
        """`data` as one line of JSON, or the lines for people."""
        if self.as_json:
            self.out.write(json.dumps(data, ensure_ascii=False))
        else:
            self.out.write("".join(f"{line}\n" for line in lines), ending="")

    def progress(self, steps: int = 1) -> AbstractContextManager[Progress]:
        """For people who wait: never part of what a script reads."""
        return progress_on(self.err, steps)


@dataclass(frozen=True)
class Action:
    """One subcommand."""

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Terminal, Namespace], Exit]


class SpokenCommand(BaseCommand):
    """A command whose `help` is marked for the translators: it is translated when it is shown."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **options)
        parser.description = _(self.help)
        return parser


def perform(
    run: Callable[[Terminal, Namespace], Exit], command: BaseCommand, options: dict[str, Any]
) -> None:
    """Run an action. Raises CommandError for what is refused; ends with the action's exit code."""
    terminal = Terminal(command.stdout, command.stderr, as_json=bool(options.get("json")))
    try:
        code = run(terminal, Namespace(**options))
    except ValidationError as error:
        raise CommandError(validation_text(error)) from error
    except RaftConfigError as error:
        raise CommandError(told(error), returncode=exit_of(error)) from error
    except DatabaseError as error:
        raise CommandError(
            _("The node's database cannot be used: %s. Run `manage.py migrate`, or try again.")
            % error,
            returncode=Exit.TRY_AGAIN,
        ) from error
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    if code:
        sys.exit(code)


def exit_of(error: RaftConfigError) -> Exit:
    """How a script tells this error from the others."""
    return next((code for kind, code in _EXIT_OF.items() if isinstance(error, kind)), Exit.REFUSED)


def validation_text(error: ValidationError) -> str:
    """Every message with the name of its setting, in one line."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        f"{name}: {message}" if name in declared() else message
        for name, messages in error.message_dict.items()
        for message in messages
    )


def require(name: str) -> Setting:
    """The setting of that name."""
    if name not in declared():
        facts = {"name": name, "hint": did_you_mean(name, tuple(declared()))}
        raise CommandError(_("There is no setting %(name)s. %(hint)s") % facts)
    return declared()[name]


# -- values: for people and pipes as they would be typed, for scripts as JSON; secrets never


def typed(setting: Setting, value: Any) -> str:
    """What `set` takes as this value; a secret's mask, which it would take for a value."""
    if setting.is_secret:
        return MASK
    if setting.kind.stored == "json":
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return duration_string(value)
    return "" if value is None else str(value)


def in_line(setting: Setting, value: Any) -> str:
    """The same within a line: what is empty, or has lines of its own, in quotes."""
    text = typed(setting, value)
    return text if text and text.isprintable() else json.dumps(text, ensure_ascii=False)


def as_json(setting: Setting, value: Any) -> Any:
    """The value as the log has it."""
    return MASK if setting.is_secret else setting.to_json(value)


# -- files


def read_text(path: str) -> str:
    """A file's text, or what comes through standard input for "-"."""
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        facts = {"path": path, "error": error}
        raise CommandError(_("%(path)s cannot be read: %(error)s") % facts) from error


def write_text(path: str, text: str, *, for_owner_only: bool = False) -> None:
    """A new file, or an existing one with other content."""
    try:
        file = Path(path)
        if for_owner_only:
            file.touch(mode=0o600)
            file.chmod(0o600)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        facts = {"path": path, "error": error}
        raise CommandError(_("%(path)s cannot be written: %(error)s") % facts) from error


def json_option(parser: ArgumentParser) -> None:
    """For every action that answers something."""
    parser.add_argument("--json", action="store_true", help=_("one line of JSON, for scripts"))
