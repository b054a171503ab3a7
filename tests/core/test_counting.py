"""What a step reads of the log, whatever the log's length.

The rule: a heartbeat, an append of one entry at the tail and the answers to both ask the log view
for nothing at all, not even a term: what they need is in the state. A peer that lags costs the
term before its next entry, and a batch.
"""

from dataclasses import replace

import pytest

from raft_config.core.events import Propose, Read, Tick
from raft_config.core.messages import AppendEntries, RequestPreVote, RequestVote
from raft_config.core.state import Progress

from .build import HEARTBEAT, NOW, Rig, append_entries, follower, leader, messages_to, success

LENGTHS = [10, 1_000, 100_000]


@pytest.fixture(params=LENGTHS, scope="module")
def length(request):
    return request.param


@pytest.fixture(scope="module")
def long_leader(length):
    return leader(
        term=2, log=[2] * length, commit=length, applied=0, match={"b": length, "c": length}
    )


@pytest.fixture(scope="module")
def long_follower(length):
    return follower(term=2, log=[2] * length, commit=length, applied=0)


@pytest.fixture
def boss(long_leader):
    return again(long_leader)


@pytest.fixture
def lower(long_follower):
    return again(long_follower)


def again(rig):
    """Another rig over the same long log, which no test may leave longer than it was."""
    del rig.storage.log.kept[rig.state.last_log_index :]
    return Rig(rig.state, rig.storage.log, rig.settings)


def asked(rig):
    return {name: count for name, count in rig.view.calls.items() if count}


def test_heartbeat_asks_the_log_for_nothing(boss):
    effects = boss.step(Tick(), now=NOW + HEARTBEAT)
    assert len(messages_to(effects, "b")) == 1
    assert asked(boss) == {}


def test_read_asks_the_log_for_nothing(boss):
    boss.step(Read("r"))
    boss.receive("b", success(2, boss.state.last_log_index, read_id="r"))
    assert asked(boss) == {}


def test_tick_that_is_not_due_asks_the_log_for_nothing(boss, lower):
    boss.step(Tick(), now=NOW)
    lower.step(Tick(), now=NOW)
    assert asked(boss) == asked(lower) == {}


def test_append_at_the_tail_reads_no_entry_of_the_leaders_log(boss, length):
    effects = boss.step(Propose((b"x",)))
    (message,) = messages_to(effects, "b")
    assert [each.index for each in message.entries] == [length + 1]
    assert "entries" not in boss.view.calls
    assert boss.view.entries_read == 0


def test_append_at_the_tail_asks_the_leaders_log_for_no_term_either(boss):
    boss.step(Propose((b"x",)))
    assert asked(boss) == {}


def test_answers_to_an_append_at_the_tail_ask_the_log_for_nothing(boss, length):
    boss.step(Propose((b"x",)))
    boss.view.calls.clear()
    effects = boss.receive("b", success(2, length + 1))
    assert boss.state.commit_index == length + 1
    assert messages_to(effects, "b") != []
    boss.receive("c", success(2, length + 1))
    assert asked(boss) == {}


def test_follower_takes_a_heartbeat_without_asking_its_log(lower, length):
    lower.receive("b", append_entries(2, prev=(length, 2), commit=length))
    assert asked(lower) == {}


def test_follower_takes_an_append_at_the_tail_without_asking_its_log(lower, length):
    effects = lower.receive("b", append_entries(2, prev=(length, 2), terms="2", commit=length))
    assert messages_to(effects, "b") == [success(2, length + 1, prev=length)]
    assert asked(lower) == {}


def test_vote_asks_the_log_for_nothing(lower, length):
    lower.receive("b", RequestPreVote(2, length, 2))
    lower.receive("b", RequestVote(3, length, 2))
    assert asked(lower) == {}


def test_peer_that_lags_costs_one_term_and_one_batch(boss, length):
    behind = Progress(next_index=length - 4, match_index=length - 5, contact_at=NOW)
    role = replace(boss.role, progress={**boss.role.progress, "b": behind})
    rig = Rig(replace(boss.state, role=role), boss.storage.log, boss.settings)
    (message,) = messages_to(rig.step(Tick()), "b", AppendEntries)
    assert len(message.entries) == rig.view.entries_read == 5
    assert asked(rig) == {"term_at": 1, "entries": 1}


def test_refusal_costs_one_question(lower, length):
    lower.receive("b", append_entries(2, prev=(length + 5, 2)))
    assert sum(asked(lower).values()) <= 1
