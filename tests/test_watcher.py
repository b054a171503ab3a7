"""Who hears of a change, when, and in which process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from django.db import DatabaseError, connection

from raft_config import config, loading
from raft_config.schema import Setting
from raft_config.signals import config_changed
from raft_config.watcher import Watcher, watcher

from .peers import eventually

HEARD = []


def hear(**facts):
    HEARD.append(facts)


def fail(**_):
    raise RuntimeError("a listener of the project's own")


SETTINGS = {
    "LIMIT": Setting(10),
    "NAME": Setting("Shop", on_change=("tests.test_watcher.fail", hear)),
    "QUIET": Setting(1),
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def configured(settings, tmp_path):
    settings.RAFT_CONFIG = {"SETTINGS": SETTINGS, "VERSION_FILE": str(tmp_path / "version")}
    watcher.stop()  # a process that has just begun
    HEARD.clear()
    yield
    watcher.stop()


@pytest.fixture
def signals():
    heard = []

    def receive(sender, signal, **facts):
        heard.append(facts)

    config_changed.connect(receive)
    yield heard
    config_changed.disconnect(receive)


def test_process_that_writes_is_told_before_the_write_returns(signals, admin_user):
    watcher.listen()
    index = config.set("LIMIT", 20, user=admin_user, comment="why")
    assert signals == [
        {
            "name": "LIMIT",
            "old_value": 10,
            "new_value": 20,
            "index": index,
            "user": "admin",
            "comment": "why",
            "origin": "python",
        }
    ]


def test_process_that_has_read_nothing_is_told_of_its_very_first_change(signals):
    config.set("LIMIT", 20)
    assert [(each["old_value"], each["new_value"]) for each in signals] == [(10, 20)]


def test_setting_tells_its_own_listeners_though_one_fails(caplog):
    watcher.listen()
    config.update({"NAME": "Bakery", "QUIET": 2})
    assert [(each["name"], each["new_value"]) for each in HEARD] == [("NAME", "Bakery")]
    assert "A listener of NAME failed" in caplog.text
    assert config.NAME == "Bakery"


def test_reset_is_a_change_to_the_default(signals):
    config.set("LIMIT", 20)
    signals.clear()
    config.reset("LIMIT")
    assert [(each["old_value"], each["new_value"]) for each in signals] == [(20, 10)]


def test_value_that_stays_the_same_is_no_news(signals):
    watcher.listen()
    config.set("LIMIT", 10)
    assert signals == []


def test_receiver_may_write_in_turn(signals):
    def follow(sender, name, new_value, **_):
        if name == "LIMIT":
            config.set("QUIET", new_value)

    watcher.listen()
    config_changed.connect(follow)
    try:
        config.set("LIMIT", 20)
    finally:
        config_changed.disconnect(follow)
    assert sorted(each["name"] for each in signals) == ["LIMIT", "QUIET"]
    assert config.QUIET == 20


def test_change_that_could_not_be_loaded_is_told_with_the_next_one(signals, monkeypatch):
    watcher.listen()
    with monkeypatch.context() as patch:
        broken = replace(loading.latest(), is_complete=False)
        patch.setattr("raft_config.watcher.latest", lambda: broken)
        config.set("LIMIT", 20)
    assert signals == []
    config.set("QUIET", 3)
    assert sorted(each["name"] for each in signals) == ["LIMIT", "QUIET"]


def test_change_whose_history_could_not_be_read_is_told_with_the_next_one(signals, monkeypatch):
    def broken(*_):
        raise DatabaseError("the disk is full")

    watcher.listen()
    with monkeypatch.context() as patch:
        patch.setattr("raft_config.watcher.query_apart", broken)
        index = config.set("LIMIT", 20)  # which stands
    assert (index > 0, signals) == (True, [])
    config.set("QUIET", 3)
    assert sorted(each["name"] for each in signals) == ["LIMIT", "QUIET"]


def test_history_before_the_process_began_is_no_news(signals):
    config.set("LIMIT", 20)
    signals.clear()
    later = Watcher()
    later.listen()
    later.announce()
    later.stop()
    assert signals == []


def test_nobody_listens_so_no_thread_runs(settings):
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {"LIMIT": Setting(10)}}
    receivers, config_changed.receivers = config_changed.receivers, []
    try:
        watcher.listen()
        config.set("LIMIT", 20)
    finally:
        config_changed.receivers = receivers
    assert watcher._thread is None


def test_change_of_another_process_is_told_here(signals, settings):
    watcher.listen()
    config.set("QUIET", 5)
    signals.clear()
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from raft_config import config, Setting\n"
        f"settings.DATABASES['default']['NAME'] = {connection.settings_dict['NAME']!r}\n"
        "settings.RAFT_CONFIG = {'SETTINGS': {'LIMIT': Setting(10)}, "
        f"'VERSION_FILE': {settings.RAFT_CONFIG['VERSION_FILE']!r}}}\n"
        "config.set('LIMIT', 20, comment='from elsewhere')"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own command
    eventually(lambda: signals)
    assert [(each["name"], each["old_value"], each["new_value"]) for each in signals] == [
        ("LIMIT", 10, 20)
    ]
    assert signals[0]["comment"] == "from elsewhere"


def test_forked_child_hears_for_itself(signals):
    """As a web worker that was forked after the app was loaded."""
    watcher.listen()
    config.set("QUIET", 5)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        _report_what_is_heard(signals, write_end)
    try:
        os.close(write_end)
        assert os.read(read_end, 10) == b"ready"
        config.set("LIMIT", 20)
        assert os.read(read_end, 10) == b"heard"
    finally:
        os.close(read_end)
        os.waitpid(child, 0)


def _report_what_is_heard(signals, write_end):
    try:
        signals.clear()
        connection.connection = None  # the parent's
        watcher.listen()
        os.write(write_end, b"ready")
        deadline = time.monotonic() + 20
        while not signals and time.monotonic() < deadline:
            time.sleep(0.01)
        os.write(write_end, b"heard" if signals else b"none")
    finally:
        os._exit(0)
