"""`manage.py raft_recover`: when a majority is lost for good, or this node has to join anew."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ...exceptions import noop
from ...node import Node, get_node
from ...operations.anew import Recovery, join_anew, plan_joining, plan_recovery, recover
from ..cli.operating import OperatorCommand, confirm_by_typing
from ..cli.terminal import Exit, Terminal
from ..cli.writing import login_name


class Command(OperatorCommand):
    """Never while the quorum lives, and never on a node whose log is not the longest."""

    help = noop(
        "Make a new cluster of this node, when most voters are lost for good; or with --join, "
        "forget what this node has and join the cluster of a member at URL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--join", metavar="URL", help=_("where a member of the new cluster is"))
        parser.add_argument("--plan", action="store_true", help=_("show it, and change nothing"))
        parser.add_argument("--confirm", metavar="WORDS", help=_("what would have to be typed"))

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        node = get_node()
        if options.join:
            return self._join(node, terminal, options)
        with terminal.progress() as progress:
            progress.step(_("Asking all members ..."))
            found = plan_recovery(node)
        if options.plan:
            terminal.answer(as_data(found), as_lines(found))
            return Exit.REFUSED if found.refusal else Exit.DONE
        if found.refusal:
            raise CommandError(_("Refused: %s") % found.refusal)
        text = "\n".join([*as_lines(found), _(WARNING)])
        confirm_by_typing(text, found.words, options.confirm)
        with terminal.progress() as progress:
            progress.step(_("Applying the log ..."))
            state = recover(node, user=login_name(), told=progress.part)
        data = {"generation": state.configuration.generation, "index": state.last_applied}
        url = node.config.url
        lines = [
            _("Node %s is a cluster of one.") % node.node_id,
            _("On each other survivor, and on each new node: raft_recover --join %s") % url,
        ]
        terminal.answer(data, lines)
        return Exit.DONE

    def _join(self, node: Node, terminal: Terminal, options: Namespace) -> Exit:
        url = options.join.rstrip("/")
        found = plan_joining(node, url)
        text = _(
            "Node %(node)s forgets its log, through index %(index)d, and joins the cluster of node "
            "%(other)s (%(members)s)."
        ) % {
            "node": node.node_id,
            "index": node.state.last_log_index,
            "other": found.node_id,
            "members": ", ".join(found.members),
        }
        if options.plan:
            terminal.answer({"text": text}, [text])
            return Exit.DONE
        if node.state.last_log_index:
            confirm_by_typing(text, f"forget {node.node_id}", options.confirm)
        with terminal.progress() as progress:
            progress.step(_("Waiting for the cluster ..."))
            index = join_anew(node, url)
        terminal.answer({"index": index}, [text, _("Joined (index %d).") % index])
        return Exit.DONE


WARNING = noop(
    "If the silent nodes live, and only this network is cut, there will be two clusters: the old "
    "one never takes this node back, nor this one them, until one side joins the other anew."
)


def as_data(found: Recovery) -> dict[str, Any]:
    """For scripts."""
    return {
        "survivors": {each: facts.last_log_index for each, facts in found.survivors.items()},
        "silent": dict(found.silent),
        "loss": found.loss,
        "words": found.words,
        "refusal": found.refusal,
    }


def as_lines(found: Recovery) -> list[str]:
    """For people: who is left, with which log, and what may be lost."""
    ordered = sorted(found.survivors.items(), key=lambda item: item[1].log, reverse=True)
    lines = [
        _("%(node)s: log through %(last)d of term %(term)d, committed %(committed)d")
        % {
            "node": node_id,
            "last": facts.last_log_index,
            "term": facts.last_log_term,
            "committed": facts.commit_index,
        }
        for node_id, facts in ordered
    ]
    silent = _("%(node)s: silent (%(problem)s)")
    lines += [silent % {"node": name, "problem": why} for name, why in found.silent.items()]
    lines.append(found.loss)
    if found.refusal:
        lines.append(_("Refused: %s") % found.refusal)
    return lines
