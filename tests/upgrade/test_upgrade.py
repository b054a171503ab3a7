"""A database that a release left is migrated by this one, and means what it meant.

On the engine that the tests run on: SQLite, or PostgreSQL with `tests/postgres.sh`.
"""

from __future__ import annotations

import json

import pytest

from .databases import dump_of, manage, releases, restore

pytestmark = pytest.mark.skipif(not releases(), reason="no release left a database of this engine")


@pytest.fixture(scope="module", params=releases())
def database(request, tmp_path_factory):
    """As the release left it, and migrated."""
    sql = dump_of(request.param).read_text("utf-8")
    name = restore(sql, tmp_path_factory.mktemp("upgrade"))
    manage(name, "migrate", "--verbosity=0")
    return name


def in_json(database, *words):
    return json.loads(manage(database, "raft_config", *words, "--json"))


def test_tables_are_what_this_release_expects(database):
    """If 0001 was rewritten before the first release: make the databases anew."""
    assert "No changes" in manage(database, "makemigrations", "--check", "--dry-run")
    manage(database, "check", "--database=default")


def test_values_history_and_schedules_mean_what_they_meant(database):
    assert in_json(database, "get", "MAX_ITEMS")["value"] == 50
    assert in_json(database, "get", "SITE_NAME")["source"] == "default"
    (*_, first) = in_json(database, "history", "MAX_ITEMS")
    assert (first["new"], first["user"]) == (30, "eve")
    planned = {name for each in in_json(database, "schedule") for name in each["values"]}
    assert planned == {"CLOSED", "MAX_ITEMS"}


def test_log_and_snapshot_are_replayed_to_the_same_tables(database):
    assert "All is well." in manage(database, "raft_verify", "--local")


def test_node_goes_on(database):
    before = in_json(database, "get", "MAX_ITEMS")["index"]
    assert in_json(database, "set", "DECLARED_LATER=yes")["index"] > before
    assert "All is well." in manage(database, "raft_verify", "--local")
