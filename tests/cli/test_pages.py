"""Every session of docs/cli.md runs as it stands, and every snippet of docs/testing.md."""

from __future__ import annotations

import doctest
import re
import shlex
from decimal import Decimal
from pathlib import Path

from django.core.validators import MaxValueValidator

from raft_config.schema import Setting

from .conftest import run

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
SETTINGS = {
    "SITE_NAME": Setting("Shop"),
    "MAX_ITEMS": Setting(20, validators=(MaxValueValidator(100),)),
    "TAX": Setting(Decimal("0.19")),
    "API_KEY": Setting("", secret=True),
}


def sessions(page):
    """(command, what it prints) for each line with a prompt."""
    text = (DOCS / page).read_text()
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = each.partition("\n")
            yield command, printed


class Shell:
    """As much of one as the page needs: `printf TEXT |` before a command, `> FILE` after it."""

    def __init__(self, stdin):
        self.stdin = stdin
        self.code = 0

    def __call__(self, line):
        if line == "echo $?":
            return f"{self.code}\n"
        source, pipe, command = line.rpartition(" | ")
        self.stdin(shlex.split(source)[1] if pipe else "")
        command, redirected, path = command.partition(" > ")
        program, name, *words = shlex.split(command)
        assert program == "manage.py"
        ended = run(*words, command=name)
        self.code = ended.code
        if redirected:
            Path(path).write_text(ended.out)
            return ""
        return ended.out + (f"CommandError: {ended.error}\n" if ended.error else "")


def test_every_session_of_the_page_prints_what_the_page_says(
    settings, stdin, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": SETTINGS}
    shell = Shell(stdin)
    check = doctest.OutputChecker()
    found = list(sessions("cli.md"))
    assert len(found) > 30
    for command, expected in found:
        printed = shell(command)
        assert check.check_output(expected, printed, doctest.ELLIPSIS), (
            f"$ {command}\n{printed}\ninstead of\n{expected}"
        )
