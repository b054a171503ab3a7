"""A node at work on its database, among peers that answer as each test says."""

import json
import logging
import threading
import time
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.signals import connection_created
from django.test import override_settings

from raft_config import signals
from raft_config.announcing import announce
from raft_config.conf import get_config
from raft_config.core import messages
from raft_config.core.configuration import Configuration, Member
from raft_config.core.effects import (
    LeaderChanged,
    MembershipChanged,
    PeerRejected,
    Refusal,
    Refused,
    Removed,
    RoleChanged,
)
from raft_config.core.events import (
    AllowLeadership,
    Propose,
    Read,
    Receive,
    Remove,
    TakeSnapshot,
    Tick,
)
from raft_config.core.log import Entry, SnapshotMeta
from raft_config.exceptions import (
    EntryLostError,
    InvalidCommandError,
    InvariantViolatedError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerRejectedError,
    PeerSilentError,
    UnavailableError,
    UnknownCommandError,
    UnsupportedCommandError,
)
from raft_config.models import Event, Sample
from raft_config.node import FRESH_SECONDS, Node, error_for, get_node
from raft_config.storage.transaction import digest_of
from raft_config.version_file import VersionFile, version_file_of

from .peers import (
    SECRETS,
    URLS,
    Peers,
    append,
    consent,
    elect,
    eventually,
    from_peer,
    make_node,
    put,
    reply_to,
)
from .storage.helpers import at_commit, statements

pytestmark = pytest.mark.django_db(transaction=True)

CLUSTER = {"NODE_ID": "a", "PEERS": URLS, "SECRETS": SECRETS, "APPEND_RETRY_SECONDS": 0.2}


@pytest.fixture(autouse=True)
def raft_settings(tmp_path):
    with override_settings(RAFT_CONFIG={**CLUSTER, "VERSION_FILE": tmp_path / "version"}):
        yield


@pytest.fixture
def peers():
    return Peers()


@pytest.fixture
def make(peers):
    """Makes nodes of one database: as many processes of the node."""
    made = []

    def make(peers=peers, **more):
        made.append(make_node(peers, **more))
        return made[-1]

    yield make
    for node in made:
        node.close()


@pytest.fixture
def node(make):
    return make()


@pytest.fixture
def leader(node):
    elect(node)
    return node


def silence():
    """Peers of another process, of which none answers."""
    found = Peers()
    found.down = {"b", "c"}
    return found


def in_thread(function):
    """Start it in a thread of its own; call what is returned for what it gave or raised."""
    found = []

    def run():
        try:
            found.append(function())
        except Exception as error:  # noqa: BLE001 - told below
            found.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()

    def result():
        thread.join(20)
        (only,) = found
        return only

    return result


# -- taking messages in


def test_first_state_knows_the_members_and_waits_for_a_leader(node):
    state = node.state
    assert (state.role.name, state.current_term) == ("follower", 0)
    assert {each.node_id: each.address for each in state.configuration.members} == URLS
    assert node.clock() < state.role.election_deadline <= node.clock() + 2 * 0.8


def test_every_process_of_a_node_has_the_same_incarnation(make):
    assert make().incarnation == make().incarnation != ""


def test_message_is_answered_by_what_is_stored(node):
    reply = node.receive(from_peer(node, messages.RequestVote(3, 0, 0)))
    assert reply.message == messages.RequestVoteResponse(3, vote_granted=True)
    assert (node.state.current_term, node.state.voted_for) == (3, "b")


def test_answer_is_not_answered(node):
    with pytest.raises(InvalidCommandError, match="not a message to answer"):
        node.receive(from_peer(node, messages.RequestVoteResponse(1, vote_granted=True)))


def test_nothing_is_sent_before_the_commit(node, peers):
    """What is sent promises what is stored (DESIGN §2.5)."""
    node.state  # noqa: B018 - make the row
    sent_at_commit = []
    node.clock.skipped += 10.0

    def look():
        time.sleep(0.2)  # what was handed over too early is sent by now
        sent_at_commit.append(len(peers.sent))

    with at_commit(look):
        node.take(Tick())
    eventually(lambda: len(peers.sent) >= 2)
    assert sent_at_commit[0] == 0


def test_nothing_is_sent_when_the_commit_fails(node, peers):
    node.state  # noqa: B018 - make the row

    def fail():
        raise OperationalError("disk full")

    node.clock.skipped += 10.0
    with at_commit(fail), pytest.raises(OperationalError, match="disk full"):
        node.take(Tick())
    assert peers.sent == []
    assert node.state.role.name == "follower"


def newer_snapshot():
    data = json.dumps({"format": 99}).encode()
    meta = SnapshotMeta(5, 1, Configuration(tuple(map(Member, "abc"))), len(data), digest_of(data))
    return messages.InstallSnapshot(1, meta, 0, data)


def test_snapshot_of_a_newer_release_halts_the_node_and_is_told_once(node, caplog):
    for _ in range(3):
        with pytest.raises(UnknownCommandError, match="Upgrade this node"):
            node.receive(from_peer(node, newer_snapshot()))
    assert "snapshot format 99" in node.storage.halted_by()
    told = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(told) == 1
    assert (node.state.last_log_index, node.state.snapshot_index) == (0, 0)


# -- the passage of time


def test_tick_before_the_deadline_only_looks(node):
    due = node.tick()
    with statements() as found:
        assert node.tick() == due == node.state.role.election_deadline
    assert found.count("SELECT node") == len(found)


def test_tick_after_the_deadline_campaigns(node):
    node.transport.down = {"b", "c"}  # or they might consent before anybody looks
    node.tick()
    node.clock.skipped += 10.0
    node.tick()
    assert node.state.role.name == "pre_candidate"


def test_deadline_of_a_clock_that_was_put_back_does_not_postpone_an_election(node):
    node.transport.down = {"b", "c"}
    node.tick()
    node.clock.skipped -= 3600.0
    node.tick()
    assert node.state.role.name == "pre_candidate"


def test_tick_tells_what_a_process_applied_that_died_before_it_could_tell(leader):
    file = version_file_of(get_config())
    file.publish(0)
    leader.tick()
    assert file.words[1] == leader.state.last_applied > 0


def test_run_for_ticks_when_something_is_due_and_ends_in_time(leader, peers):
    peers.sent.clear()
    begun_at = time.monotonic()
    leader.run_for(0.7)
    assert time.monotonic() - begun_at >= 0.6
    heartbeats = [each for each, _ in peers.sent if each.recipient == "b"]
    assert 2 <= len(heartbeats) <= 6


# -- proposals


def test_proposal_returns_once_it_is_applied_here(leader):
    accepted = leader.propose([put("X", "1"), put("Y", "2")], timeout_seconds=20)
    assert {name: each.text for name, each in leader.storage.values().items()} == {
        "X": "1",
        "Y": "2",
    }
    assert leader.state.last_applied == accepted.index + 1
    assert version_file_of(get_config()).words[1] == accepted.index + 1


def test_proposal_that_another_process_commits_returns_as_well(leader, make):
    waiting = make(silence(), clock=leader.clock)
    wait = in_thread(lambda: waiting.propose([put("X", "1")], timeout_seconds=20))
    eventually(lambda: waiting.transport.sent)
    leader.clock.skipped += 0.25  # the first process's batch is given up
    eventually(lambda: leader.tick() and leader.storage.values())
    assert wait().index == leader.state.last_applied


def test_proposal_on_a_follower_names_the_leader(node):
    node.receive(from_peer(node, append(1)))
    with pytest.raises(NotLeaderError, match="b leads term 1"):
        node.propose([put("X", "1")], timeout_seconds=1)


def test_command_that_no_node_could_apply_never_reaches_the_log(leader):
    before = leader.state.last_log_index
    for command in (b"{", b"\xff", json.dumps({"kind": "rename"}).encode()):
        with pytest.raises((InvalidCommandError, UnknownCommandError)):
            leader.propose([command], timeout_seconds=1)
    with pytest.raises(InvalidCommandError, match="larger than"):
        leader.propose([put("X", "x" * 300_000, "r")], timeout_seconds=1)
    with pytest.raises(InvalidCommandError, match="no command"):
        leader.propose([], timeout_seconds=1)
    assert leader.state.last_log_index == before


def test_command_that_a_member_does_not_know_yet_says_which_version_it_needs(leader):
    with pytest.raises(UnsupportedCommandError) as caught:
        leader._ask(Propose((put("X", "1"),), version=9))
    assert (caught.value.needed, caught.value.agreed) == (9, 1)


def test_proposal_without_a_majority_has_an_unknown_outcome(leader, peers):
    peers.down = {"b", "c"}
    with pytest.raises(OutcomeUnknownError, match="at index"):
        leader.propose([put("X", "1")], timeout_seconds=0.05)
    assert leader.storage.values() == {}


def test_proposal_that_another_leader_replaced_is_lost_for_certain(leader, peers):
    peers.down = {"b", "c"}
    last = leader.state.last_log_index
    wait = in_thread(lambda: leader.propose([put("X", "1")], timeout_seconds=20))
    eventually(lambda: leader.state.last_log_index > last)
    term, previous = leader.state.current_term, (last, leader.storage.log.term_at(last))
    other = append(
        term + 1, Entry(last + 1, term + 1, put("X", "2")), previous=previous, commit=last + 1
    )
    leader.receive(from_peer(leader, other))
    found = wait()
    assert isinstance(found, EntryLostError)
    assert (found.index, found.term) == (last + 1, term)


def test_wait_ends_with_an_unknown_outcome_once_the_entry_is_compacted(leader):
    for number in range(2):
        leader.propose([put("X", str(number))], timeout_seconds=20)
    with override_settings(RAFT_CONFIG={**CLUSTER, "TRAILING_ENTRIES": 0}):
        short = make_node(Peers(), leader.clock)
        try:
            short.take(TakeSnapshot())
            with pytest.raises(OutcomeUnknownError):
                short.wait_applied(1, 7, timeout_seconds=20)  # of a term that another one led
        finally:
            short.close()


def test_leader_knows_without_its_log_that_it_has_applied_what_it_accepted(leader):
    with override_settings(RAFT_CONFIG={**CLUSTER, "TRAILING_ENTRIES": 0}):
        short = make_node(Peers(), leader.clock)
        try:
            short.take(TakeSnapshot())
            short.wait_applied(1, 1, timeout_seconds=0)
        finally:
            short.close()


class Turn:
    """A lock that counts who has come for it."""

    def __init__(self):
        self.lock, self.comers = threading.Lock(), 0

    def __enter__(self):
        self.comers += 1
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


def test_what_was_applied_by_one_that_died_before_it_told_is_read_by_who_waited(
    node, make, monkeypatch
):
    """Else a linearizable read would give the values that its process had loaded before."""
    file = version_file_of(node.config)
    before = file.token()
    with monkeypatch.context() as patch:
        patch.setattr(VersionFile, "publish", lambda *_: None)
        make().receive(from_peer(node, append(1, Entry(1, 1), commit=1)))
    assert file.token() == before
    assert node.wait_until_applied(1, timeout_seconds=20)
    assert file.token() != before


def test_threads_of_one_process_take_turns_and_an_event_happens_when_its_turn_has_come(
    node, monkeypatch
):
    begun, let_go, seen = threading.Event(), threading.Event(), []
    perform = node.storage.perform

    def slowly(*events, now, **more):
        seen.append(now)
        begun.set()
        assert let_go.wait(20)
        return perform(*events, now=now, **more)

    monkeypatch.setattr(node.storage, "perform", slowly)
    turn = node._turn = Turn()
    first = in_thread(lambda: node.take(Tick()))
    assert begun.wait(20)
    second = in_thread(lambda: node.take(Tick()))
    eventually(lambda: turn.comers == 2)
    node.clock.skipped += 5.0
    assert len(seen) == 1
    let_go.set()
    first(), second()
    assert seen[1] - seen[0] >= 5.0


def test_process_that_led_a_moment_ago_asks_its_database_nothing(leader):
    leader.propose([put("X", "1")], timeout_seconds=20)
    with statements() as found:
        assert leader.whom_to_ask() == "a"
    assert not found
    leader.clock.skipped += FRESH_SECONDS
    leader.take(AllowLeadership(allowed=False))
    assert leader.whom_to_ask() == "a"  # nobody leads: it will say so


def test_follower_asks_its_database_who_leads(node, make):
    other = make()
    assert node.whom_to_ask() == "a"
    other.receive(from_peer(other, append(1)))
    assert node.whom_to_ask() == "b"


def test_waiting_for_an_index_ends_when_another_process_applies_it(node, make):
    assert node.wait_until_applied(0, timeout_seconds=0)
    assert not node.wait_until_applied(1, timeout_seconds=0.02)
    other = make()
    wait = in_thread(lambda: node.wait_until_applied(1, timeout_seconds=20))
    other.receive(from_peer(other, append(1, Entry(1, 1), commit=1)))
    assert wait() is True


def test_something_that_is_neither_accepted_nor_refused_is_our_fault(node):
    with pytest.raises(InvariantViolatedError, match="neither"):
        node._ask(AllowLeadership(allowed=True))


REFUSALS = [
    (Refusal.NOT_LEADER, NotLeaderError),
    (Refusal.OVERLOADED, UnavailableError),
    (Refusal.TRANSFERRING, UnavailableError),
    (Refusal.CHANGE_PENDING, UnavailableError),
    (Refusal.TOO_LARGE, InvalidCommandError),
    (Refusal.EMPTY, InvalidCommandError),
    (Refusal.LAST_VOTER, MembershipError),
    (Refusal.UNKNOWN_MEMBER, MembershipError),
]


@pytest.mark.parametrize(("refusal", "error"), REFUSALS)
def test_refusal_becomes_the_error_that_says_what_to_do(node, refusal, error):
    found = error_for(Refused(refusal, "b"), node.state)
    assert type(found) is error
    assert refusal.value in str(found) or isinstance(found, NotLeaderError)


# -- a node alone


@pytest.fixture
def alone(tmp_path):
    with override_settings(RAFT_CONFIG={"NODE_ID": "a", "VERSION_FILE": tmp_path / "alone"}):
        node = make_node(Peers())
        yield node
        node.close()


def test_node_alone_elects_itself_on_first_use_and_commits(alone):
    alone.propose([put("X", "1")], timeout_seconds=20)
    assert alone.state.is_leader
    assert alone.storage.values()["X"].text == "1"
    assert alone.transport.sent == []


def test_node_alone_answers_a_linearizable_read_on_first_use(alone):
    assert alone.read_index(timeout_seconds=20) == alone.state.last_applied


def test_node_alone_does_not_ask_whether_it_is_reachable(alone):
    alone.check_reachability()
    assert alone.transport.calls == []


# -- members


def test_newcomer_becomes_a_member(leader):
    leader.transport.answers["ping"] = lambda **_: {"term": 0}
    leader.join("d", "http://d.test/raft", "life of d")
    member = leader.state.configuration.by_id["d"]
    assert (member.address, member.incarnation) == ("http://d.test/raft", "life of d")
    assert leader.address_of("d") == "http://d.test/raft"


def test_member_that_joins_again_changes_nothing(leader):
    leader.join("d", "http://d.test/raft", "life of d")
    before = leader.state.last_log_index
    assert leader.join("d", "http://d.test/raft", "life of d") is None
    assert leader.state.configuration.by_id["d"].incarnation == "life of d"
    assert leader.state.last_log_index - before in (0, 1)  # at most its promotion


def test_member_with_another_database_is_refused(leader):
    with pytest.raises(MembershipError, match="Remove it first"):
        leader.join("b", URLS["b"], "another life")


def test_change_of_members_returns_once_it_is_applied(leader):
    accepted = leader.change_members(Remove("c"), timeout_seconds=20)
    assert leader.state.last_applied >= accepted.index
    assert set(leader.state.configuration.by_id) == {"a", "b"}


def test_address_of_a_stranger_is_what_the_settings_say_or_nothing(node, tmp_path):
    assert node.address_of("b") == URLS["b"]
    assert node.address_of("z") == ""


# -- reachability (DESIGN §2.10)


def look(node, peers, times):
    """Let the node's driver look so often whether its own URL answers."""
    for _ in range(times):
        asked = len(peers.calls)
        node.clock.skipped += 2.5
        node.check_reachability()
        eventually(lambda asked=asked: len(peers.calls) > asked)
        eventually(node.own_url._ping.done)
        node.check_reachability()


def test_node_that_its_own_url_does_not_answer_may_not_lead_until_it_does(node, peers, caplog):
    peers.down = {"a"}
    look(node, peers, 1)
    assert node.state.may_lead
    look(node, peers, 1)
    assert not node.state.may_lead
    node.clock.skipped += 10.0
    node.tick()
    assert node.state.role.name == "follower"
    peers.down = set()
    look(node, peers, 1)
    assert node.state.may_lead
    assert "does not answer" in caplog.text
    assert "answers again" in caplog.text


def test_driver_that_starts_takes_nothing_for_granted(node, make, peers):
    """Its predecessor knew that the web tier is down; one that has not asked yet knows nothing."""
    peers.down = {"a"}
    look(node, peers, 2)
    successor = make()
    successor.check_reachability()
    assert not successor.state.may_lead


def test_leader_that_its_own_url_does_not_answer_steps_down(leader, peers):
    peers.down = {"a"}
    for _ in range(2):
        look(leader, peers, 1)
    assert not leader.state.is_leader


def be_silent(**_):
    raise PeerSilentError("Read timed out.")


def test_leader_whose_web_tier_is_busy_with_others_leads_on(leader, peers):
    """A ping that waits behind clients is late, and no sign that nobody is answered."""
    peers.answers["ping"] = be_silent
    for _ in range(4):
        version_file_of(leader.config).note_served()
        look(leader, peers, 1)
    assert leader.state.is_leader


def test_leader_whose_web_tier_answers_nobody_steps_down(leader, peers, monkeypatch):
    peers.answers["ping"] = be_silent
    version_file_of(leader.config).note_served()
    long_ago = time.monotonic_ns() + 10**11
    monkeypatch.setattr(time, "monotonic_ns", lambda: long_ago)
    look(leader, peers, 2)
    assert not leader.state.is_leader


def test_leader_that_is_not_reached_at_all_steps_down_whoever_was_answered(leader, peers):
    peers.down = {"a"}
    for _ in range(2):
        version_file_of(leader.config).note_served()
        look(leader, peers, 1)
    assert not leader.state.is_leader


def test_web_tier_that_hangs_does_not_hold_up_the_driver(node, peers):
    released = threading.Event()
    peers.answers["ping"] = lambda **_: released.wait(20) and {"term": 0}
    begun_at = time.monotonic()
    for _ in range(3):
        node.clock.skipped += 5.0
        node.check_reachability()
    took = time.monotonic() - begun_at
    released.set()
    assert took < 15
    assert len(peers.calls) == 1


# -- linearizable reads


def test_read_stands_at_the_last_index_once_a_majority_has_answered(leader):
    assert leader.read_index(timeout_seconds=20) == leader.state.last_log_index


def test_read_is_confirmed_by_a_round_that_another_process_completes(leader, make):
    """Each process steps the answers to what it has sent; the row tells the others."""
    waiting = make(silence(), clock=leader.clock)
    wait = in_thread(lambda: waiting.read_index(timeout_seconds=20))
    eventually(lambda: waiting.transport.sent)
    leader.clock.skipped += 0.3
    leader.tick()
    assert wait() == leader.state.last_log_index


def test_read_without_a_majority_is_unavailable(leader, peers):
    peers.down = {"b", "c"}
    with pytest.raises(UnavailableError, match="try again"):
        leader.read_index(timeout_seconds=0.05)


def test_read_fails_at_once_when_leadership_is_lost(leader, make):
    waiting = make(silence(), clock=leader.clock)
    wait = in_thread(lambda: waiting.read_index(timeout_seconds=60))
    eventually(lambda: waiting.transport.sent)
    envelope, _ = waiting.transport.sent[-1]
    deposed = messages.AppendEntriesResponse(leader.state.current_term + 1, success=False)
    leader.take(Receive(reply_to(envelope, deposed)))
    assert isinstance(wait(), NotLeaderError)


class Queue:
    """A lock that counts who has come to it."""

    def __init__(self):
        self.lock, self.came = threading.Lock(), 0

    def __enter__(self):
        self.came += 1
        self.lock.acquire()

    def __exit__(self, *_):
        self.lock.release()


@pytest.fixture
def reads(leader, monkeypatch):
    """The linearizable reads that begin from now on; `reads.hold` lets each wait for `let_go`."""
    perform = leader.storage.perform
    found = SimpleNamespace(begun=0, let_go=threading.Event(), queue=Queue())
    found.let_go.set()
    monkeypatch.setattr(leader, "_reading", found.queue)

    def note(*events, **more):
        if isinstance(events[0], Read):
            found.begun += 1
            assert found.let_go.wait(20)
        return perform(*events, **more)

    monkeypatch.setattr(leader.storage, "perform", note)
    return found


def test_readers_that_come_while_one_begins_share_the_next_round(leader, reads):
    reads.let_go.clear()
    first = in_thread(lambda: leader.read_index(timeout_seconds=20))
    eventually(lambda: reads.begun == 1)
    others = [in_thread(lambda: leader.read_index(timeout_seconds=20)) for _ in range(5)]
    eventually(lambda: reads.queue.came == 6)
    reads.let_go.set()
    assert {each() for each in (first, *others)} == {leader.state.last_log_index}
    assert reads.begun == 2


def test_reader_that_comes_later_begins_a_round_of_its_own(leader, reads):
    """Whoever wrote in between must be seen."""
    leader.read_index(timeout_seconds=20)
    leader.propose([put("X", "1")], timeout_seconds=20)
    assert leader.read_index(timeout_seconds=20) == leader.state.last_log_index
    assert reads.begun == 2


def test_readers_that_come_together_to_a_follower_are_each_refused(node):
    node.receive(from_peer(node, append(1)))
    others = [in_thread(lambda: node.read_index(timeout_seconds=5)) for _ in range(3)]
    assert [type(each()) for each in others] == [NotLeaderError] * 3


def test_read_on_a_follower_names_the_leader(node):
    node.receive(from_peer(node, append(1)))
    with pytest.raises(NotLeaderError, match="b leads"):
        node.read_index(timeout_seconds=5)


# -- what an event costs


def framed_by(call):
    """The statements that a step takes, and whether its commit was flushed; events come later."""
    with statements() as found:
        call()
    end = found.index("INSERT event") if "INSERT event" in found else len(found)
    first = found.frame[:1] if end < len(found) else found.frame
    is_relaxed = any("NORMAL" in each or "OFF" in each for each in first)
    return list(found[:end]), not is_relaxed


def test_heartbeat_on_a_follower_is_one_update_without_a_flush(node):
    node.receive(from_peer(node, append(1)))
    heartbeat = from_peer(node, append(1))
    assert framed_by(lambda: node.receive(heartbeat)) == (["SELECT node", "UPDATE node"], False)


def test_heartbeat_on_the_leader_is_one_update_without_a_flush(leader):
    leader.clock.skipped += 0.3
    event = Tick()
    assert framed_by(lambda: leader.take(event)) == (["SELECT node", "UPDATE node"], False)


DURABLE = [
    (messages.RequestVote(5, 9, 1, transfer=True), ["SELECT node", "UPDATE node"]),
    (append(5, Entry(1, 5)), ["SELECT node", "INSERT logentry", "UPDATE node"]),
    (messages.TimeoutNow(1), ["SELECT node", "UPDATE node"]),
]


@pytest.mark.parametrize(("message", "expected"), DURABLE)
def test_what_promises_is_flushed_and_stepped_once(node, message, expected):
    node.receive(from_peer(node, append(1)))
    envelope = from_peer(node, message)
    assert framed_by(lambda: node.receive(envelope)) == (expected, True)


def test_thread_that_steps_replies_keeps_its_connection(leader):
    """Opening one for each reply took longer than stepping it."""
    opened = []

    def note(**_):
        opened.append(threading.current_thread().name)

    connection_created.connect(note)
    try:
        for number in range(3):
            leader.propose([put("X", str(number))], timeout_seconds=20)
    finally:
        connection_created.disconnect(note)
    assert opened.count("raft-step") == 0


def with_waiting_reply(leader, monkeypatch, match_index):
    """Let a reply of b wait for the next proposal; the events of this thread's transactions.

    The peers' answers to the proposal come on the courier's thread, at any time.
    """
    proposing = threading.current_thread()
    answer = messages.AppendEntriesResponse(1, success=True, match_index=match_index)
    replies = [[from_peer(leader, answer)]]
    monkeypatch.setattr(leader.courier, "take_replies", lambda: replies.pop() if replies else [])
    perform, performed = leader.storage.perform, []

    def note(*events, **more):
        if threading.current_thread() is proposing:
            performed.append([type(each) for each in events])
        return perform(*events, **more)

    monkeypatch.setattr(leader.storage, "perform", note)
    return performed


def test_reply_that_nobody_waits_for_is_stepped_with_the_next_proposal(leader, monkeypatch):
    performed = with_waiting_reply(leader, monkeypatch, match_index=1)
    leader.propose([put("X", "1")], timeout_seconds=20)
    assert performed[0] == [Receive, Propose]
    assert [Propose] not in performed


def test_reply_that_cannot_be_stepped_takes_no_proposal_with_it(leader, monkeypatch, caplog):
    performed = with_waiting_reply(leader, monkeypatch, match_index=99)
    leader.propose([put("X", "1")], timeout_seconds=20)
    assert performed == [[Receive, Propose], [Receive], [Propose]]
    assert "A reply of node b could not be stepped" in caplog.text


def test_thread_that_steps_replies_closes_its_connection_at_its_end(node):
    opened = []

    def note(*, connection, **_):
        opened.append((threading.current_thread().name, connection))

    connection_created.connect(note)
    try:
        elect(node)
    finally:
        connection_created.disconnect(note)
    node.close()
    assert [each.connection for name, each in opened if name == "raft-step"] == [None]


def test_thread_that_steps_replies_gets_a_new_connection_after_a_failure(leader):
    def break_connection():
        raise OperationalError("gone")

    envelope = from_peer(leader, consent(append(1)))
    with at_commit(break_connection), pytest.raises(OperationalError, match="gone"):
        leader._take_replies([envelope])
    leader._take_replies([envelope])
    assert connection.is_usable()


# -- news


NEWS = [
    (RoleChanged("leader", 3), signals.role_changed, {"role": "leader", "term": 3}),
    (LeaderChanged("b", 3), signals.leader_changed, {"leader_id": "b", "term": 3}),
    (LeaderChanged(None, 3), signals.leader_changed, {"leader_id": None, "term": 3}),
    (
        MembershipChanged(Configuration((Member("a"),))),
        signals.membership_changed,
        {"configuration": Configuration((Member("a"),))},
    ),
]


@pytest.mark.parametrize(("effect", "signal", "facts"), NEWS)
def test_news_reach_the_listeners_and_the_log(effect, signal, facts, caplog):
    heard = []

    def listen(**values):
        heard.append({name: values[name] for name in facts})

    signal.connect(listen)
    try:
        with caplog.at_level(logging.INFO, "raft_config"):
            announce(Node, "a", effect)
    finally:
        signal.disconnect(listen)
    assert heard == [facts]
    assert len(caplog.records) == 1


def test_listener_that_fails_does_not_stop_the_node(node):
    def fail(**_):
        raise ValueError("of the project")

    signals.leader_changed.connect(fail)
    try:
        node.receive(from_peer(node, append(1)))
    finally:
        signals.leader_changed.disconnect(fail)
    assert node.state.leader_id == "b"


def test_listener_that_is_slow_does_not_delay_what_the_new_leader_sends(node, peers):
    heard = []

    def listen(role, **_):
        if role == "leader":
            eventually(
                lambda: any(
                    isinstance(each.message, messages.AppendEntries) for each, _ in peers.sent
                )
            )
            heard.append(role)

    signals.role_changed.connect(listen)
    try:
        elect(node)
    finally:
        signals.role_changed.disconnect(listen)
    assert heard == ["leader"]


@pytest.mark.parametrize("effect", [PeerRejected("b", "i"), Removed("b")])
def test_what_an_operator_must_mend_is_a_warning(effect, caplog):
    announce(Node, "a", effect)
    assert [each.levelno for each in caplog.records] == [logging.WARNING]


def test_role_in_between_is_no_news_for_an_operator(caplog):
    with caplog.at_level(logging.INFO, "raft_config"):
        announce(Node, "a", RoleChanged("pre_candidate", 3))
    assert caplog.records == []


# -- the one of this process


def test_process_has_one_node_until_its_settings_change(tmp_path):
    first = get_node()
    assert get_node() is first
    with override_settings(RAFT_CONFIG={**CLUSTER, "VERSION_FILE": tmp_path / "other"}):
        assert get_node() is not first


def test_clock_that_is_put_back_makes_no_write_wait_for_an_hour(leader, peers):
    """Waits are measured by the monotonic clock; only what processes share has the other one."""
    peers.down = {"b", "c"}
    clock = leader.clock

    def put_back():
        clock.skipped -= 3600
        return clock()

    leader.clock = put_back
    leader.monotonic = time.monotonic
    with pytest.raises(OutcomeUnknownError):
        leader.propose([put("X", "1")], timeout_seconds=0.05)


def test_peer_that_begins_to_refuse_is_an_event_with_the_reason(make):
    class Refusing(Peers):
        def send(self, envelope, base_url):
            raise PeerRejectedError("Compare SECRETS of both nodes.")

    node = make(Refusing())
    node.clock.skipped += 10.0
    node.tick()

    def refused():
        node.run_for(0.01)
        return {each.subject: each.detail for each in Event.objects.filter(kind="refused")}

    eventually(lambda: len(refused()) == 2)
    assert refused() == dict.fromkeys("bc", "Compare SECRETS of both nodes.")


def test_driver_leaves_a_sample_and_an_election_its_events(leader):
    leader.run_for(0.01)
    assert Sample.objects.get().term == 1
    told = [(each.kind, each.subject, each.term) for each in Event.objects.order_by("id")]
    assert ("election", "a", 1) in told
    assert told.index(("election", "a", 1)) < told.index(("leader", "a", 1))
