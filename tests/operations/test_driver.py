"""Who ticks for a node, as raft_doctor finds out from samples, workers and the broker."""

import time

import pytest
from celery import Celery, current_app
from celery.contrib.testing.worker import start_worker
from celery.signals import setup_logging

from raft_config.operations.driver import Driver, check_driver, look_at_driver

from ..peers import eventually


def found(**facts):
    """What is told of a driver that leaves samples, with a broker and a worker, but for `facts`."""
    well = {
        "node_id": "a",
        "age_seconds": 4.0,
        "late_seconds": 0.02,
        "is_late": False,
        "is_driven": True,
        "has_shared_broker": True,
        "consumers": ("celery@one",),
    }
    return list(check_driver(Driver(**{**well, **facts})))


def told(findings):
    return [(each.level.value, each.subject) for each in findings]


SILENT = {"is_driven": False, "age_seconds": 90.0}


def test_driver_that_ticks_on_time_is_well():
    driver, queue = found()
    assert told([driver, queue]) == [("ok", "driver"), ("ok", "queue")]
    assert driver.text == "its last sample is 4 s old; at most 20 ms late lately"
    assert queue.text == "celery@one takes the ticks from raft.a; 0 wait"


def test_driver_that_is_late_may_cost_an_election():
    driver, _ = found(late_seconds=0.5, is_late=True)
    assert (driver.level.value, "500 ms late" in driver.text) == ("warning", True)
    assert "a worker of its own" in driver.remedy


@pytest.mark.parametrize(("share", "is_late"), [(0.4, False), (0.6, True)])
def test_driver_counts_as_late_from_half_an_election_timeout_on(leader, share, is_late):
    late = share * leader.config.timing.election_timeout_seconds
    for now in (100.0, 100.0 + late):
        leader.journal.driven(now, wait_seconds=0.0)
    leader.journal.sample(leader.storage.load)
    leader.journal.flush(is_asked=True)
    assert look_at_driver(leader).is_late is is_late


def test_node_driven_without_celery_needs_no_worker():
    driver, queue = found(consumers=())
    assert told([driver, queue]) == [("ok", "driver"), ("ok", "queue")]
    assert "raft_node or raft_tick drives this node" in queue.text
    assert told(found(has_shared_broker=False, consumers=())) == [("ok", "driver")]


def test_worker_without_beat_gets_no_ticks():
    driver, queue = found(**SILENT)
    assert told([driver, queue]) == [("error", "driver"), ("ok", "queue")]
    assert driver.text == "nothing has ticked for 90 s"
    assert "start celery beat" in driver.remedy


def test_beat_without_a_worker_fills_the_queue():
    driver, queue = found(**SILENT, consumers=(), waiting=7)
    assert told([driver, queue]) == [("error", "driver"), ("error", "queue")]
    assert queue.text == "no worker takes ticks from raft.a; 7 wait"
    assert (
        queue.remedy == "Start one: celery -A PROJECT worker -Q raft.a (beside its other queues)."
    )


def test_neither_beat_nor_worker():
    driver, queue = found(is_driven=False, age_seconds=None, consumers=())
    assert driver.text == "nothing has ticked yet"
    assert "Start celery beat as well: it has sent nothing." in queue.remedy


def test_broker_that_is_down_is_told_as_such():
    driver, queue = found(**SILENT, consumers=(), broker_problem="refused")
    assert told([driver, queue]) == [("error", "driver"), ("error", "queue")]
    assert queue.text == "the broker does not answer: refused"
    assert "Start it, or correct" in queue.remedy


def test_without_a_broker_the_driver_is_started_by_its_command():
    (driver,) = found(**SILENT, has_shared_broker=False, consumers=())
    assert driver.remedy == "Start raft_node or raft_tick."


# -- for real: a broker of files, and a worker


@pytest.fixture
def app(tmp_path):
    """The project's app, on a broker that any process of this machine can ask."""
    before = current_app._get_current_object()
    app = Celery("project", broker="filesystem://", set_as_current=True)
    folders = {
        name: str(tmp_path / name) for name in ("data_folder_in", "control_folder", "processed")
    }
    for each in folders.values():
        (tmp_path / each).mkdir()
    app.conf.broker_transport_options = {
        "data_folder_in": folders["data_folder_in"],
        "data_folder_out": folders["data_folder_in"],
        "control_folder": folders["control_folder"],
        "polling_interval": 0.02,
    }
    # A worker that starts takes the root logger over for good, unless somebody else does.
    setup_logging.connect(leave_logging_alone)
    yield app
    setup_logging.disconnect(leave_logging_alone)
    app.close()
    before.set_current()


def leave_logging_alone(**_):
    """What other tests of this process look for in the log is still to be found."""


def test_worker_that_consumes_the_queue_is_found_and_another_is_not(leader, app):
    assert look_at_driver(leader).consumers == ()
    for queue, expected in (("raft.b", False), ("raft.a", True)):
        app.amqp.queues.select_add(queue)
        with start_worker(app, perform_ping_check=False, queues=[queue], pool="solo"):
            eventually(lambda expected=expected: bool(look_at_driver(leader).consumers) is expected)


def test_ticks_that_nobody_takes_are_counted(leader, app):
    for _ in range(3):
        app.send_task("raft_config.tick", queue="raft.a")
    assert look_at_driver(leader).waiting == 3


def test_broker_that_does_not_answer_holds_nobody_up(leader, app):
    app.conf.broker_url = "redis://127.0.0.1:1/0"
    begun = time.monotonic()
    assert look_at_driver(leader).broker_problem
    assert time.monotonic() - begun < 20
