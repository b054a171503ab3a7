"""The only changes of role: become_follower, become_pre_candidate, become_candidate, become_leader.

Raft figure 4. Each sets the role and, where the paper says so, term and vote; what follows from a
new role (asking for votes, opening a term) is done by whoever changed it.
"""

from __future__ import annotations

from ..exceptions import InvariantViolatedError
from .effects import ReadAborted
from .state import Candidate, Follower, Leader, PreCandidate, Progress
from .turn import Turn


def become_follower(turn: Turn, term: int, leader_id: str | None = None) -> None:
    """Follow `leader_id`, or wait for a leader, in `term`; a new term has a free vote (§5.1).

    Only a heard leader restarts the election timer here: a candidate that cannot win must not keep
    postponing the election of one that can.
    """
    state = turn.state
    if term < state.current_term:
        raise InvariantViolatedError(f"The term would fall from {state.current_term} to {term}.")
    if isinstance(state.role, Leader):
        turn.effects.extend(ReadAborted(read.read_id) for read in state.role.reads)
    if leader_id is None and not isinstance(state.role, Leader):
        deadline = state.role.election_deadline
    else:
        deadline = turn.next_election_deadline()
    role = Follower(
        election_deadline=deadline,
        leader_id=leader_id,
        heard_at=turn.now if leader_id is not None else None,
    )
    if term > state.current_term:
        turn.update(role=role, current_term=term, voted_for=None)
    else:
        turn.set_role(role)


def accept_leader(turn: Turn, sender: str, term: int) -> bool:
    """Follow the leader of this term; refuse one of an older term (§5.1)."""
    state = turn.state
    if term < state.current_term:
        return False
    if term == state.current_term and state.leader_id not in (None, sender):
        raise InvariantViolatedError(f"Both {sender} and {state.leader_id} lead term {term}.")
    become_follower(turn, term, sender)
    return True


def become_pre_candidate(turn: Turn) -> None:
    """Ask before disturbing: neither term nor vote change (thesis §9.6)."""
    turn.set_role(PreCandidate(turn.next_election_deadline(), frozenset({turn.state.node_id})))


def become_candidate(turn: Turn) -> None:
    """Open a new term and vote for oneself (§5.2)."""
    turn.update(
        role=Candidate(turn.next_election_deadline(), frozenset({turn.state.node_id})),
        current_term=turn.state.current_term + 1,
        voted_for=turn.state.node_id,
    )


def become_leader(turn: Turn) -> None:
    """Lead the current term: next_index starts after the own log, match_index at 0 (figure 2)."""
    if not isinstance(turn.state.role, Candidate):
        raise InvariantViolatedError(f"A {turn.state.role.name} would become leader.")
    next_index = turn.state.last_log_index + 1
    turn.set_role(
        Leader(
            first_index=next_index,
            heartbeat_deadline=turn.now + turn.settings.heartbeat_interval_seconds,
            progress={
                peer: Progress(next_index=next_index, contact_at=turn.now) for peer in turn.peers()
            },
        )
    )
