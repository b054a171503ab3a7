"""`manage.py raft_restore FILE`: a new cluster of one, from a backup."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ...exceptions import noop
from ...node import get_node
from ...operations.anew import is_empty, restore_backup
from ...operations.backup import Backup, decode_backup
from ..cli.operating import OperatorCommand, confirm, confirm_by_typing
from ..cli.terminal import Exit, Terminal
from ..cli.writing import login_name

NEXT = noop(
    "Let the other nodes join it: on each, raft_recover --join %(url)s, or an empty database and "
    "JOIN (not PEERS) in its settings. Nodes of the old cluster refuse this one, and it them."
)


class Command(OperatorCommand):
    """The backup's cluster may live on: what is restored is another one, and they never mix."""

    help = noop("Make of this node a new cluster of one that holds what FILE holds.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", help=_("what raft_backup has written"))
        parser.add_argument("--yes", action="store_true", help=_("do not ask"))
        parser.add_argument(
            "--replace", action="store_true", help=_("although this node has a log, which is lost")
        )
        parser.add_argument("--confirm", metavar="WORDS", help=_("what would have to be typed"))

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        try:
            backup = decode_backup(Path(options.file).read_bytes())
        except OSError as error:
            facts = {"path": options.file, "error": error}
            raise CommandError(_("%(path)s cannot be read: %(error)s") % facts) from error
        node = get_node()
        text = describe(backup, node.config.cluster_id)
        if is_empty(node):
            confirm(text, yes=options.yes)
        elif not options.replace:
            problem = _(
                "Node %(node)s has a log through index %(index)d. Restore into an empty database, "
                "or lose what is in this one: --replace."
            )
            raise CommandError(problem % {"node": node.node_id, "index": node.state.last_log_index})
        else:
            words = f"replace {node.node_id}"
            lost = _("All that this node has is lost.")
            confirm_by_typing(f"{text}\n{lost}", words, options.confirm)
        with terminal.progress() as progress:
            progress.step(_("Storing what it holds ..."))
            state = restore_backup(node, backup, user=login_name())
        generation = state.configuration.generation
        lines = [
            _("Node %(node)s is a cluster of one, with what was set at index %(index)d.")
            % {"node": node.node_id, "index": backup.index},
            _(NEXT) % {"url": node.config.url or "URL"},
        ]
        terminal.answer({"index": backup.index, "generation": generation}, lines)
        return Exit.DONE


def describe(backup: Backup, cluster_id: str) -> str:
    """What is about to be restored."""
    made_at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(backup.made_at))
    text = _(
        "%(count)d settings of cluster %(cluster)s, as node %(node)s had them at index %(index)d, "
        "%(when)s."
    ) % {
        "count": backup.settings,
        "cluster": backup.cluster_id,
        "node": backup.node_id,
        "index": backup.index,
        "when": made_at,
    }
    if backup.cluster_id != cluster_id:
        text += " " + _("This node is of cluster %s.") % cluster_id
    return text
