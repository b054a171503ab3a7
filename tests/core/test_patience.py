"""What may wait is exactly what nobody waits for."""

from dataclasses import replace

import pytest

from raft_config.core.log import Entry
from raft_config.core.messages import (
    AppendEntries,
    AppendEntriesResponse,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from raft_config.core.patience import (
    may_be_sent_later,
    may_be_stepped_later,
    takes_place_of,
)
from raft_config.core.state import Follower, Leader, NodeState

NEWS = AppendEntries(2, 5, 2, (), 5)
APPEND = AppendEntries(2, 5, 2, (Entry(6, 2, b"x"),), 5)
STORED = AppendEntriesResponse(2, success=True, match_index=6, prev_log_index=5)
SETTLED = NodeState("a", Leader(1, 0.0), current_term=2, last_log_index=6, commit_index=6)


def test_only_a_message_without_entries_and_reads_may_be_sent_later():
    assert may_be_sent_later(NEWS)
    assert not may_be_sent_later(APPEND)
    assert not may_be_sent_later(replace(NEWS, read_id="r"))
    assert not may_be_sent_later(TimeoutNow(2))
    assert not may_be_sent_later(RequestVote(2, 5, 2))


@pytest.mark.parametrize(
    "later", [NEWS, APPEND, replace(APPEND, prev_log_index=6, leader_commit=6)]
)
def test_later_append_tells_what_the_news_does(later):
    assert takes_place_of(later, NEWS)


@pytest.mark.parametrize(
    "later",
    [
        replace(APPEND, term=3),
        replace(APPEND, prev_log_index=4),
        replace(APPEND, leader_commit=4),
        TimeoutNow(2),
    ],
)
def test_what_tells_less_takes_no_place(later):
    assert not takes_place_of(later, NEWS)


def test_entries_are_never_replaced():
    assert not takes_place_of(APPEND, APPEND)


def test_reply_of_the_slower_peer_may_be_stepped_later():
    assert may_be_stepped_later(STORED, SETTLED)
    assert may_be_stepped_later(replace(STORED, match_index=7), SETTLED)


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        (replace(STORED, success=False), SETTLED),
        (replace(STORED, read_id="r"), SETTLED),
        (replace(STORED, term=3), SETTLED),
        (replace(STORED, match_index=5), SETTLED),
        (STORED, replace(SETTLED, commit_index=5)),
        (STORED, replace(SETTLED, role=Follower(1.0))),
        (RequestVoteResponse(2, vote_granted=True), SETTLED),
    ],
)
def test_reply_that_may_bring_something_on_is_stepped_at_once(reply, state):
    assert not may_be_stepped_later(reply, state)
