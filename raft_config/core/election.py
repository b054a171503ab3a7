"""Elections: Raft §5.2 and §5.4.1, pre-vote and check-quorum (thesis §6.2, §9.6), stickiness.

    follower --timeout--> pre-candidate --majority would--> candidate --majority did--> leader

Safety rests on two rules only: one vote per node and term, and a vote only for a log at least as
complete as one's own. All the rest keeps a working leader from being disturbed. What may *not*
live here: what a leader does once elected (`replication`).
"""

from __future__ import annotations

from dataclasses import replace

from .configuration import Configuration
from .effects import Removed
from .log import Entry
from .messages import (
    PreVoteResponse,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)
from .roles import become_candidate, become_follower, become_leader, become_pre_candidate
from .state import Candidate, Follower, Leader, NodeState, PreCandidate
from .turn import Turn


def may_campaign(state: NodeState) -> bool:
    """Whether this node may ask for votes: a voter, in the latest or the last committed members.

    The second part is needed while the entry that took its vote away is not committed: its log may
    be the only one complete enough to win (thesis §4.2.2).
    """
    if state.drained or not state.may_lead:
        return False
    if state.node_id in state.configuration.voters:
        return True
    is_pending = state.configuration.index > state.commit_index
    return is_pending and state.node_id in state.previous_configuration.voters


def check_election_timeout(turn: Turn, role: Follower | PreCandidate | Candidate) -> None:
    """Campaign when no leader was heard, or no election won, in time (§5.2)."""
    longest = 2 * turn.settings.election_timeout_seconds
    if turn.is_running(role.election_deadline, longest):
        return
    if not may_campaign(turn.state):
        turn.set_role(Follower(turn.next_election_deadline()))
        return
    become_pre_candidate(turn)
    if _has_won(turn.state.configuration, turn.state.role):
        campaign(turn)
        return
    for peer in _voting_peers(turn):
        turn.send(peer, RequestPreVote(*_standing(turn.state)))


def campaign(turn: Turn, *, transfer: bool = False) -> None:
    """Ask for votes in a new term."""
    become_candidate(turn)
    if _has_won(turn.state.configuration, turn.state.role):
        _lead(turn)
        return
    for peer in _voting_peers(turn):
        turn.send(peer, RequestVote(*_standing(turn.state), transfer=transfer))


def handle_request_pre_vote(turn: Turn, sender: str, message: RequestPreVote) -> None:
    """Say whether a vote would be given; change nothing (thesis §9.6)."""
    granted = (
        message.term >= turn.state.current_term
        and is_up_to_date(turn.state, message.last_log_index, message.last_log_term)
        and not hears_leader(turn)
        and not _has_forgotten(turn, message)
    )
    turn.reply(
        PreVoteResponse(
            term=turn.state.current_term,
            candidate_term=message.term,
            vote_granted=granted,
            removed=_is_removed(turn.state, sender),
        ),
    )


def handle_pre_vote_response(turn: Turn, sender: str, message: PreVoteResponse) -> None:
    """Count the voters that would; with a majority of them, campaign."""
    if message.removed:
        turn.effects.append(Removed(by=sender))
    role = turn.state.role
    is_current = message.candidate_term == turn.state.current_term
    if not (is_current and message.vote_granted and isinstance(role, PreCandidate)):
        return
    role = PreCandidate(role.election_deadline, role.votes | {sender})
    turn.set_role(role)
    if _has_won(turn.state.configuration, role):
        campaign(turn)


def handle_request_vote(turn: Turn, sender: str, message: RequestVote) -> None:
    """Grant one vote per term, and only to a log as complete as one's own (§5.2, §5.4.1)."""
    if message.term > turn.state.current_term:
        if hears_leader(turn) and not message.transfer:
            # A node that was cut off, or removed, must not depose a leader that works (§6).
            turn.reply(RequestVoteResponse(turn.state.current_term, vote_granted=False))
            return
        become_follower(turn, message.term)
    state = turn.state
    granted = (
        message.term == state.current_term
        and state.voted_for in (None, sender)
        and state.leader_id is None
        and is_up_to_date(state, message.last_log_index, message.last_log_term)
        and not _has_forgotten(turn, message)
    )
    if granted and state.voted_for is None:
        # Granting is the other reason, beside a leader, to restart the election timer (§5.2).
        turn.update(role=Follower(turn.next_election_deadline()), voted_for=sender)
    turn.reply(RequestVoteResponse(state.current_term, vote_granted=granted))


def handle_request_vote_response(turn: Turn, sender: str, message: RequestVoteResponse) -> None:
    """Count the votes of this term; with a majority, lead."""
    role = turn.state.role
    if not isinstance(role, Candidate) or not message.vote_granted:
        return
    role = Candidate(role.election_deadline, role.votes | {sender})
    turn.set_role(role)
    if _has_won(turn.state.configuration, role):
        _lead(turn)


def check_quorum(turn: Turn, role: Leader) -> bool:
    """Step down unless a majority answered within an election timeout; says whether it leads on."""
    heard = [
        node_id
        for node_id, progress in role.progress.items()
        if turn.is_recent(progress.contact_at)
    ]
    if turn.state.configuration.is_majority([turn.state.node_id, *heard]):
        return True
    become_follower(turn, turn.state.current_term)
    return False


def is_up_to_date(state: NodeState, last_log_index: int, last_log_term: int) -> bool:
    """Whether a candidate's log is as complete as ours: a later last term, or longer (§5.4.1)."""
    return (last_log_term, last_log_index) >= (state.last_log_term, state.last_log_index)


def hears_leader(turn: Turn) -> bool:
    """Whether a leader works, as seen here: it was heard within the least election timeout (§6)."""
    role = turn.state.role
    if isinstance(role, Follower):
        return role.leader_id is not None and turn.is_recent(role.heard_at)
    return isinstance(role, Leader)


def _has_forgotten(turn: Turn, message: RequestPreVote | RequestVote) -> bool:
    """Whether the candidate is not the database that the members know, but an emptier one.

    It may have voted in this very term, for another. One that was added again holds the entry
    that says so, hence a more complete log than a node that has not heard of it.
    """
    state, request = turn.state, turn.request
    member = state.configuration.by_id.get(request.sender) if request else None
    if member is None or request is None:
        return False
    if member.incarnation in ("", request.sender_incarnation):
        return False
    ours = (state.last_log_term, state.last_log_index)
    return (message.last_log_term, message.last_log_index) <= ours


def _lead(turn: Turn) -> None:
    """Open the term with a no-op: only through it do older entries commit (§5.4.2, §8).

    The first leader of all writes the initial members instead, so that the log tells them to
    whoever joins later.
    """
    become_leader(turn)
    index, configuration = turn.leader.first_index, turn.state.configuration
    initial = replace(configuration, index=index) if configuration.index == 0 else None
    turn.append([Entry(index, turn.state.current_term, configuration=initial)])


def _has_won(configuration: Configuration, role: object) -> bool:
    return isinstance(role, (PreCandidate, Candidate)) and configuration.is_majority(role.votes)


def _voting_peers(turn: Turn) -> list[str]:
    voters = turn.state.configuration.voters
    return [peer for peer in turn.peers() if peer in voters]


def _standing(state: NodeState) -> tuple[int, int, int]:
    return state.current_term, state.last_log_index, state.last_log_term


def _is_removed(state: NodeState, node_id: str) -> bool:
    configuration = state.configuration
    return configuration.index <= state.commit_index and node_id in configuration.removed
