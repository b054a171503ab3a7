"""`manage.py raft_backup FILE`: values, history and schedules, as one file."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ...exceptions import UnavailableError, noop
from ...node import get_node
from ...operations.backup import encode_backup, take_backup
from ...proposals import read_index
from ..cli.operating import OperatorCommand
from ..cli.terminal import Exit, Terminal


class Command(OperatorCommand):
    """By default it holds every change that was acknowledged before it began."""

    help = noop(
        "Write values, history and scheduled changes to FILE. Secrets stay encrypted in it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", help=_("must not exist yet"))
        parser.add_argument(
            "--local", action="store_true", help=_("what this node has applied, asking no leader")
        )

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        node = get_node()
        if not options.local:
            self.tell(_("Asking the leader how far to go ..."))
            index = read_index()
            if not node.wait_until_applied(index, node.config.write_timeout_seconds):
                raise UnavailableError(noop("This node lags behind; try again, or take --local."))
        backup = take_backup(node)
        content = encode_backup(backup)
        write_new(Path(options.file), content)
        text = _("%(file)s: %(count)d settings as of index %(index)d, %(size)d bytes.") % {
            "file": options.file,
            "count": backup.settings,
            "index": backup.index,
            "size": len(content),
        }
        data = {"file": options.file, "index": backup.index, "settings": backup.settings}
        terminal.answer(data, [text])
        return Exit.DONE


def write_new(path: Path, content: bytes) -> None:
    """For the owner's eyes, whole or not at all, and never over another file."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
        part.unlink()
    except FileExistsError as error:
        part.unlink(missing_ok=True)
        raise CommandError(_("%s is there already; choose another name.") % path) from error
    except OSError as error:
        facts = {"path": path, "error": error}
        raise CommandError(_("%(path)s cannot be written: %(error)s") % facts) from error
