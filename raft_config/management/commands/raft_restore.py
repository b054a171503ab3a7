"""`manage.py raft_restore FILE`: a new cluster of one, from a backup."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from django.core.management.base import CommandError

from ...node import get_node
from ...operations.anew import is_empty, restore_backup
from ...operations.backup import Backup, decode_backup
from ..cli.operating import OperatorCommand, confirm, confirm_by_typing
from ..cli.terminal import Exit, Terminal
from ..cli.writing import login_name

NEXT = (
    "Let the other nodes join it: on each, raft_recover --join {url}, or an empty database and "
    "JOIN (not PEERS) in its settings. Nodes of the old cluster refuse this one, and it them."
)


class Command(OperatorCommand):
    """The backup's cluster may live on: what is restored is another one, and they never mix."""

    help = "Make of this node a new cluster of one that holds what FILE holds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", help="what raft_backup has written")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--replace", action="store_true", help="although this node has a log, which is lost"
        )
        parser.add_argument("--confirm", metavar="WORDS", help="what would have to be typed")

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        try:
            backup = decode_backup(Path(options.file).read_bytes())
        except OSError as error:
            raise CommandError(f"{options.file} cannot be read: {error}") from error
        node = get_node()
        text = describe(backup, node.config.cluster_id)
        if is_empty(node):
            confirm(text, yes=options.yes)
        elif not options.replace:
            raise CommandError(
                f"Node {node.node_id} has a log through index {node.state.last_log_index}. Restore "
                "into an empty database, or lose what is in this one: --replace."
            )
        else:
            words = f"replace {node.node_id}"
            confirm_by_typing(f"{text}\nAll that this node has is lost.", words, options.confirm)
        state = restore_backup(node, backup, user=login_name())
        generation = state.configuration.generation
        lines = [
            f"Node {node.node_id} is a cluster of one, with what was set at index {backup.index}.",
            NEXT.format(url=node.config.url or "URL"),
        ]
        terminal.answer({"index": backup.index, "generation": generation}, lines)
        return Exit.DONE


def describe(backup: Backup, cluster_id: str) -> str:
    """What is about to be restored."""
    made_at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(backup.made_at))
    text = (
        f"{backup.settings} settings of cluster {backup.cluster_id}, as node {backup.node_id} had "
        f"them at index {backup.index}, {made_at}."
    )
    if backup.cluster_id != cluster_id:
        text += f" This node is of cluster {cluster_id}."
    return text
