"""The command as a real process: exit codes, and one line in place of a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SETTINGS = """
from pathlib import Path
from raft_config.storage import sqlite_database
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["raft_config"]
DATABASES = {"default": sqlite_database(Path(__file__).parent / "db.sqlite3")}
RAFT_CONFIG = {
    "SETTINGS": {"MAX_ITEMS": (20, "Items of a page")},
    "VERSION_FILE": str(Path(__file__).parent / "version"),
}
"""


@pytest.fixture
def manage(tmp_path):
    """A function that runs a command in a project of its own, not migrated yet."""
    (tmp_path / "project_settings.py").write_text(SETTINGS)

    def run(*words, code):
        ended = subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "django", *words],
            cwd=tmp_path,
            env={
                "PYTHONPATH": f"{ROOT}:{tmp_path}",
                "DJANGO_SETTINGS_MODULE": "project_settings",
                "PATH": "",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    return run


def test_exit_codes_tell_a_script_what_happened(manage):
    assert manage("raft_config", "get", "MAX_ITEMS", code=0).stdout == "20\n"
    ended = manage("raft_config", "set", "MAX_ITEMS=30", code=3)
    assert ended.stderr.startswith(
        "CommandError: The node's database cannot be used: no such table"
    )
    assert ended.stderr.endswith("Run `manage.py migrate`, or try again.\n")
    manage("migrate", code=0)
    ended = manage("raft_config", "set", "MAX_ITEMS=30", code=0)
    assert (ended.stdout.splitlines()[0], ended.stderr) == ("MAX_ITEMS = 30", "")
    assert manage("raft_config", "get", "MAX_ITEMS", code=0).stdout == "30\n"
    ended = manage("raft_config", "set", "MAX_ITEMS=many", code=1)
    assert (ended.stdout, ended.stderr) == ("", "CommandError: MAX_ITEMS: Enter a whole number.\n")
    ended = manage("raft_config", "set", "MAX_ITEMS=1", "--apply-at=soon", code=2)
    assert "argument --apply-at: 'soon' is neither like" in ended.stderr
    manage("raft_config", "frobnicate", code=2)
    manage("raft_config", "set", "MAX_ITEMS=1", "--expected-index=0", code=5)
    manage("raft_config", "diff", code=6)
