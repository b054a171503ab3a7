"""The commit rule (Raft §5.3, §5.4.2), and what became of a proposal (DESIGN §4).

A leader commits an index when a majority of the voters stores it *and* its entry is of the
leader's own term; what is below follows. Figure 8 shows what happens without the second half.
"""

from __future__ import annotations

from enum import Enum

from .log import LogView
from .roles import become_follower
from .state import Leader, NodeState
from .turn import Turn


class Outcome(Enum):
    """What is known, here and now, of a proposal that was accepted."""

    PENDING = "pending"
    APPLIED = "applied"
    LOST = "lost"
    COMPACTED = "compacted"
    """It was committed or lost, and the log no longer tells: ask the state machine's memory."""


def advance_commit_index(turn: Turn) -> None:
    """Commit the highest index a majority stores, if its entry is of the current term (§5.4.2)."""
    index = stored_by_majority(turn.state, turn.leader)
    # From first_index on, every entry of the leader's log is of its own term.
    if index <= turn.state.commit_index or index < turn.leader.first_index:
        return
    turn.update(commit_index=index)


def stored_by_majority(state: NodeState, leader: Leader) -> int:
    """The highest index that a majority of the voters is known to store.

    The leader counts itself through its last index, and only if it is a voter: it may be
    replicating its own removal (thesis §4.2.2).
    """
    voters = state.configuration.voters
    indexes = [
        state.last_log_index if node_id == state.node_id else leader.progress[node_id].match_index
        for node_id in voters
    ]
    indexes.sort(reverse=True)
    return indexes[state.configuration.majority - 1]


def follow_commit_index(turn: Turn, index: int) -> None:
    """Take over a leader's commit_index, which never falls."""
    if index > turn.state.commit_index:
        turn.update(commit_index=index)


def step_down_if_removed(turn: Turn) -> bool:
    """A leader outside the committed members has done its last duty (thesis §4.2.2)."""
    configuration = turn.state.configuration
    if turn.state.node_id in configuration.voters or configuration.index > turn.state.commit_index:
        return False
    become_follower(turn, turn.state.current_term)
    return True


def outcome_of(state: NodeState, log: LogView, index: int, term: int) -> Outcome:
    """What became of the command accepted at (`index`, `term`), as far as this node can tell.

    Applied: the index is applied with that term. Lost, for certain: it is committed with another.
    """
    if index > state.commit_index:
        return Outcome.PENDING
    stored_term = log.term_at(index)
    if stored_term is None:
        return Outcome.COMPACTED
    if stored_term != term:
        return Outcome.LOST
    return Outcome.APPLIED if index <= state.last_applied else Outcome.PENDING
