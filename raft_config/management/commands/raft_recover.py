"""`manage.py raft_recover`: when a majority is lost for good, or this node has to join anew."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import CommandError

from ...node import Node, get_node
from ...operations.anew import Recovery, join_anew, plan_joining, plan_recovery, recover
from ..cli.operating import OperatorCommand, confirm_by_typing
from ..cli.terminal import Exit, Terminal
from ..cli.writing import login_name


class Command(OperatorCommand):
    """Never while the quorum lives, and never on a node whose log is not the longest."""

    help = (
        "Make a new cluster of this node, when most voters are lost for good; or with --join, "
        "forget what this node has and join the cluster of a member at URL."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--join", metavar="URL", help="where a member of the new cluster is")
        parser.add_argument("--plan", action="store_true", help="show it, and change nothing")
        parser.add_argument("--confirm", metavar="WORDS", help="what would have to be typed")

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        node = get_node()
        if options.join:
            return self._join(node, terminal, options)
        self.tell("Asking all members ...")
        found = plan_recovery(node)
        if options.plan:
            terminal.answer(as_data(found), as_lines(found))
            return Exit.REFUSED if found.refusal else Exit.DONE
        if found.refusal:
            raise CommandError(f"Refused: {found.refusal}")
        text = "\n".join([*as_lines(found), WARNING])
        confirm_by_typing(text, found.words, options.confirm)
        state = recover(node, user=login_name())
        data = {"generation": state.configuration.generation, "index": state.last_applied}
        url = node.config.url
        lines = [
            f"Node {node.node_id} is a cluster of one.",
            f"On each other survivor, and on each new node: raft_recover --join {url}",
        ]
        terminal.answer(data, lines)
        return Exit.DONE

    def _join(self, node: Node, terminal: Terminal, options: Namespace) -> Exit:
        url = options.join.rstrip("/")
        found = plan_joining(node, url)
        text = (
            f"Node {node.node_id} forgets its log, through index {node.state.last_log_index}, and "
            f"joins the cluster of node {found.node_id} ({', '.join(found.members)})."
        )
        if options.plan:
            terminal.answer({"text": text}, [text])
            return Exit.DONE
        if node.state.last_log_index:
            confirm_by_typing(text, f"forget {node.node_id}", options.confirm)
        index = join_anew(node, url)
        terminal.answer({"index": index}, [text, f"Joined (index {index})."])
        return Exit.DONE


WARNING = (
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
        f"{node_id}: log through {facts.last_log_index} of term {facts.last_log_term}, "
        f"committed {facts.commit_index}"
        for node_id, facts in ordered
    ]
    lines += [f"{node_id}: silent ({problem})" for node_id, problem in found.silent.items()]
    lines.append(found.loss)
    if found.refusal:
        lines.append(f"Refused: {found.refusal}")
    return lines
