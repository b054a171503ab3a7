"""How the processes of a node learn that something was applied."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.signals import request_finished
from django.db import DatabaseError, connection, transaction

from raft_config import version_file
from raft_config.conf import get_config
from raft_config.version_file import TOKEN, VERSION, VersionFile, query_apart, version_file_of


@pytest.fixture(autouse=True)
def path(settings, tmp_path):
    settings.RAFT_CONFIG = {"VERSION_FILE": str(tmp_path / "below" / "version")}
    return tmp_path / "below" / "version"


def two_processes():
    return VersionFile(get_config()), VersionFile(get_config())


def test_publishing_changes_the_token_of_every_process():
    one, other = two_processes()
    before = other.token()
    one.publish(7)
    assert other.token() == one.token() != before


def test_news_told_in_the_wrong_order_still_change_the_token():
    """Two processes applied 5 and 6; who loaded between the two must load again (no ABA)."""
    one, other = two_processes()
    one.publish(5)
    seen = other.token()
    one.publish(6)
    one.publish(5)
    assert other.token() != seen


def test_version_that_fell_in_a_power_cut_is_noticed():
    one, other = two_processes()
    one.publish(9)
    seen = other.token()
    one.publish_if_missed(8)
    assert other.token() != seen


def test_what_was_told_already_is_not_told_again():
    one, other = two_processes()
    one.publish(9)
    seen = other.token()
    other.publish_if_missed(9)
    assert one.token() == seen


def test_file_that_a_cleaner_took_away_is_mapped_anew(path):
    one, other = two_processes()
    one.publish(1)
    other.token()
    path.unlink()
    for each in (one, other):
        each.check_at = 0.0  # as after a second
    one.publish(2)
    other.check_at = 0.0
    assert other.token() == one.token()


def test_other_process_sees_it_through_the_file():
    mine = VersionFile(get_config())
    seen = mine.token()
    code = (
        "import django; django.setup()\n"
        "from raft_config.conf import RaftConfig\n"
        "from raft_config.version_file import VersionFile\n"
        f"VersionFile(RaftConfig(version_file={get_config().version_file!r})).publish(3)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", code]
    subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own command
    assert mine.token() != seen
    assert mine.words[VERSION] == 3


@pytest.mark.django_db(transaction=True)
def test_without_a_file_the_row_is_asked(path, caplog):
    path.parent.mkdir()
    path.mkdir()  # nothing that could be mapped
    reader = VersionFile(get_config())
    seen = reader.token()
    reader._ask_row = lambda: reader.words.__setitem__(TOKEN, 42)
    reader.check_at = 0.0
    assert reader.token() == 42 != seen
    reader.check_at = 0.0
    reader.token()
    assert caplog.text.count("cannot be used") == 1


def test_link_in_its_place_is_not_followed(path, tmp_path, caplog):
    target = tmp_path / "somebody's"
    target.write_bytes(b"precious")
    path.parent.mkdir()
    path.symlink_to(target)
    VersionFile(get_config()).publish(1)
    assert target.read_bytes() == b"precious"
    assert "cannot be used" in caplog.text


def test_request_that_one_process_answered_is_known_to_the_others():
    one, other = two_processes()
    for each in (one, other):
        each.token()
    assert not other.has_served_within(60.0)
    one.note_served()
    assert other.has_served_within(60.0)
    assert not other.has_served_within(-1.0)


def test_request_that_was_answered_before_a_reboot_counts_no_more(monkeypatch):
    (file, _) = two_processes()
    file.note_served()
    monkeypatch.setattr(time, "monotonic_ns", lambda: 0)
    assert not file.has_served_within(60.0)


def test_answering_a_request_asks_no_database(path, django_assert_num_queries, db):
    path.parent.mkdir()
    path.mkdir()  # nothing that could be mapped: whoever looks now asks the row
    with django_assert_num_queries(0):
        request_finished.send(None)


def test_answering_a_request_never_fails_for_wrong_settings(settings):
    settings.RAFT_CONFIG = {"PEERS": 7}
    request_finished.send(None)


def test_page_that_is_answered_is_noted(client):
    client.get("/nowhere/")
    assert version_file_of(get_config()).has_served_within(60.0)


def test_file_of_an_older_release_is_made_longer(path):
    path.parent.mkdir()
    path.write_bytes(bytes(16))
    file = VersionFile(get_config())
    file.publish(7)
    file.note_served()
    assert path.stat().st_size == version_file.FILE_BYTES


def test_file_is_for_its_owner_only(path):
    VersionFile(get_config()).publish(1)
    assert Path(path).stat().st_mode & 0o077 == 0


def test_process_has_one_view_of_the_file():
    assert version_file_of(get_config()) is version_file_of(get_config())


# -- queries that leave the caller's connection alone


@pytest.mark.django_db(transaction=True)
def test_failing_query_does_not_break_the_callers_transaction():
    with transaction.atomic():
        with pytest.raises(DatabaseError):
            query_apart("default", lambda: _run("select * from nowhere"))
        assert _run("select 1") == 1


@pytest.mark.django_db(transaction=True)
def test_query_within_a_transaction_has_a_connection_of_its_own():
    with transaction.atomic():
        assert query_apart("default", lambda: connection.connection) is not connection.connection
    assert query_apart("default", lambda: connection.in_atomic_block) is False


def test_query_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(version_file, "THREAD_SECONDS", 0.01)
    monkeypatch.setattr(connection, "in_atomic_block", True)
    with pytest.raises(TimeoutError, match="did not answer"):
        query_apart("default", lambda: time.sleep(0.2))


def _run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]
