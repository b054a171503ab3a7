"""Bugs planted one at a time, to see that the simulator sees them.

Each is one edit of the real source: a snippet of a function and what takes its place. The edited
function is compiled in its own module, and its code is swapped in, so that every reference to the
function runs it. `seeds` is within how many seeds the bug must be caught.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

from raft_config.core import (
    commit,
    corridor,
    effects,
    election,
    membership,
    raft,
    reads,
    replication,
    snapshot,
)
from raft_config.core.configuration import Configuration
from raft_config.memory import MemoryStorage
from raft_config.state_machine import transition

from .clients import Clients
from .world import World


@dataclass(frozen=True, slots=True)
class Bug:
    """One wrong edit, and how soon it must show."""

    name: str
    function: Callable[..., Any]
    old: str
    new: str
    seeds: int = 30
    nodes: int = 3
    steps: int = 2000
    schedules: bool = False
    """Whether the clients schedule changes."""
    paper_test: str = ""
    """The test that catches it ("module:function"), where the simulator would need too long."""


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """Run with the bug in place."""
    function = bug.function
    assert isinstance(function, FunctionType)
    original = function.__code__
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(bug.old) == 1, f"{bug.name}: the code to edit has changed"
    namespace: dict[str, Any] = {}
    edited = "from __future__ import annotations\n" + source.replace(bug.old, bug.new)
    exec(compile(edited, f"<{bug.name}>", "exec"), function.__globals__, namespace)  # noqa: S102
    function.__code__ = namespace[function.__name__].__code__
    try:
        yield
    finally:
        function.__code__ = original


def drop_last_entry(world: World) -> None:
    """What must never be done: take back an entry because a client has given up."""
    leader = world.leader()
    if leader is None or leader.node.state.last_log_index <= leader.node.state.commit_index:
        return
    storage = leader.storage
    storage.log.kept.pop()
    index = storage.state.last_log_index - 1
    term = storage.log.term_at(index)
    assert term is not None
    storage.state = replace(storage.state, last_log_index=index, last_log_term=term)


BUGS = [
    Bug(
        "vote not stored",
        effects.must_be_durable,
        "or after.voted_for != before.voted_for",
        "",
    ),
    Bug(
        "term not stored",
        effects.must_be_durable,
        "after.current_term != before.current_term",
        "False",
    ),
    Bug(
        "entries not stored",
        effects.must_be_durable,
        "(Append, Restore, Compact)",
        "(Restore, Compact)",
    ),
    Bug(
        "a second vote in one term",
        election.handle_request_vote,
        "and state.voted_for in (None, sender)",
        "",
    ),
    Bug(
        "vote without the up-to-date check",
        election.is_up_to_date,
        "(last_log_term, last_log_index) >=",
        "True or (last_log_term, last_log_index) >=",
    ),
    Bug(
        "up-to-date compares length before term",
        election.is_up_to_date,
        "return (last_log_term, last_log_index) >= (state.last_log_term, state.last_log_index)",
        "return last_log_index >= state.last_log_index",
        seeds=200,
    ),
    Bug("equality instead of up-to-date", election.is_up_to_date, ">=", "=="),
    Bug(
        "a pre-vote changes the term",
        election.handle_request_pre_vote,
        "granted = (",
        "become_follower(turn, max(message.term, turn.state.current_term))\n    granted = (",
    ),
    Bug(
        "truncation without conflict",
        replication._without_known,
        "entry.index <= turn.state.commit_index or turn.term_at(entry.index) == entry.term",
        "entry.index <= turn.state.commit_index",
    ),
    Bug(
        "no consistency check before an append",
        replication._agrees_at,
        "turn.term_at(index) == term",
        "index <= turn.state.last_log_index",
    ),
    Bug(
        "commit by counting an older term (figure 8)",
        commit.advance_commit_index,
        " or index < turn.leader.first_index",
        "",
        seeds=100,
    ),
    Bug(
        "min(leader_commit, last index)",
        replication.handle_append_entries,
        "min(message.leader_commit, last_new_index)",
        "min(message.leader_commit, turn.state.last_log_index)",
        seeds=100,
    ),
    Bug(
        "a follower acknowledges all it holds",
        replication.handle_append_entries,
        "max(last_new_index, turn.state.commit_index)",
        "turn.state.last_log_index",
        seeds=100,
    ),
    Bug(
        "majority off by one",
        Configuration.__post_init__,
        "len(voters) // 2 + 1",
        "max(1, len(voters) // 2)",
    ),
    Bug(
        "learner counted",
        Configuration.__post_init__,
        "if member.voter",
        "",
        seeds=60,
    ),
    Bug(
        "entry deleted on a client's timeout",
        Clients._time_out,
        "self.retry(request)",
        "from .planted import drop_last_entry; drop_last_entry(self.world); self.retry(request)",
    ),
    Bug(
        "ReadIndex without a round",
        reads.request_read,
        "acknowledged_by=itself",
        "acknowledged_by=turn.state.configuration.voters",
        seeds=1000,
    ),
    Bug(
        "a round counted for a read that began after it",
        reads.acknowledge_read,
        "read_ids.index(read_id) + 1",
        "len(read_ids)",
        paper_test="tests.core.test_reads:"
        "test_answer_to_an_earlier_round_proves_nothing_for_a_later_read",
    ),
    Bug(
        "a round counted for the read that it names, and not for those before it",
        reads.acknowledge_read,
        "read.acknowledged_by | {sender}",
        "read.acknowledged_by | ({sender} if read.read_id == read_id else set())",
        seeds=60,
    ),
    Bug(
        "ReadIndex at commit_index, which a power cut may lower",
        reads.request_read,
        "turn.state.last_log_index",
        "turn.state.commit_index",
        seeds=300,
    ),
    Bug(
        "retry applied twice",
        transition.apply,
        "first_answer is not None",
        "False",
        seeds=60,
    ),
    Bug(
        "scheduled change still pending when it was made",
        transition._fire,
        "scheduled={planned.schedule_id: None, **changes.scheduled}",
        "scheduled=changes.scheduled",
        schedules=True,
    ),
    Bug(
        "end of a temporary change undoes a later one",
        transition._still_wanted,
        "== planned.guard",
        "> 0",
        schedules=True,
    ),
    Bug(
        "what is put back in place of a temporary value stays temporary",
        transition._lasting_text,
        "if end is not None and end.guard",
        "if False",
        paper_test="tests.core.test_schedules:test_two_temporary_changes_leave_what_was_lasting",
    ),
    Bug(
        "cancelled change made all the same",
        transition._cancel,
        "scheduled={command.schedule_id: None}",
        "scheduled={}",
        schedules=True,
    ),
    Bug(
        "membership change before the first commit",
        membership._refusal_now,
        "max(state.configuration.index, state.role.first_index)",
        "state.configuration.index",
        seeds=60,
    ),
    Bug(
        "two membership changes at a time",
        membership._refusal_now,
        "max(state.configuration.index, state.role.first_index)",
        "state.role.first_index",
        seeds=60,
    ),
    Bug(
        "apply twice after restart",
        MemoryStorage.crash,
        "self.machine.restore(self.log.snapshot_bytes)",
        "return",
    ),
    Bug(
        "snapshot older than commit accepted",
        snapshot.handle_install_snapshot,
        "if _is_known(turn, message):",
        "if False:",
        seeds=100,
    ),
    Bug(
        "send before save",
        corridor.perform,
        "storage.save(before, after, effects)",
        "storage.send_early(effects)\n    storage.save(before, after, effects)",
    ),
    Bug(
        "a wiped database speaks for the old one",
        raft._refusal_of,
        'envelope.recipient_incarnation not in ("", state.incarnation)',
        "False",
        paper_test="tests.core.test_incarnation:"
        "test_answer_that_was_meant_for_another_incarnation_is_dropped",
    ),
    Bug(
        "a drained node campaigns all the same",
        election.may_campaign,
        "state.drained or not state.may_lead",
        "not state.may_lead",
    ),
    Bug(
        "a leader without a majority stays",
        election.check_quorum,
        "turn.state.configuration.is_majority([turn.state.node_id, *heard])",
        "True",
        paper_test="tests.core.test_quorum:"
        "test_leader_that_hears_no_majority_for_an_election_timeout_steps_down",
    ),
]
