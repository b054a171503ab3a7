"""Every session of docs/cli.md and docs/constance.md runs as it stands.

So does every snippet of docs/testing.md.
"""

from __future__ import annotations

import doctest
import re
import shlex
import subprocess
import sys
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
    for indent, block in re.findall(
        r"^( *)```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL
    ):
        flush = re.sub(rf"^{indent}", "", block, flags=re.MULTILINE)
        for each in re.split(r"^\$ ", flush, flags=re.MULTILINE)[1:]:
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
    found = list(sessions("cli.md"))
    assert len(found) > 30
    for command, expected in found:
        require_same(command, expected, shell(command))


def require_same(command, expected, printed):
    assert doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS), (
        f"$ {command}\n{printed}\ninstead of\n{expected}"
    )


def test_every_session_of_the_migration_page_prints_what_the_page_says(project):
    found = list(sessions("constance.md"))
    bare, declared = found[:1], found[1:]
    used = 'from constance import config; config.SITE_NAME, config.MAX_ITEMS = "Corner shop", 30'
    endings = [
        *project(["migrate", "--verbosity=0"], ["!", used], *words_of(bare), declared=False)[2:],
        *project(*words_of(declared)),
    ]
    assert len(endings) == len(found) == 4
    for (command, expected), ended in zip(found, endings, strict=True):
        require_same(command, expected, ended.out)


def words_of(found):
    return [shlex.split(command)[1:] for command, _ in found]


PROJECT_SETTINGS = """
from pathlib import Path
from raft_config.storage import sqlite_database
SECRET_KEY = "x"
INSTALLED_APPS = ["raft_config"]
DATABASES = {"default": sqlite_database(Path(__file__).parent / "db.sqlite3")}
DATABASES["default"]["TEST"] = {"NAME": str(Path(__file__).parent / "test.sqlite3")}
RAFT_CONFIG = {
    "SETTINGS": {"MAX_ITEMS": (20,), "SITE_NAME": ("Shop",)},
    "VERSION_FILE": str(Path(__file__).parent / "version"),
}
"""


def test_every_snippet_of_the_page_on_tests_passes_as_a_test(tmp_path):
    (tmp_path / "project_settings.py").write_text(PROJECT_SETTINGS)
    text = (DOCS / "testing.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for number, code in enumerate(snippets):
        (tmp_path / f"test_{number}.py").write_text(code)
    plugins = ["-p", "no:cacheprovider", "-p", "raft_config.pytest_plugin"]
    ended = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "pytest", "-q", *plugins, "--ds=project_settings", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{DOCS.parent}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert len(snippets) == 4
    assert "8 passed" in ended.stdout, ended.stdout + ended.stderr
    assert ended.returncode == 0
