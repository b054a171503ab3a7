"""move: the settings from one engine to the other, node after node."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import cast

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ...conf import ENGINES, ETCD
from ...etcd.node import EtcdNode
from ...exceptions import noop
from ...node import Node, get_node
from ...operations import moving
from ...operations.moving import Done, MovePlan
from .operating import confirm, confirm_by_typing
from .terminal import Action, Exit, Terminal, json_option
from .writing import login_name

NEXT = noop(
    "Run the same on every other node. Compare the digests. Then set ENGINE to %(to)r in the "
    "RAFT_CONFIG of every node, and start its processes anew; until then, changes are refused."
)


WORDS = "bring back what this node has"


def _arguments(parser: ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--to", choices=sorted(ENGINES), help=_("the engine to go on with"))
    which.add_argument(
        "--cancel",
        action="store_true",
        help=_("let changes be made again, if nothing is in etcd yet"),
    )
    parser.add_argument("--dry-run", action="store_true", help=_("say what would be done"))
    parser.add_argument("--yes", action="store_true", help=_("do not ask"))
    parser.add_argument("--confirm", metavar="WORDS", help=_("what would have to be typed"))
    json_option(parser)


def _run(terminal: Terminal, options: Namespace) -> Exit:
    node = get_node()
    if options.cancel:
        index = moving.cancel(node, user=login_name())
        terminal.answer({"index": index}, [_("Changes can be made again (index %d).") % index])
        return Exit.DONE
    plan = moving.plan_to_etcd(node) if options.to == ETCD else moving.plan_to_raft(node)
    if options.dry_run:
        refused = [_("Refused: %s") % plan.refusal] if plan.refusal else []
        terminal.answer(
            {"step": plan.step, "text": plan.text, "refusal": plan.refusal}, [plan.text, *refused]
        )
        return Exit.REFUSED if plan.refusal else Exit.DONE
    if plan.refusal:
        raise CommandError(_("Refused: %s") % plan.refusal, returncode=Exit.REFUSED)
    _confirm(plan, options)
    done = _move(node, plan)
    lines = [
        plan.text,
        _("%(count)d settings as of index %(index)d, digest %(digest)s.")
        % {"count": done.settings, "index": done.index, "digest": done.digest},
        _(NEXT) % {"to": options.to},
    ]
    terminal.answer({"step": plan.step, "index": done.index, "digest": done.digest}, lines)
    return Exit.DONE


def _confirm(plan: MovePlan, options: Namespace) -> None:
    if plan.step == "bring back":
        lost = _("What other nodes know beyond that is lost.")
        confirm_by_typing(f"{plan.text}\n{lost}", WORDS, options.confirm)
    elif plan.step != "done":
        confirm(plan.text, yes=options.yes)


def _move(node: Node, plan: MovePlan) -> Done:
    if plan.to == ETCD:
        return moving.move_to_etcd(node, plan, user=login_name())
    return moving.move_to_raft(cast("EtcdNode", node), plan)


ACTIONS = (
    Action(
        "move",
        noop("from the built-in Raft to etcd, or back: the same command on each node"),
        _arguments,
        _run,
    ),
)
