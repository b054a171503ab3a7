"""`manage.py raft_members`: who belongs to the cluster, and changes of that."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.utils.translation import gettext as _

from ...core.configuration import Member
from ...exceptions import noop
from ...node import get_node
from ...operations import Facts, Operation, survey
from ..cli.operating import FORCE, OperatorCommand, operate, operation_options
from ..cli.terminal import Exit, Terminal, json_option

ROW = "{:16} {:8} {:10} {:>8} {:>8} {:10} {}"


class Command(OperatorCommand):
    """Each action shows first what it does to the quorum."""

    help = noop("List the members as each tells of itself, or add, promote, remove or move one.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        json_option(parser)
        actions = parser.add_subparsers(dest="action", metavar="ACTION")
        json_option(actions.add_parser("list", help=_("the members, as each tells of itself")))
        add = self._action(actions, "add", _("let a newcomer in: start it with JOIN first"))
        add.add_argument(
            "url", help=_("where the members reach it, like http://10.0.0.4:8000/raft")
        )
        add.add_argument("--learner", action="store_true", help=_("without a vote, for ever"))
        promote = self._action(actions, "promote", _("give a learner a vote"))
        promote.add_argument("--force", action="store_true", help=_(FORCE))
        self._action(actions, "remove", _("take a member out, dead or alive"))
        move = self._action(actions, "set-url", _("a member has moved"))
        move.add_argument("url", help=_("where it answers now"))
        move.add_argument("--force", action="store_true", help=_(FORCE))

    def _action(self, actions: Any, name: str, text: str) -> ArgumentParser:
        parser: ArgumentParser = actions.add_parser(name, help=text)
        parser.add_argument("node", help=_("the node's id"))
        operation_options(parser)
        json_option(parser)
        return parser

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        if options.action in (None, "list"):
            return show(terminal)
        operation = Operation(
            options.action.replace("-", "_"),
            options.node,
            getattr(options, "url", "").rstrip("/"),
            promote=not getattr(options, "learner", False),
        )
        return operate(self, terminal, options, operation)


def show(terminal: Terminal) -> Exit:
    """The members as this node knows them, with what each says of itself."""
    node = get_node()
    answers = survey(node)
    members = [
        _member(member, answers[member.node_id]) for member in node.state.configuration.members
    ]
    lines = [ROW.format("member", "kind", "role", "stored", "applied", "release", "address")]
    lines += [_row(each) for each in members]
    terminal.answer({"members": members}, lines)
    return Exit.DONE


def _member(member: Member, found: Facts | Exception) -> dict[str, Any]:
    facts = found if isinstance(found, Facts) else None
    return {
        "node_id": member.node_id,
        "address": member.address,
        "voter": member.voter,
        "answers": facts is not None,
        "problem": "" if facts else str(found),
        "role": facts.role if facts else None,
        "last_log_index": facts.last_log_index if facts else None,
        "last_applied": facts.last_applied if facts else None,
        "release": facts.release if facts else None,
        "may_lead": facts.may_lead and not facts.drained if facts else None,
        "drained": facts.drained if facts else None,
    }


def _row(member: dict[str, Any]) -> str:
    kind = "voter" if member["voter"] else "learner"
    if not member["answers"]:
        return ROW.format(member["node_id"], kind, "silent", "", "", "", member["address"])
    role = "drained" if member["drained"] else member["role"]
    return ROW.format(
        member["node_id"],
        kind,
        role,
        member["last_log_index"],
        member["last_applied"],
        member["release"],
        member["address"],
    )
