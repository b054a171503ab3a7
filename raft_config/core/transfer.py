"""Handing leadership over (thesis §3.10).

The leader refuses proposals until the target has everything, then tells it to campaign at once.
If no new leader has shown itself within an election timeout, it goes on as before.
"""

from __future__ import annotations

from dataclasses import replace

from .effects import Refusal, Refused
from .election import campaign, may_campaign
from .events import TransferLeadership
from .messages import TimeoutNow, TimeoutNowResponse
from .roles import become_follower
from .state import Leader, Transfer
from .turn import Turn


def transfer_leadership(turn: Turn, event: TransferLeadership) -> None:
    """Begin a hand-over to a voter; nothing is awaited here."""
    role = turn.state.role
    if not isinstance(role, Leader):
        turn.effects.append(Refused(Refusal.NOT_LEADER, turn.state.leader_id))
        return
    target = event.target or _most_complete_voter(turn, role)
    if target == turn.state.node_id:
        turn.effects.append(Refused(Refusal.NOTHING_NEW, target))
    elif target not in turn.state.configuration.voters:
        turn.effects.append(Refused(Refusal.NOT_A_VOTER, turn.state.node_id))
    else:
        deadline = turn.now + turn.settings.election_timeout_seconds
        turn.set_role(replace(role, transfer=Transfer(target, deadline)))


def continue_transfer(turn: Turn) -> None:
    """Tell a target that has everything to campaign; give up when the time is over."""
    role = turn.leader
    if role.transfer is None:
        return
    progress = role.progress.get(role.transfer.target)
    is_running = turn.is_running(role.transfer.deadline, turn.settings.election_timeout_seconds)
    if progress is None or not is_running:
        turn.set_role(replace(role, transfer=None))
    elif progress.match_index == turn.state.last_log_index:
        _tell(turn, role, role.transfer)


def _tell(turn: Turn, role: Leader, transfer: Transfer) -> None:
    retry = turn.settings.append_retry_seconds
    if not turn.is_running(transfer.told_deadline, retry):
        turn.send(transfer.target, TimeoutNow(turn.state.current_term))
        told = replace(transfer, told_deadline=turn.now + retry)
        turn.set_role(replace(role, transfer=told))


def handle_timeout_now(turn: Turn, sender: str, message: TimeoutNow) -> None:
    """Campaign without asking first: the leader itself wants it."""
    if message.term > turn.state.current_term:
        become_follower(turn, message.term, sender)
    turn.reply(TimeoutNowResponse(turn.state.current_term))
    is_current = message.term == turn.state.current_term and not turn.state.is_leader
    if is_current and may_campaign(turn.state):
        campaign(turn, transfer=True)


def _most_complete_voter(turn: Turn, role: Leader) -> str:
    """The voter to hand over to; the leader itself when no other one answers."""
    candidates = [
        (progress.match_index, node_id)
        for node_id, progress in role.progress.items()
        if node_id in turn.state.configuration.voters and turn.is_recent(progress.contact_at)
    ]
    return max(candidates, default=(0, turn.state.node_id))[1]
