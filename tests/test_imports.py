"""What a process of the site loads that only reads settings: nothing that speaks to peers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
    *("raft_config.core.raft", "raft_config.storage.database", "raft_config.history"),
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
    assert "raft_config.reader" in loaded
    assert module not in loaded
