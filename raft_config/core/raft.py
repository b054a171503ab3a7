"""The single door of the core: `step`. Whatever happens to a node goes through here.

    event --> its handler --> (a leader) what it owes everyone --> state and effects

The same state, event, time and jitter give the same result, byte for byte. Nothing is raised but
InvariantViolatedError, and then nothing may be stored: a safety bug becomes a stopped node.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import (
    commit,
    effects,
    election,
    events,
    membership,
    messages,
    reads,
    replication,
    snapshot,
    transfer,
)
from .effects import Effect
from .events import AllowLeadership, Applied, Drain, Event, Receive, TakeSnapshot, Tick
from .log import LogView
from .messages import Envelope, PreVoteResponse, Rejected, Rejection
from .roles import become_follower
from .settings import RaftSettings
from .state import NOT_HEARD, Follower, Leader, NodeState
from .turn import Turn

MAX_TERM_JUMP = 1 << 32
"""Each election adds one to the term, so no node falls so far behind in a century."""


def step(
    state: NodeState,
    event: Event,
    *,
    log: LogView,
    settings: RaftSettings,
    now: float,
    jitter: float,
) -> tuple[NodeState, list[Effect]]:
    """The state after the event, and what its runtime must do; see `effects` for when.

    `now` is in seconds, of any clock; `jitter` in [0, 1) spreads the election timeouts.
    """
    turn = Turn(state, log, settings, now, jitter)
    _EVENTS[type(event)](turn, event)
    if isinstance(turn.state.role, Leader):
        _tend_peers(turn)
    if turn.state.commit_index > turn.state.last_applied and not isinstance(event, Applied):
        most = turn.state.last_applied + settings.max_apply_entries
        turn.effects.append(effects.Apply(min(turn.state.commit_index, most)))
    turn.effects.extend(effects.news(state, turn.state))
    return turn.state, turn.effects


def next_deadline(state: NodeState) -> float:
    """The instant of the next thing to do; a Tick before it changes nothing."""
    role = state.role
    if not isinstance(role, Leader):
        return role.election_deadline
    return role.heartbeat_deadline if role.progress else math.inf


def _tend_peers(turn: Turn) -> None:
    """What a leader owes its peers after anything happened."""
    commit.advance_commit_index(turn)
    membership.bind_members(turn)
    membership.promote_learners(turn)
    commit.advance_commit_index(turn)  # alone, it has just stored what it appended
    replication.replicate(turn)
    transfer.continue_transfer(turn)
    commit.step_down_if_removed(turn)


# -- events


def _tick(turn: Turn, _event: Tick) -> None:
    role = turn.state.role
    if not isinstance(role, Leader):
        election.check_election_timeout(turn, role)
        return
    if not election.check_quorum(turn, role):
        return
    interval = turn.settings.heartbeat_interval_seconds
    if not turn.is_running(role.heartbeat_deadline, interval):
        replication.send_heartbeats(turn)


def _allow_leadership(turn: Turn, event: AllowLeadership) -> None:
    if event.allowed != turn.state.may_lead:
        turn.update(may_lead=event.allowed)
    if not event.allowed:
        _stand_back(turn)


def _drain(turn: Turn, event: Drain) -> None:
    if event.drained != turn.state.drained:
        turn.update(drained=event.drained)
    if event.drained:
        _stand_back(turn)


def _stand_back(turn: Turn) -> None:
    if not isinstance(turn.state.role, Follower):
        become_follower(turn, turn.state.current_term)


def _take_snapshot(turn: Turn, _event: TakeSnapshot) -> None:
    snapshot.take_snapshot(turn)


def _receive(turn: Turn, event: Receive) -> None:
    envelope = event.envelope
    refusal = _refusal_of(turn.state, envelope)
    handle_request = _REQUESTS.get(type(envelope.message))
    if handle_request is None:
        if refusal is None:
            _receive_response(turn, envelope)
        elif refusal is not Rejection.WRONG_INCARNATION:
            turn.effects.append(_rejected(envelope, refusal))
        return
    turn.request = envelope
    if refusal is None:
        handle_request(turn, envelope.sender, envelope.message)
    else:
        turn.reply(Rejected(turn.state.current_term, refusal))


def _refusal_of(state: NodeState, envelope: Envelope) -> Rejection | None:
    """Why nothing of this is taken in, whatever it says."""
    configuration = state.configuration
    # A newcomer takes over the generation of whoever lets it in.
    if not configuration.is_unknown and envelope.generation != configuration.generation:
        return Rejection.OTHER_GENERATION
    if envelope.recipient_incarnation not in ("", state.incarnation):
        return Rejection.WRONG_INCARNATION
    # One message near the end of what can be stored, and no node could ever campaign again.
    if not configuration.is_unknown and envelope.message.term > state.current_term + MAX_TERM_JUMP:
        return Rejection.TERM_TOO_FAR
    return None


def _rejected(envelope: Envelope, reason: Rejection) -> Effect:
    return effects.PeerRejected(envelope.sender, envelope.sender_incarnation, reason)


def _receive_response(turn: Turn, envelope: Envelope) -> None:
    message = envelope.message
    if isinstance(message, Rejected) or not _is_known_database(turn, envelope):
        # It may have forgotten votes and entries: it must not be counted (DESIGN §2.11).
        is_told = isinstance(message, Rejected) and message.reason is Rejection.TERM_TOO_FAR
        reason = Rejection.TERM_TOO_FAR if is_told else Rejection.WRONG_INCARNATION
        turn.effects.append(_rejected(envelope, reason))
    elif message.term > turn.state.current_term:
        become_follower(turn, message.term)
    elif message.term == turn.state.current_term:
        _note_speaker(turn, envelope)
        _RESPONSES[type(message)](turn, envelope.sender, message)
    elif isinstance(message, PreVoteResponse):  # may be granted from an older term; others are late
        election.handle_pre_vote_response(turn, envelope.sender, message)


def _is_known_database(turn: Turn, envelope: Envelope) -> bool:
    """Whether the members know this incarnation, and a leader heard no other one in its term."""
    member = turn.state.configuration.by_id.get(envelope.sender)
    if member is not None and member.incarnation not in ("", envelope.sender_incarnation):
        return False
    role = turn.state.role
    progress = role.progress.get(envelope.sender) if isinstance(role, Leader) else None
    if progress is None or progress.version == NOT_HEARD:
        return True
    return progress.incarnation == envelope.sender_incarnation


def _note_speaker(turn: Turn, envelope: Envelope) -> None:
    role = turn.state.role
    progress = role.progress.get(envelope.sender) if isinstance(role, Leader) else None
    if progress is not None and progress.version != envelope.version:
        incarnation, version = envelope.sender_incarnation, envelope.version
        heard = replace(progress, incarnation=incarnation, version=version)
        turn.set_progress(envelope.sender, heard)


# -- responses that only the leader of their term may count


def _append_entries_response(
    turn: Turn, sender: str, message: messages.AppendEntriesResponse
) -> None:
    if _counts(turn, sender):
        replication.handle_append_entries_response(turn, sender, message)
        reads.acknowledge_read(turn, sender, message.read_id)


def _install_snapshot_response(
    turn: Turn, sender: str, message: messages.InstallSnapshotResponse
) -> None:
    if _counts(turn, sender):
        snapshot.handle_install_snapshot_response(turn, sender, message)


def _timeout_now_response(_turn: Turn, _sender: str, _message: messages.TimeoutNowResponse) -> None:
    """Nothing: the election that follows is the answer."""


def _counts(turn: Turn, sender: str) -> bool:
    role = turn.state.role
    return isinstance(role, Leader) and sender in role.progress


_EVENTS: dict[type[Event], Callable[[Turn, Any], None]] = {
    Tick: _tick,
    Receive: _receive,
    Applied: snapshot.note_applied,
    TakeSnapshot: _take_snapshot,
    AllowLeadership: _allow_leadership,
    Drain: _drain,
    events.Propose: replication.propose,
    events.Read: reads.request_read,
    events.TransferLeadership: transfer.transfer_leadership,
    events.AddLearner: membership.change_membership,
    events.Promote: membership.change_membership,
    events.Remove: membership.change_membership,
    events.ChangeAddress: membership.change_membership,
}

_REQUESTS: dict[type[messages.Message], Callable[[Turn, str, Any], None]] = {
    messages.RequestPreVote: election.handle_request_pre_vote,
    messages.RequestVote: election.handle_request_vote,
    messages.AppendEntries: replication.handle_append_entries,
    messages.InstallSnapshot: snapshot.handle_install_snapshot,
    messages.TimeoutNow: transfer.handle_timeout_now,
}

_RESPONSES: dict[type[messages.Message], Callable[[Turn, str, Any], None]] = {
    messages.PreVoteResponse: election.handle_pre_vote_response,
    messages.RequestVoteResponse: election.handle_request_vote_response,
    messages.AppendEntriesResponse: _append_entries_response,
    messages.InstallSnapshotResponse: _install_snapshot_response,
    messages.TimeoutNowResponse: _timeout_now_response,
}
