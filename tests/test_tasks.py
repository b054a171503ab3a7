"""The tick of Celery: beats come late, twice and in heaps, and one at a time drives the node."""

import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
import time_machine
from celery import Celery
from celery.beat import Scheduler
from django.db import connections
from django.test import override_settings

from raft_config import tasks
from raft_config.core.events import TakeSnapshot
from raft_config.node import Node

from .peers import SECRETS, URLS, Clock, Peers, adopt, append, elect, from_peer, make_node

pytestmark = pytest.mark.django_db(transaction=True)

TICK = 0.2


@pytest.fixture(autouse=True)
def raft_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "_drive", tasks.Drive())
    config = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "TICK_INTERVAL_SECONDS": TICK,
        "VERSION_FILE": tmp_path / "version",
    }
    with override_settings(RAFT_CONFIG=config):
        yield


@pytest.fixture
def node():
    made = adopt(make_node(Peers()))
    yield made
    made.close()


@pytest.fixture
def driven(node, monkeypatch):
    """For how long the node was driven, each time; only by that does time pass."""
    found = []
    begun_at = node.clock()
    node.clock = node.monotonic = StoppedClock()
    node.clock.skipped = begun_at

    def run_for(node, seconds):
        found.append(seconds)
        node.clock.skipped += seconds

    monkeypatch.setattr(Node, "run_for", run_for)
    return found


class StoppedClock(Clock):
    """Only what a test has skipped."""

    def __call__(self):
        return self.skipped


# -- Drive: until when, and by whom


def test_first_beat_drives_and_the_next_one_only_prolongs():
    drive = tasks.Drive()
    assert drive.extend(10.0)
    assert not drive.extend(11.0)
    assert not drive.ends(10.5)
    assert drive.ends(11.0)


def test_late_beat_does_not_shorten_the_drive():
    drive = tasks.Drive()
    drive.extend(10.0)
    drive.extend(9.0)
    assert not drive.ends(9.5)


def test_next_beat_drives_once_the_time_was_over():
    drive = tasks.Drive()
    drive.extend(10.0)
    assert drive.ends(10.0)
    assert drive.extend(12.0)


def test_of_beats_at_one_instant_exactly_one_drives():
    drive = tasks.Drive()
    start = threading.Barrier(8)
    found = []

    def beat():
        start.wait()
        found.append(drive.extend(10.0))

    threads = [threading.Thread(target=beat) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 7 + [True]


# -- the task


def test_tick_drives_the_node_a_little_beyond_the_next_beat(node, driven):
    """Or a beat that is late leaves a gap, in which nobody sends heartbeats."""
    tasks.tick()
    assert sum(driven) == pytest.approx((1 + tasks.SLACK) * TICK)
    assert max(driven) <= TICK


def test_heap_of_beats_drives_no_longer_than_the_last_of_them(node, driven):
    """A worker that was stopped for ten seconds gets them all at once."""
    for _ in range(100):
        tasks._drive.is_running = True
        tasks.tick()
    tasks._drive.is_running = False
    tasks.tick()
    assert sum(driven) <= 2 * TICK


def test_beat_beside_a_running_tick_returns_at_once_and_prolongs_it(node, monkeypatch):
    begun, beaten = threading.Event(), threading.Event()
    driven = []

    def run_for(self, seconds):
        driven.append(seconds)
        begun.set()
        assert beaten.wait(20)
        self.clock.skipped += seconds

    monkeypatch.setattr(Node, "run_for", run_for)

    def beat():
        tasks.tick()
        connections.close_all()

    thread = threading.Thread(target=beat)
    thread.start()
    assert begun.wait(20)
    node.clock.skipped += TICK
    tasks.tick()
    assert len(driven) == 1
    beaten.set()
    thread.join(20)
    assert len(driven) >= 2


def test_tick_that_fails_leaves_the_drive_to_the_next_one(node, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(Node, "run_for", fail)
        with pytest.raises(OSError, match="disk full"):
            tasks.tick()
    assert tasks._drive.extend(node.clock() + 1)


def test_tick_sends_heartbeats_for_its_whole_length(node):
    elect(node)
    before = len(node.transport.sent)
    tasks.tick()
    assert len(node.transport.sent) > before


def test_snapshot_is_taken_on_demand(node):
    elect(node)
    assert node.state.snapshot_index == 0
    tasks.compact()
    assert node.state.snapshot_index == node.state.last_applied > 0
    node.take(TakeSnapshot())
    assert node.state.snapshot_index == node.state.last_applied


# -- what a project's Celery is given


def test_beat_goes_to_the_queue_of_this_node_and_expires():
    """Another node's worker would tick for itself; and an old beat is worth nothing."""
    (entry,) = tasks.beat_schedule().values()
    assert entry["task"] == tasks.tick.name
    assert entry["schedule"].seconds == TICK
    assert entry["options"]["queue"] == tasks.queue_name() == "raft.a"
    assert TICK < entry["options"]["expires"] <= 3 * TICK


def beat_of(scheduler, monkeypatch):
    """Runs the scheduler once, without waiting; the beats that it gave."""
    given = []
    monkeypatch.setattr(scheduler, "apply_entry", lambda entry, **_: given.append(entry))

    def run():
        given.clear()
        return scheduler.tick(), len(given)

    return run


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_beats_go_on_when_the_clock_is_set(monkeypatch, seconds):
    app = Celery("test", broker="memory://", set_as_current=False)
    app.conf.beat_schedule = tasks.beat_schedule()
    beat = beat_of(Scheduler(app=app), monkeypatch)
    with time_machine.travel(time.time(), tick=True) as traveller:
        while beat() != (0, 1):
            pass
        traveller.shift(seconds)
        waits, given = beat()
        assert (waits, given) == (pytest.approx(TICK, abs=TICK), 0)
        time.sleep(waits)
        deadline = time.monotonic() + 60
        while not beat()[1]:
            assert time.monotonic() < deadline


def test_beat_after_a_run_in_the_future_comes_within_an_interval():
    (entry,) = tasks.beat_schedule().values()
    last_run_at = datetime.now(timezone.utc) + timedelta(hours=1)
    is_due, waits = entry["schedule"].is_due(last_run_at)
    assert not is_due
    assert waits <= TICK


# -- tasks of the project's own


def done():
    """A task of the leader's alone, and how often it was done."""
    times = []

    @tasks.leader_only
    def nightly(word, *, more):
        times.append((word, more))
        return "done"

    return nightly, times


def test_task_of_the_leader_is_done_by_the_leader(node):
    elect(node)
    nightly, times = done()
    assert nightly("a", more=1) == "done"
    assert times == [("a", 1)]
    assert nightly.__name__ == "nightly"


def test_task_of_the_leader_is_left_out_by_a_follower(node):
    node.receive(from_peer(node, append(4)))
    nightly, times = done()
    assert nightly("a", more=1) is None
    assert times == []


def test_task_of_the_leader_is_left_out_by_one_that_was_cut_off_and_believes_to_lead(node):
    elect(node)
    node.transport.down = {"b", "c"}
    node.config = replace(node.config, write_timeout_seconds=0.1)
    nightly, times = done()
    assert nightly("a", more=1) is None
    assert times == []
