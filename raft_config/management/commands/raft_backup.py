"""`manage.py raft_backup FILE`: values, history and schedules, as one file."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ...exceptions import UnavailableError, noop
from ...node import Node, get_node
from ...operations.backup import encode_backup, take_backup
from ...proposals import read_index
from ..cli.operating import OperatorCommand
from ..cli.terminal import Exit, Terminal

WRITTEN_AT_ONCE_BYTES = 1024 * 1024


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
        with terminal.progress(3) as progress:
            progress.step(_("Asking the leader how far to go ..."))
            if not options.local:
                catch_up(node)
            progress.step(_("Reading the tables ..."))
            backup = take_backup(node)
            content = encode_backup(backup)
            progress.step(_("Writing the file ..."))
            write_new(Path(options.file), content, told=progress.part)
        text = _("%(file)s: %(count)d settings as of index %(index)d, %(size)d bytes.") % {
            "file": options.file,
            "count": backup.settings,
            "index": backup.index,
            "size": len(content),
        }
        data = {"file": options.file, "index": backup.index, "settings": backup.settings}
        terminal.answer(data, [text])
        return Exit.DONE


def catch_up(node: Node) -> None:
    """Let this node apply all that was acknowledged by now."""
    if not node.wait_until_applied(read_index(), node.config.write_timeout_seconds):
        raise UnavailableError(noop("This node lags behind; try again, or take --local."))


def write_new(path: Path, content: bytes, *, told: Callable[[int, int], None]) -> None:
    """For the owner's eyes, whole or not at all, and never over another file."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for offset in range(0, len(content), WRITTEN_AT_ONCE_BYTES):
                file.write(content[offset:][:WRITTEN_AT_ONCE_BYTES])
                told(offset, len(content))
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
