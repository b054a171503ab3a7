"""A process killed between any two statements leaves the state before its event, or after it."""

import pytest
from django.db import connection

from raft_config.core.effects import must_be_durable
from raft_config.core.events import Receive, Tick
from raft_config.core.messages import AppendEntries, Envelope
from raft_config.exceptions import InvariantViolatedError

from .child import Job
from .helpers import (
    AT,
    IS_SQLITE,
    Chaos,
    assert_equal_storage,
    log_content,
    machine_content,
    state_of,
    storage_of,
)

pytestmark = pytest.mark.django_db(transaction=True)


def picture(storage):
    """Everything of a storage, memory or database."""
    state = storage.load() if hasattr(storage, "load") else storage.state
    return state, log_content(storage.log), machine_content(storage)


def test_process_killed_at_any_statement_leaves_the_node_before_or_after_its_event(children):
    """SIGKILL before each statement, before COMMIT and after it, for every kind of event."""
    (child,) = children(1)
    chaos = Chaos(9)
    node = chaos.nodes["c"]
    database = storage_of(node.state)
    shapes, kills = set(), 0

    def shadow(event, now, jitter, before, effects):
        nonlocal kills
        arguments = {"settings": node.settings, "now": now, "jitter": jitter}
        shape = (
            tuple(sorted({type(each).__name__ for each in effects})),
            must_be_durable(before, node.state, effects),
            node.state == before,
        )
        if shape not in shapes:
            shapes.add(shape)
            kills += kill_everywhere(child, database, node, event, arguments)
        else:
            database.perform(event, **arguments, likely_durable=True)

    node.shadow = shadow
    for number in range(500):
        if number == 60:  # from now on it misses what happens, and needs a snapshot
            chaos.nodes.pop("c")
        if number == 250:
            chaos.nodes["c"] = node
        chaos.step()
    assert_equal_storage(node.storage, database)
    assert kills > 100


def kill_everywhere(child, database, node, event, arguments):
    """Kill at each point in turn, until the event survives; how many kills that took."""
    before, after = picture(database), picture(node.storage)
    for kill_at in range(100):
        arguments["likely_durable"] = False
        child.begin(Job(event, arguments, kill_at=kill_at))
        outcome = child.outcome()
        found = picture(database)
        assert found in (before, after)
        if found == after and (after != before or not outcome.killed):
            return kill_at
        assert outcome.killed
    raise AssertionError("the event takes more statements than it should")


def test_error_at_any_statement_takes_everything_back():
    chaos = Chaos(2)
    node = chaos.nodes["a"]
    database = storage_of(node.state)

    def shadow(event, now, jitter, before, effects):
        arguments = {"settings": node.settings, "now": now, "jitter": jitter}
        fail_everywhere(database, event, arguments)

    node.shadow = shadow
    for _ in range(60):
        chaos.step()
    assert_equal_storage(node.storage, database)


class BrokenError(Exception):
    pass


def fail_everywhere(database, event, arguments):
    before = picture(database)
    for fail_at in range(100):
        left = fail_at

        def wrapper(execute, sql, params, many, context):
            nonlocal left
            left -= 1
            if left == -1:
                raise BrokenError
            return execute(sql, params, many, context)

        try:
            with connection.execute_wrapper(wrapper):
                database.perform(event, **arguments, likely_durable=False)
        except BrokenError:
            found = picture(database)
            if found != before:
                # Only what comes after the commit: putting SQLite's durability back.
                assert connection.vendor == "sqlite"
                return
        else:
            return
    raise AssertionError("the event takes more statements than it should")


@pytest.mark.skipif(not IS_SQLITE, reason="a setting of SQLite's connections")
def test_connection_that_cannot_be_made_durable_again_is_closed():
    storage = storage_of(state_of())

    def wrapper(execute, sql, params, many, context):
        if "FULL" in sql:
            raise BrokenError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper), pytest.raises(BrokenError):
        storage.perform(Tick(), **{**AT, "now": 0.0}, likely_durable=False)
    assert connection.connection is None
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)


def test_committed_entry_that_is_missing_stops_the_node():
    state = state_of(current_term=1, last_log_index=2, last_log_term=1)
    storage = storage_of(state)
    event = Receive(Envelope("b", "", "a", "", 1, AppendEntries(1, 2, 1, (), 2)))
    with pytest.raises(InvariantViolatedError, match="Entry 1 is committed, but not stored"):
        storage.perform(event, **AT, likely_durable=False)
    assert storage.load() == state
