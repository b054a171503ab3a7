"""Any number of processes are one node: whatever they do at once looks as if done one by one.

Each round two to four processes take an event at the same instant. What they answer, and what is
stored afterwards, must be what some order of the same events gives in memory.
"""

import itertools
import time

import pytest

from raft_config.core.corridor import perform
from raft_config.core.effects import Accepted, Apply
from raft_config.core.events import Propose, Receive, Tick
from raft_config.core.log import Entry
from raft_config.core.messages import AppendEntries, Envelope, RequestVote, RequestVoteResponse
from raft_config.core.state import Follower, Leader, Progress
from raft_config.memory import MemoryStateMachine, MemoryStorage
from raft_config.models import AnsweredRequest, Change, Node, StoredValue
from raft_config.storage.codec import encode_state

from ..core.build import entries
from .child import Job
from .helpers import AT, log_content, put, sent, state_of, storage_of

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 300


def memory_of(state, stored):
    storage = MemoryStorage(state, MemoryStateMachine())
    if stored:
        storage.log.append(stored)
    return storage


def orders_in_memory(state, stored, events, arguments):
    """What each order of the events gives: the last state, the log, and each event's effects."""
    for order in itertools.permutations(range(len(events))):
        memory = memory_of(state, stored)
        effects = {place: perform(memory, events[place], **arguments) for place in order}
        yield memory.state, log_content(memory.log), [effects[each] for each in range(len(events))]


def race(children, state, stored, events, arguments=AT, *, check=len):
    """Have the events happen at once, ROUNDS times from the same beginning."""
    processes = children(len(events))
    expected = list(orders_in_memory(state, stored, events, arguments))
    seen = set()
    storage = storage_of(state, stored)
    for round_number in range(ROUNDS):
        begin_again(storage, state, stored)
        begin_at = time.monotonic() + 0.002
        for number, (process, event) in enumerate(zip(processes, events, strict=True)):
            likely = bool((round_number >> number) & 1)
            process.begin(Job(event, {**arguments, "likely_durable": likely}, begin_at))
        outcomes = [process.outcome() for process in processes]
        assert not [each.error for each in outcomes if each.error]
        found = storage.load(), log_content(storage.log), [each.effects for each in outcomes]
        assert found in expected, f"round {round_number}: no order of the events gives this"
        seen.add(expected.index(found))
        check(outcomes)
    assert len(seen) > 1, "they never met in another order: these rounds prove nothing"


def begin_again(storage, state, stored):
    Node.objects.update(**encode_state(state))
    storage.log._entries().delete()
    if stored:
        storage.log.append(stored, replacing=False)


def received(sender, message):
    return Receive(Envelope(sender, "", "a", "", 1, message))


def test_two_candidates_of_one_term_get_exactly_one_vote(children):
    def check(outcomes):
        votes = [message.message for each in outcomes for message in sent(each.effects)]
        assert sorted(vote.vote_granted for vote in votes) == [False, True]
        assert {type(vote) for vote in votes} == {RequestVoteResponse}

    events = [received(each, RequestVote(2, 0, 0)) for each in "bc"]
    race(children, state_of(), (), events, check=check)


def test_four_candidates_get_one_vote_in_each_term(children):
    events = [received(each, RequestVote(term, 0, 0)) for term in (2, 3) for each in "bc"]
    race(children, state_of(), (), events)


def test_append_entries_of_two_terms_leave_one_log(children):
    stored = entries("1 1")
    state = state_of(
        current_term=1, last_log_index=2, last_log_term=1, commit_index=1, last_applied=1
    )
    events = [
        received("b", AppendEntries(2, 2, 1, entries("2 2", start=3), 1)),
        received("c", AppendEntries(3, 1, 1, entries("3", start=2), 1)),
    ]
    race(children, state, stored, events)


def test_tick_at_its_deadline_against_a_heartbeat_and_a_vote(children):
    state = state_of(current_term=1, role=Follower(99.0))
    events = [
        Tick(),
        received("b", AppendEntries(1, 0, 0, (), 0)),
        received("c", RequestVote(2, 0, 0)),
    ]
    race(children, state, (), events)


def test_proposals_at_once_each_get_a_place_of_their_own(children):
    progress = {peer: Progress(2, contact_at=99.9) for peer in "bc"}
    role = Leader(1, 100.1, progress)
    state = state_of(current_term=1, voted_for="a", role=role, last_log_index=1, last_log_term=1)

    def check(outcomes):
        accepted = [each for one in outcomes for each in one.effects if isinstance(each, Accepted)]
        assert sorted(each.index for each in accepted) == [2, 3]

    events = [Propose((put("X"),)), Propose((put("Y"),))]
    race(children, state, entries([1]), events, check=check)


def test_commands_committed_by_a_heartbeat_are_applied_once(children):
    stored = tuple(Entry(index, 1, put("X", str(index))) for index in (1, 2))
    state = state_of(current_term=1, last_log_index=2, last_log_term=1)
    events = [
        received("b", AppendEntries(1, 2, 1, (), 1)),
        received("b", AppendEntries(1, 2, 1, (), 2)),
    ]

    def check(outcomes):
        assert any(isinstance(each, Apply) for one in outcomes for each in one.effects)
        assert list(AnsweredRequest.objects.values_list("index", flat=True)) == [1, 2]
        assert StoredValue.objects.get(name="X").index == 2
        AnsweredRequest.objects.all().delete()
        StoredValue.objects.all().delete()
        Change.objects.all().delete()

    race(children, state, stored, events, check=check)


def test_processes_that_create_the_row_at_once_agree_on_one_incarnation(children):
    processes = children(4)
    for _ in range(20):
        Node.objects.all().delete()
        begin_at = time.monotonic() + 0.002
        for process in processes:
            process.begin(Job(Tick(), {**AT, "now": 0.0, "likely_durable": False}, begin_at))
        outcomes = [process.outcome() for process in processes]
        assert not [each.error for each in outcomes if each.error]
        assert len({each.after.incarnation for each in outcomes}) == 1
        assert Node.objects.count() == 1
