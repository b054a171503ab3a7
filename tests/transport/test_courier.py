"""The courier: peers hold each other up in nothing, and one thread steps what comes back."""

import logging
import threading

import pytest
from django.db import OperationalError

from raft_config.core import messages
from raft_config.core.log import Entry
from raft_config.core.messages import Envelope
from raft_config.exceptions import PeerRejectedError, PeerUnavailableError
from raft_config.transport import courier as couriers
from raft_config.transport.courier import MAX_UNDER_WAY, Courier

from ..peers import consent, eventually, reply_to

WAIT_SECONDS = 20.0


ENTRIES = (Entry(1, 1, b"x"),)


def append(recipient="b", index=0, *, entries=ENTRIES, commit=0, read_id=""):
    message = messages.AppendEntries(1, index, 1, entries, commit, read_id)
    return Envelope("a", "life of a", recipient, "", 1, message)


def heartbeat(recipient="b", index=0, **more):
    return append(recipient, index, entries=(), **more)


class Network:
    """Answers at once; a peer in `held` when it is let go, one in `errors` with its error."""

    def __init__(self):
        self.held = {}
        self.errors = {}
        self.begun = []
        self.messages = []

    def send(self, envelope, base_url):
        peer = envelope.recipient
        self.begun.append((peer, base_url))
        self.messages.append(envelope.message)
        if peer in self.held:
            assert self.held[peer].wait(WAIT_SECONDS)
        if peer in self.errors:
            raise self.errors[peer]
        return reply_to(envelope, consent(envelope.message))

    def hold(self, peer):
        self.held[peer] = threading.Event()
        return self.held[peer]


@pytest.fixture
def network():
    found = Network()
    yield found
    for event in found.held.values():
        event.set()


@pytest.fixture
def stepped():
    return []


@pytest.fixture
def courier(network, stepped):
    made = Courier(network, stepped.extend)
    yield made
    for event in network.held.values():
        event.set()
    made.close()


def test_message_is_posted_to_its_address_and_its_reply_is_stepped(courier, network, stepped):
    courier.post(append("b"), "http://b")
    eventually(lambda: stepped)
    assert network.begun == [("b", "http://b")]
    assert (stepped[0].sender, stepped[0].recipient) == ("b", "a")


def test_nothing_is_started_before_the_first_message(courier):
    """A process that forks after it was set up must not leave its threads behind."""
    names = {thread.name for thread in threading.enumerate()}
    assert not any(name.startswith("raft-step") for name in names)


def test_peer_that_hangs_does_not_hold_up_another(courier, network, stepped):
    network.hold("b")
    for index in range(MAX_UNDER_WAY):
        courier.post(append("b", index), "http://b")
    courier.post(append("c"), "http://c")
    eventually(lambda: stepped)
    assert [each.sender for each in stepped] == ["c"]


def test_message_to_a_peer_that_hangs_is_dropped_when_too_many_are_under_way(
    courier, network, stepped
):
    released = network.hold("b")
    for index in range(MAX_UNDER_WAY + 3):
        courier.post(append("b", index), "http://b")
    released.set()
    eventually(lambda: len(stepped) == MAX_UNDER_WAY)
    courier.post(append("b"), "http://b")
    eventually(lambda: len(stepped) == MAX_UNDER_WAY + 1)


def test_peer_that_failed_is_asked_again_each_time(courier, network, stepped):
    network.errors["b"] = PeerUnavailableError("down")
    for _ in range(3 * MAX_UNDER_WAY):
        before = len(network.begun)
        courier.post(append("b"), "http://b")
        eventually(lambda before=before: len(network.begun) > before)
        eventually(lambda: not courier._under_way["b"])
    assert stepped == []


def test_replies_that_came_meanwhile_are_stepped_together(network):
    begun, let_go = threading.Event(), threading.Event()
    groups = []

    def step(replies):
        groups.append(len(replies))
        begun.set()
        assert let_go.wait(WAIT_SECONDS)

    courier = Courier(network, step)
    courier.post(append("b"), "")
    assert begun.wait(WAIT_SECONDS)
    for peer in "bcde":
        courier.post(append(peer), "")
    eventually(lambda: len(courier._replies) == 4)
    let_go.set()
    eventually(lambda: sum(groups) == 5)
    courier.close()
    assert groups == [1, 4]


def test_what_has_come_before_the_end_is_stepped(network):
    begun, let_go = threading.Event(), threading.Event()
    stepped = []

    def step(replies):
        stepped.extend(replies)
        begun.set()
        assert let_go.wait(WAIT_SECONDS)

    courier = Courier(network, step)
    courier.post(append("b"), "")
    assert begun.wait(WAIT_SECONDS)
    courier.post(append("c"), "")
    eventually(lambda: len(courier._replies) == 1)
    closing = threading.Thread(target=courier.close)
    closing.start()
    eventually(lambda: courier._is_over)
    let_go.set()
    closing.join(WAIT_SECONDS)
    assert not closing.is_alive()
    assert [each.sender for each in stepped] == ["b", "c"]


def test_reply_that_cannot_be_stepped_is_logged_and_takes_no_other_with_it(network, caplog):
    begun, let_go = threading.Event(), threading.Event()
    stepped = []

    def step(replies):
        begun.set()
        assert let_go.wait(WAIT_SECONDS)
        if any(reply.sender == "c" for reply in replies):
            raise ValueError("broken")
        stepped.extend(reply.sender for reply in replies)

    courier = Courier(network, step)
    courier.post(append("b"), "")
    assert begun.wait(WAIT_SECONDS)
    for peer in "cde":
        courier.post(append(peer), "")
    eventually(lambda: len(courier._replies) == 3)
    let_go.set()
    eventually(lambda: len(stepped) == 3)
    courier.close()
    assert sorted(stepped) == ["b", "d", "e"]
    assert "A reply of node c could not be stepped" in caplog.text


@pytest.mark.parametrize(
    ("error", "has_traceback"), [(ValueError("of ours"), True), (OperationalError("down"), False)]
)
def test_database_that_fails_is_a_line_and_a_fault_of_ours_a_traceback(
    network, caplog, error, has_traceback
):
    def step(_replies):
        raise error

    courier = Courier(network, step)
    courier.post(heartbeat("b"), "")
    eventually(lambda: "could not be stepped" in caplog.text)
    courier.close()
    (logged,) = [each for each in caplog.records if "stepped" in each.getMessage()]
    assert (logged.levelname == "ERROR", bool(logged.exc_info)) == (has_traceback, has_traceback)


def test_refusal_is_told_once_until_the_peer_answers_again(courier, network, stepped, caplog):
    def post():
        courier.post(append(), "")
        eventually(lambda: not courier._under_way["b"])

    with caplog.at_level(logging.WARNING, "raft_config"):
        network.errors["b"] = PeerRejectedError("other secret")
        post()
        post()
        assert len(caplog.records) == 1
        del network.errors["b"]
        post()
        network.errors["b"] = PeerRejectedError("other secret")
        post()
    assert len(caplog.records) == 2


def test_peer_that_is_down_is_no_news(courier, network, caplog):
    network.errors["b"] = PeerUnavailableError("down")
    with caplog.at_level(logging.INFO, "raft_config"):
        courier.post(append(), "")
        eventually(lambda: not courier._under_way["b"])
    assert caplog.records == []


def test_close_ends_every_thread(network, stepped):
    courier = Courier(network, stepped.extend)
    courier.post(append("b"), "")
    courier.post(append("c"), "")
    eventually(lambda: len(stepped) == 2)
    threads = [courier._stepper, *(t for pool in courier._pools.values() for t in pool._threads)]
    courier.close()
    assert not any(thread.is_alive() for thread in threads)


def test_closed_courier_posts_nothing_more(network, stepped):
    courier = Courier(network, stepped.extend)
    courier.close()
    courier.post(append(), "")
    assert network.begun == []


def test_message_that_comes_while_the_interpreter_ends_is_dropped(courier, monkeypatch):
    """The stepping thread may be at work still, when no thread can be started any more."""

    def refuse(*_):
        raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor.submit", refuse)
    courier.post(append(), "")
    assert courier._is_closed


# -- what nobody waits for


@pytest.fixture
def patient(monkeypatch):
    """What is held stays so, unless a test lets it go."""
    monkeypatch.setattr(couriers, "HELD_SECONDS", 1000.0)


def test_heartbeat_goes_by_itself_after_a_moment(courier, network, stepped):
    courier.post(heartbeat(), "")
    eventually(lambda: stepped)
    assert network.messages == [heartbeat().message]


@pytest.mark.usefixtures("patient")
def test_append_takes_the_place_of_the_news_of_a_commit(courier, network, stepped):
    courier.post(heartbeat(commit=3, index=3), "")
    courier.post(append(commit=3, index=3), "")
    eventually(lambda: stepped)
    assert network.messages == [append(commit=3, index=3).message]


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("later", [append(commit=2, index=3), append(commit=3, index=2)])
def test_message_that_tells_less_lets_the_one_before_go_first(courier, network, stepped, later):
    courier.post(heartbeat(commit=3, index=3), "")
    courier.post(later, "")
    eventually(lambda: len(stepped) == 2)
    assert sorted(network.messages, key=lambda each: len(each.entries)) == [
        heartbeat(commit=3, index=3).message,
        later.message,
    ]


@pytest.mark.usefixtures("patient")
def test_round_of_a_read_waits_for_nothing(courier, network, stepped):
    courier.post(heartbeat(read_id="r"), "")
    eventually(lambda: stepped)


@pytest.mark.usefixtures("patient")
def test_peer_where_somebody_waits_is_told_at_once(courier, network, stepped):
    courier.post(heartbeat(commit=1), "")
    courier.hurry("b")
    eventually(lambda: len(stepped) == 1)
    courier.hurry("b")  # before there is anything to tell
    courier.post(heartbeat(commit=2), "")
    eventually(lambda: len(stepped) == 2)
    courier.post(heartbeat(commit=3), "")
    assert [each.leader_commit for each in network.messages] == [1, 2]


@pytest.mark.usefixtures("patient")
def test_close_lets_go_what_is_held(courier, network):
    courier.post(heartbeat(), "")
    courier.close()
    assert network.messages == [heartbeat().message]


@pytest.fixture
def lazy(network, stepped):
    """A courier for whose replies nobody waits."""
    made = Courier(network, stepped.extend, lambda _: True)
    yield made
    made.close()


def test_reply_that_nobody_waits_for_is_stepped_after_a_moment(lazy, stepped):
    lazy.post(append(), "")
    eventually(lambda: stepped)


@pytest.mark.usefixtures("patient")
def test_reply_that_nobody_waits_for_is_taken_along_by_a_proposal(lazy, network, stepped):
    lazy.post(append(), "")
    [reply] = eventually(lazy.take_replies)
    assert reply.sender == "b"
    assert lazy.take_replies() == []
    assert stepped == []


@pytest.mark.usefixtures("patient")
def test_reply_that_somebody_waits_for_brings_the_others_along(network, stepped):
    courier = Courier(network, stepped.extend, lambda reply: reply.sender == "b")
    courier.post(append("b"), "")
    eventually(lambda: courier._replies)
    courier.post(append("c"), "")
    eventually(lambda: len(stepped) == 2)
    courier.close()
    assert [each.sender for each in stepped] == ["b", "c"]
