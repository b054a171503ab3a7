"""A commit is flushed to the disk exactly where a promise rests on it (DESIGN §2.2, §2.3)."""

import pytest
from django.db import connection, transaction
from django.test import TestCase

from raft_config.core.configuration import Configuration
from raft_config.core.events import AllowLeadership, Propose, Read, Receive, Remove, Tick
from raft_config.core.log import Entry, SnapshotMeta
from raft_config.core.messages import (
    AppendEntries,
    AppendEntriesResponse,
    Envelope,
    InstallSnapshot,
    RequestVote,
    TimeoutNow,
)
from raft_config.core.state import Follower, Leader, Progress
from raft_config.exceptions import InvariantViolatedError
from raft_config.models import Node
from raft_config.storage import DatabaseStorage
from raft_config.storage import durability as durability_module
from raft_config.storage.durability import is_likely_durable

from .helpers import AT, IS_SQLITE, at_commit, state_of, storage_of

pytestmark = pytest.mark.django_db(transaction=True)

DURABLE, RELAXED = (2, 1) if IS_SQLITE else ("on", "off")

HEARTBEAT = AppendEntries(1, 0, 0, (), 0)
VOTE = RequestVote(2, 0, 0)
EMPTY_TICK = Tick()


def level():
    """What the connection would do if it committed now; asked beside Django."""
    setting = "PRAGMA synchronous" if IS_SQLITE else "SHOW synchronous_commit"
    return connection.connection.execute(setting).fetchone()[0]


def levels_of(storage, event, *, likely_durable):
    """The level at each COMMIT, and the one afterwards."""
    found = []
    with at_commit(lambda: found.append(level())):
        storage.perform(event, **AT, likely_durable=likely_durable)
    return found, level()


def received(message):
    return Receive(Envelope("b", "", "a", "", 1, message))


@pytest.fixture
def storage(transactional_db):
    return storage_of(state_of(current_term=1, role=Follower(100.5)))


@pytest.mark.parametrize("event", [received(VOTE), AllowLeadership(allowed=True)])
def test_commit_that_was_expected_to_be_durable_is(storage, event):
    found, afterwards = levels_of(storage, event, likely_durable=True)
    expected = RELAXED if not IS_SQLITE and isinstance(event, AllowLeadership) else DURABLE
    assert (found, afterwards) == ([expected], DURABLE)


@pytest.mark.parametrize("event", [received(HEARTBEAT), EMPTY_TICK], ids=["heartbeat", "tick"])
def test_commit_without_a_promise_is_relaxed_and_the_connection_put_back(storage, event):
    assert levels_of(storage, event, likely_durable=False) == ([RELAXED], DURABLE)


def test_vote_that_was_expected_to_be_nothing_is_durable_all_the_same(storage):
    assert levels_of(storage, received(VOTE), likely_durable=False) == ([DURABLE], DURABLE)
    assert storage.load().voted_for == "b"


def test_first_row_is_durable_whatever_the_step():
    """A node that loses its incarnation has lost its votes, too."""
    storage = DatabaseStorage("default", lambda: state_of(role=Follower(200.0)))
    levels, left = levels_of(storage, Tick(), likely_durable=False)
    assert {*levels, left} == {DURABLE}


def test_connection_is_put_back_after_an_error(storage):
    Node.objects.update(commit_index=0, role_data="[]")
    with pytest.raises(TypeError):
        storage.perform(Tick(), **AT, likely_durable=False)
    assert level() == DURABLE
    assert not connection.in_atomic_block


def test_step_that_breaks_a_rule_is_undone():
    """Two leaders of one term: the node stops, and what it knew is kept."""
    state = state_of(current_term=1, role=Leader(1, 100.1, {"b": Progress(1), "c": Progress(1)}))
    storage = storage_of(state)
    with pytest.raises(InvariantViolatedError, match="Both b and a lead term 1"):
        storage.perform(received(HEARTBEAT), **AT, likely_durable=False)
    assert storage.load() == state
    assert level() == DURABLE


def test_step_within_a_transaction_of_the_site_is_refused(storage):
    """Its reply would leave before the site's COMMIT, and the site's error would take it back."""
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        storage.perform(received(VOTE), **AT, likely_durable=True)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        storage.perform(received(VOTE), **AT, likely_durable=False)
    assert storage.load().voted_for is None


def test_database_without_such_a_setting_is_always_durable(storage, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "other")
    with durability_module.relaxed_commits("default") as is_relaxed:
        assert is_relaxed is False
    durability_module.relax_this_commit("default")
    assert level() == DURABLE


def test_postgresql_is_told_before_the_commit(storage, monkeypatch):
    """Seen here on every database; what the server makes of it, only on PostgreSQL."""
    told = []
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with connection.execute_wrapper(lambda _execute, sql, *_: told.append(sql)):
        durability_module.relax_this_commit("default")
    assert told == ["SET LOCAL synchronous_commit TO OFF"]


class WithinATestCase(TestCase):
    """A project's own tests wrap everything in a transaction that never reaches the disk."""

    def test_steps_work_there_too(self):
        storage = DatabaseStorage("default", lambda: state_of(role=Follower(200.0)))
        storage.perform(Tick(), **AT, likely_durable=False)
        storage.perform(received(VOTE), **AT, likely_durable=False)
        assert storage.load().voted_for == "b"


# -- the guess

SNAPSHOT = SnapshotMeta(1, 1, Configuration(), 0, "")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Tick(), False),
        (Read("r"), False),
        (AllowLeadership(allowed=False), False),
        (Propose((b"",)), True),
        (Remove("b"), True),
        (RequestVote(2, 0, 0), True),
        (TimeoutNow(2), True),
        (InstallSnapshot(2, SNAPSHOT, 0, b""), True),
        (AppendEntries(1, 0, 0, (Entry(1, 1),), 0), True),
        (AppendEntries(1, 0, 0, (), 0), False),
        (AppendEntriesResponse(1, success=True, match_index=1, prev_log_index=0), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_flush_is_expected_where_a_promise_will_mostly_rest_on_it(event, expected):
    is_event = isinstance(event, (Tick, Read, AllowLeadership, Propose, Remove))
    assert is_likely_durable(event if is_event else received(event)) is expected
