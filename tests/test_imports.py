"""What modules load and name: a process that only reads settings loads nothing of the peers."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

OPTIONAL = {"health_check", "opentelemetry", "prometheus_client", "pytest"}
"""Used where they are installed; each module says what happens where they are not."""

READER = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "raft_config"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    RAFT_CONFIG={"SETTINGS": {"LIMIT": (10, "How many.")}, "VERSION_FILE": sys.argv[1]},
)
django.setup()
from raft_config import config
assert config.LIMIT == 10
print(*sys.modules)
"""

HEAVY = (
    *("celery", "kombu", "rest_framework", "urllib3", "requests"),
    *("raft_config.core.raft", "raft_config.core.messages", "raft_config.history"),
    *("raft_config.storage.codec", "raft_config.storage.database"),
    *("raft_config.node", "raft_config.proposals", "raft_config.transport.client"),
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The modules of a process that has read one setting."""
    version_file = str(tmp_path_factory.mktemp("node") / "version")
    command = [sys.executable, "-c", READER, version_file]
    environment = {each: os.environ[each] for each in os.environ if "DJANGO" not in each}
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    return set(found.stdout.split())


@pytest.mark.parametrize("module", HEAVY)
def test_reading_a_setting_loads_nothing_that_speaks_to_peers(loaded, module):
    assert {"raft_config.loading", "raft_config.reader"} <= loaded
    assert module not in loaded


def imported(folder: str) -> Iterator[str]:
    """The packages of others that the modules there name, wherever in a module they do."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                yield str(node.module).partition(".")[0]
            elif isinstance(node, ast.Import):
                yield from (each.name.partition(".")[0] for each in node.names)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="it cannot tell whose modules these are")
@pytest.mark.parametrize("folder", ["demo_site", "raft_config"])
def test_what_is_imported_is_pinned_for_those_who_install_no_tools(folder):
    """`make demo` on a fresh machine has requirements.txt and nothing else."""
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    others = {*imported(folder)} - sys.stdlib_module_names - OPTIONAL - {"raft_config", "demo_site"}
    names = packages_distributions()
    missing = {
        each
        for each in others
        if pinned.isdisjoint(name.lower().replace("_", "-") for name in names.get(each, ()))
    }
    assert "django" in others
    assert missing == set()
