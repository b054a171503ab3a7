"""What this process has loaded: while the database is away, pinned, and under a test's overlay."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, connection, transaction

from raft_config import config, loading
from raft_config.conf import get_config
from raft_config.loading import latest, overlay, pinned
from raft_config.models import Node
from raft_config.schema import Setting
from raft_config.storage import stored_settings
from raft_config.version_file import version_file_of

from .lone import store, store_elsewhere

SETTINGS = {"SITE_NAME": Setting("Shop"), "LIMIT": Setting(10), "NOTHING": Setting(None, type=int)}


@pytest.fixture(autouse=True)
def configured(settings, tmp_path):
    settings.RAFT_CONFIG = {"SETTINGS": SETTINGS, "VERSION_FILE": str(tmp_path / "version")}


# -- no read raises because the database or the cluster is ill


def test_setting_is_read_before_the_models_are_there():
    """In an app's own `__init__.py` or `apps.py`, which Django imports before any model."""
    code = "from raft_config import config; print(config.SHOP_NAME)"
    found = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "demo_site.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "Corner shop\n"), found.stderr


def test_test_without_a_database_reads_the_defaults():
    assert config.SITE_NAME == "Shop"
    assert config.all()["LIMIT"] == 10


def test_database_that_went_away_leaves_the_values_loaded_before(node, monkeypatch):
    store(LIMIT=20)
    assert config.LIMIT == 20
    monkeypatch.setattr(loading.storage, "stored_settings", _fail)
    version_file_of(get_config()).publish(99)
    assert config.LIMIT == 20
    monkeypatch.undo()
    loading.state.retry_at = 0.0  # as after a second
    store(LIMIT=30)
    assert config.LIMIT == 30


def test_database_that_is_away_is_not_asked_by_every_read(node, monkeypatch):
    calls = []
    monkeypatch.setattr(
        loading.storage, "stored_settings", lambda alias: calls.append(alias) or _fail()
    )
    version_file_of(get_config()).publish(99)
    assert [config.LIMIT for _ in range(20)] == [10] * 20
    assert len(calls) == 1


def test_database_that_is_back_is_asked_as_soon_as_there_is_news(node, monkeypatch):
    monkeypatch.setattr(loading.storage, "stored_settings", _fail)
    version_file_of(get_config()).publish(99)
    assert config.LIMIT == 10
    monkeypatch.undo()
    store(LIMIT=30)
    assert config.LIMIT == 30


def _fail(*_):
    raise DatabaseError("the database is away")


def test_read_within_a_transaction_sees_what_was_applied_since_it_began(node):
    """The transaction's own snapshot is older: loading it would be a stale read, for ever."""
    _ = config.LIMIT
    with transaction.atomic():
        _begin_snapshot()
        thread = threading.Thread(target=store_elsewhere, args=(20,))
        thread.start()
        thread.join()
        assert stored_settings("default")[1] == {}  # what the transaction itself sees
        assert config.LIMIT == 20
    assert config.LIMIT == 20


def _begin_snapshot():
    """From here on, this transaction sees the database as it is now."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("ROLLBACK")  # IMMEDIATE would keep every other writer out
            cursor.execute("BEGIN DEFERRED")
        else:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert Node.objects.count() == 1


def test_async_view_reads_also_what_has_to_be_loaded(node):
    store(LIMIT=20)

    async def view():
        with pytest.raises(SynchronousOnlyOperation):
            Node.objects.count()
        return config.LIMIT, config["SITE_NAME"]

    assert asyncio.run(view()) == (20, "Shop")


def _read_into(seen):
    try:
        seen.append(config.LIMIT)
    finally:
        connection.close()


# -- one version


def test_pinned_reads_see_one_version(node):
    with config.pinned():
        store(LIMIT=20)
        assert config.LIMIT == config["LIMIT"] == 10
        assert config.latest("LIMIT") == 20
    assert config.LIMIT == 20


def test_pin_decorates_a_function(node):
    @config.pinned()
    def view():
        store(LIMIT=20)
        return config.LIMIT

    assert view() == 10


def test_pin_is_of_one_thread_and_one_task(node):
    seen = []
    with pinned():
        store(LIMIT=20)
        thread = threading.Thread(target=_read_into, args=(seen,))
        thread.start()
        thread.join()
    assert seen == [20]

    async def other():
        return config.LIMIT

    async def both():
        with pinned():
            store_later = asyncio.to_thread(store_elsewhere, 30)
            await store_later
            here = config.LIMIT
        return here, await asyncio.create_task(other())

    assert asyncio.run(both()) == (20, 30)


def test_many_reads_at_once_are_of_one_version(node):
    """Two settings that always change together are never seen apart."""
    store(LIMIT=0, NOTHING=0)
    stop = threading.Event()

    def change():
        number = 0
        try:
            while not stop.is_set():
                number += 1
                with transaction.atomic():
                    store(LIMIT=number, NOTHING=number)
        finally:
            connection.close()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            found = config.get_many("LIMIT", "NOTHING")
            assert found["LIMIT"] == found["NOTHING"]
    finally:
        stop.set()
        thread.join()


# -- the overlay of tests


def test_overlay_is_seen_by_every_thread_and_taken_away(node):
    seen = []
    with overlay({"LIMIT": 1}):
        with overlay({"SITE_NAME": "inner"}):
            assert (config.LIMIT, config.SITE_NAME) == (1, "inner")
        assert (config.LIMIT, config.SITE_NAME) == (1, "Shop")
        thread = threading.Thread(target=_read_into, args=(seen,))
        thread.start()
        thread.join()
        with pinned():
            assert config.LIMIT == 1
    assert seen == [1]
    assert config.LIMIT == 10


def test_overlay_needs_no_database():
    with overlay({"LIMIT": 1}):
        assert config.LIMIT == config["LIMIT"] == config.all()["LIMIT"] == 1
        assert config.latest("LIMIT") == 1


def test_latest_knows_the_version_it_is_of(node):
    index = store(LIMIT=20)
    assert latest().version == index
    assert latest() is latest()
