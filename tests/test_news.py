"""Waiting for what is applied: whoever steps here wakes the others, the file tells of the rest."""

import threading
import time

import pytest

from raft_config.conf import get_config
from raft_config.news import News
from raft_config.version_file import VersionFile, version_file_of

from .peers import eventually

pytestmark = pytest.mark.django_db

FOR_LONG = 20.0


@pytest.fixture
def news(settings, tmp_path):
    settings.RAFT_CONFIG = {"VERSION_FILE": str(tmp_path / "version")}
    return News(get_config())


@pytest.fixture
def waiting(news):
    """Start threads that wait for an index each; those that are done, in `done`."""
    done = []
    threads = []

    def wait_for(*indexes):
        seen = news.seen()

        def wait(index):
            news.wait(seen, FOR_LONG, index=index)
            done.append(index)

        for index in indexes:
            threads.append(threading.Thread(target=wait, args=(index,), daemon=True))
            threads[-1].start()
        return done

    yield wait_for
    version_file_of(get_config()).publish(1000)
    for thread in threads:
        thread.join(FOR_LONG)


def test_what_was_told_since_ends_the_wait_at_once(news):
    seen = news.seen()
    news.tell()
    begun_at = time.monotonic()
    news.wait(seen, FOR_LONG)
    assert time.monotonic() - begun_at < FOR_LONG


def test_without_news_the_wait_ends_when_its_time_is_over(news):
    begun_at = time.monotonic()
    news.wait(news.seen(), 0.02)
    assert time.monotonic() - begun_at >= 0.02


def test_everybody_is_woken_by_what_another_process_applies(news, waiting):
    done = waiting(5, 5, 6)
    VersionFile(get_config()).publish(5)  # as another process does: nobody tells it here
    eventually(lambda: len(done) == 2)
    VersionFile(get_config()).publish(6)
    eventually(lambda: len(done) == 3)
    assert done == [5, 5, 6]


def test_news_of_less_than_the_index_lets_wait_on(news, waiting):
    done = waiting(7)
    version_file_of(get_config()).publish(6)
    news.tell()
    time.sleep(0.05)
    assert done == []
    version_file_of(get_config()).publish(7)
    eventually(lambda: done == [7])


def test_one_looks_and_when_it_is_done_another_one_does(news, waiting):
    done = waiting(5)
    eventually(lambda: news._is_looking)
    waiting(6)
    eventually(lambda: len(news._waiting) == 2)
    VersionFile(get_config()).publish(5)
    eventually(lambda: done == [5])
    eventually(lambda: news._is_looking)
    VersionFile(get_config()).publish(6)
    eventually(lambda: done == [5, 6])


def test_nobody_is_woken_for_what_he_does_not_wait_for(news, waiting, monkeypatch):
    slept = []
    sleep = news._sleep

    def note(*arguments):
        slept.append(arguments)
        sleep(*arguments)

    monkeypatch.setattr(news, "_sleep", note)
    done = waiting(5, 6, 7)
    eventually(lambda: len(news._waiting) == 3)
    version_file_of(get_config()).publish(4)
    news.tell()
    assert len(news._waiting) == 3
    version_file_of(get_config()).publish(7)
    news.tell()
    eventually(lambda: len(done) == 3)
    assert len(slept) == 3


def test_a_call_comes_once_when_the_index_is_applied(news):
    calls = []
    news.when_applied(5, lambda: calls.append(5))
    news.tell()
    assert calls == []
    version_file_of(get_config()).publish(5)
    news.tell()
    news.tell()
    assert calls == [5]


def test_a_call_comes_at_once_when_the_index_is_applied_already(news):
    version_file_of(get_config()).publish(5)
    calls = []
    news.when_applied(5, lambda: calls.append(5))
    assert calls == [5]


def test_a_call_comes_for_what_another_process_applies_while_somebody_looks(news, waiting):
    waiting(9)
    eventually(lambda: news._is_looking)
    calls = []
    news.when_applied(5, lambda: calls.append(5))
    VersionFile(get_config()).publish(5)
    eventually(lambda: calls == [5])
