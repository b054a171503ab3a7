"""A database of the node's own: its settings, and that nothing else gets there."""

import subprocess
import sys

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from raft_config import storage
from raft_config.models import Node
from raft_config.storage import RaftRouter, sqlite_database


class OwnDatabase(RaftRouter):
    alias = "raft"


class Shared(RaftRouter):
    alias = "default"


def test_router_leads_the_tables_to_their_database_for_reads_and_writes():
    router = OwnDatabase()
    assert router.db_for_read(Node) == router.db_for_write(Node) == "raft"
    assert router.db_for_read(User) is router.db_for_write(User) is None


def test_router_keeps_the_tables_of_others_out_of_the_nodes_database():
    router = OwnDatabase()
    assert router.allow_migrate("raft", "raft_config") is True
    assert router.allow_migrate("default", "raft_config") is False
    assert router.allow_migrate("raft", "auth") is False
    assert router.allow_migrate("default", "auth") is None


def test_router_to_the_default_database_leaves_the_others_there():
    router = Shared()
    assert router.allow_migrate("default", "raft_config") is True
    assert router.allow_migrate("default", "auth") is None
    assert router.allow_migrate("replica", "raft_config") is False


@pytest.mark.django_db(transaction=True)
@override_settings(DATABASE_ROUTERS=["tests.storage.test_routing.Shared"])
def test_django_asks_the_router():
    assert Node.objects.all().db == "default"


def test_entry_for_a_file_is_durable_and_takes_the_lock_first(tmp_path):
    entry = sqlite_database(tmp_path / "raft.sqlite3")
    assert entry["NAME"] == str(tmp_path / "raft.sqlite3")
    assert entry["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    script = (
        "import sys, json, django; from django.conf import settings;"
        "from raft_config.storage import sqlite_database;"
        "settings.configure(DATABASES={'default': sqlite_database(sys.argv[1])});"
        "django.setup(); from django.db import connection as c; k = c.cursor();"
        "print(*(k.execute('PRAGMA ' + each).fetchone()[0] for each in"
        " ('journal_mode', 'synchronous', 'busy_timeout')))"
    )
    found = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script, entry["NAME"]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["wal", "2", "20000"]


def test_package_has_nothing_else():
    with pytest.raises(AttributeError, match="no attribute 'Database'"):
        _ = storage.Database
