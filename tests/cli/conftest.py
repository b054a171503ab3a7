"""A node of its own for each test, and its command line."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.core.validators import MaxValueValidator

from raft_config.schema import Setting

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASE_BACKEND = "constance.backends.database.DatabaseBackend"

SETTINGS = {
    "SITE_NAME": Setting("Shop", group="Looks"),
    "MAX_ITEMS": Setting(20, validators=(MaxValueValidator(100),)),
    "TAX": Setting(Decimal("0.19")),
    "OPEN": Setting(default=True),
    "PLANS": Setting([]),
    "PAUSE": Setting(dt.timedelta(minutes=5)),
    "NOTE": Setting("", type="text", group="Looks"),
}


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    error: str = ""

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def lines(self):
        return self.out.splitlines()


class Stdin(io.StringIO):
    """Standard input, of a pipe or a terminal."""

    def __init__(self, text, *, is_terminal=False):
        super().__init__(text)
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


class Screen(io.StringIO):
    """Where progress goes: a terminal, or a pipe."""

    def __init__(self, *, is_terminal=True):
        super().__init__()
        self.isatty = lambda: is_terminal

    @property
    def percents(self):
        return [int(each) for each in re.findall(r"(\d+) %", self.getvalue())]


def run(*words, command="raft_config"):
    """Run it as `manage.py` would, in this process. Only a CommandError is a refusal."""
    out = io.StringIO()
    try:
        call_command(command, *map(str, words), stdout=out)
    except CommandError as error:
        return Ended(error.returncode, out.getvalue(), str(error))
    except SystemExit as error:
        return Ended(error.code, out.getvalue())
    return Ended(0, out.getvalue())


@pytest.fixture(autouse=True)
def node(settings, tmp_path, transactional_db):
    settings.RAFT_CONFIG = {
        "NODE_ID": "a",
        "CLUSTER_ID": "shop",
        "SETTINGS": SETTINGS,
        "VERSION_FILE": str(tmp_path / "version"),
    }


@pytest.fixture
def stdin(monkeypatch):
    """A function that says what stands in standard input."""
    monkeypatch.setattr(sys, "stdin", Stdin(""))
    return lambda text, **options: monkeypatch.setattr(sys, "stdin", Stdin(text, **options))


@pytest.fixture
def project(tmp_path):
    """A function that runs commands in a project of constance, and returns how each ended."""

    def run(*commands, declared=True, backend=DATABASE_BACKEND):
        ended = subprocess.run(  # noqa: S603 - our own command line
            [
                *(sys.executable, "-m", "tests.cli.constance_project", str(tmp_path)),
                *("declared" if declared else "bare", backend),
            ],
            cwd=ROOT,
            input=json.dumps(commands),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return [SimpleNamespace(**each) for each in json.loads(ended.stdout)]

    return run
