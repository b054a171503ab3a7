"""What the operator's commands share: plan, confirmation, and exit codes.

0  done, or so already        3  no leader, no quorum or no answer: try again
1  refused; the text says why 4  the outcome is unknown: repeat the same command
2  used wrongly, or not confirmed
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ... import operations
from ...exceptions import noop
from ...operations import Operation
from .terminal import Exit, SpokenCommand, Terminal, json_option, perform
from .writing import login_name, seconds

FORCE = noop("do what is refused, where that costs no safety; the refusal says so")


class OperatorCommand(SpokenCommand):
    """A command whose `run` returns its exit code; what is refused is told in one line."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        json_option(parser)

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        raise NotImplementedError

    def handle(self, *_: Any, **options: Any) -> None:
        perform(self.run, self, options)

    def tell(self, text: str) -> None:
        """Progress, for people who wait: never part of what a script reads."""
        self.stderr.write(text, style_func=str)


def operation_options(parser: ArgumentParser) -> None:
    """For each command that changes the cluster."""
    parser.add_argument("--yes", action="store_true", help=_("do not ask"))
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help=_("how long to try"))


def operate(
    command: OperatorCommand, terminal: Terminal, options: Namespace, operation: Operation
) -> Exit:
    """Show what it will do, ask, do it, and say what was done."""
    operation = replace(operation, user=login_name())
    force = bool(getattr(options, "force", False))
    found = operations.plan(operation, timeout_seconds=options.timeout)
    if found.refusal and not (force and found.may_force):
        refused = _("Refused: %s") % found.refusal
        hint = " " + _("It can be forced: --force.") if found.may_force else ""
        raise CommandError(refused + hint, returncode=Exit.REFUSED)
    if found.is_done:
        terminal.answer({"done": False, "text": found.text, "index": 0}, [found.text])
        return Exit.DONE
    confirm(found.text, yes=options.yes)
    command.tell(_("Waiting for the cluster ..."))
    done = operations.perform(operation, force=force, timeout_seconds=options.timeout)
    ending = _("Done (index %d).") % done.index if done.index else _("Done.")
    terminal.answer({"done": True, "text": done.text, "index": done.index}, [done.text, ending])
    return Exit.DONE


def confirm(text: str, *, yes: bool) -> None:
    """Ask a person; a script has to say --yes."""
    if yes:
        return
    # The letters are the same in every language: scripts and fingers know them.
    if answer_to(text + "\n" + _("Do it? [y/N]") + " ").lower() not in ("y", "yes"):
        raise CommandError(_("Nothing was done."), returncode=Exit.USAGE)


def confirm_by_typing(text: str, words: str, given: str | None) -> None:
    """Have the words typed that name what is lost; a script gives them as --confirm."""
    if given is None:
        question = _('Type "%s" to do it:') % words
        given = answer_to(f"{text}\n{question} ", option=f'--confirm "{words}"')
    if given != words:
        problem = _('Nothing was done: "%s" was not typed.') % words
        raise CommandError(problem, returncode=Exit.USAGE)


def answer_to(question: str, option: str = "--yes") -> str:
    """What a person at the terminal types."""
    if not sys.stdin.isatty():
        problem = _("This cannot be asked without a terminal: give %s.") % option
        raise CommandError(f"{question.splitlines()[0]} {problem}", returncode=Exit.USAGE)
    try:
        return input(question).strip()
    except EOFError:
        return ""
