"""Changes of the members, one server at a time (thesis §4), through the log.

A configuration counts as soon as it is stored. Majorities of two that differ by one voter
overlap; so the next change waits until the last one is committed, and the first of a term until
the term has committed something (the gap found after publication: raft-dev, July 2015).
What may *not* live here: who may vote in an election (`election.may_campaign`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .configuration import Configuration, Member
from .effects import Accepted, Refusal, Refused
from .events import AddLearner, ChangeAddress, MembershipChange, Promote, Remove
from .log import Entry
from .state import NOT_HEARD, Leader, NodeState, Progress
from .turn import Turn

Change = Configuration | Refusal


def change_membership(turn: Turn, event: MembershipChange) -> None:
    """Append the changed configuration as leader, or say why not."""
    refusal = _refusal_now(turn)
    changed = refusal or _CHANGES[type(event)](turn.state.configuration, event)
    if isinstance(changed, Refusal):
        turn.effects.append(Refused(changed, turn.state.leader_id))
        return
    _append(turn, changed)
    turn.effects.append(Accepted(turn.state.last_log_index, turn.state.current_term))


def bind_members(turn: Turn) -> None:
    """Write down who really answers behind each member's id, and the protocol it speaks."""
    state = turn.state
    configuration = state.configuration
    for member in configuration.members:
        incarnation, version = _heard(state, turn.leader, member)
        if (member.incarnation, member.version) != (incarnation, version):
            bound = replace(member, incarnation=incarnation, version=version)
            configuration = configuration.with_member(bound)
    if configuration is not state.configuration and _refusal_now(turn) is None:
        _append(turn, configuration)


def _heard(state: NodeState, role: Leader, member: Member) -> tuple[str, int]:
    """Incarnation and version of a member, by its own word, or as written down before."""
    if member.node_id == state.node_id:
        return state.incarnation, state.version
    progress = role.progress[member.node_id]
    if progress.version == NOT_HEARD:
        return member.incarnation, member.version
    return progress.incarnation, progress.version


def promote_learners(turn: Turn) -> None:
    """Give the vote to a learner that has caught up (thesis §4.2.1).

    It stores what was there when it was added, and lacks no more than one batch of what came
    since: under steady writes it may never be level.
    """
    configuration = turn.state.configuration
    for node_id, progress in turn.leader.progress.items():
        member = configuration.by_id[node_id]
        if member.voter or not member.promote or not turn.is_recent(progress.contact_at):
            continue
        lag = turn.state.commit_index - progress.match_index
        has_caught_up = (
            progress.match_index >= max(1, configuration.index)
            and lag <= turn.settings.max_batch_entries
        )
        if has_caught_up and _refusal_now(turn) is None:
            _append(turn, configuration.with_member(replace(member, voter=True)))
            return


def _refusal_now(turn: Turn) -> Refusal | None:
    state = turn.state
    if not isinstance(state.role, Leader):
        return Refusal.NOT_LEADER
    if state.role.transfer is not None:
        return Refusal.TRANSFERRING
    if max(state.configuration.index, state.role.first_index) > state.commit_index:
        return Refusal.CHANGE_PENDING
    return None


def _append(turn: Turn, configuration: Configuration) -> None:
    state = turn.state
    index = state.last_log_index + 1
    configuration = replace(configuration, index=index)
    turn.append([Entry(index, state.current_term, configuration=configuration)])
    _track_peers(turn)


def _track_peers(turn: Turn) -> None:
    """Keep progress for exactly the peers in the configuration that counts."""
    role = turn.leader
    fresh = Progress(next_index=turn.state.last_log_index, contact_at=turn.now)
    progress = {peer: role.progress.get(peer, fresh) for peer in turn.peers()}
    turn.set_role(replace(role, progress=progress))


# -- each change: the new configuration, or why there is none


def _add_learner(configuration: Configuration, event: AddLearner) -> Change:
    if event.node_id in configuration.by_id:
        return Refusal.ALREADY_MEMBER
    return configuration.with_member(
        Member(
            event.node_id,
            event.address,
            voter=False,
            promote=event.promote,
            incarnation=event.incarnation,
        )
    )


def _promote(configuration: Configuration, event: Promote) -> Change:
    member = configuration.by_id.get(event.node_id)
    if member is None:
        return Refusal.UNKNOWN_MEMBER
    if member.voter:
        return Refusal.NOTHING_NEW
    return configuration.with_member(replace(member, voter=True))


def _remove(configuration: Configuration, event: Remove) -> Change:
    if event.node_id not in configuration.by_id:
        return Refusal.UNKNOWN_MEMBER
    if configuration.voters == {event.node_id}:
        return Refusal.LAST_VOTER
    return configuration.without_member(event.node_id)


def _change_address(configuration: Configuration, event: ChangeAddress) -> Change:
    member = configuration.by_id.get(event.node_id)
    if member is None:
        return Refusal.UNKNOWN_MEMBER
    if member.address == event.address:
        return Refusal.NOTHING_NEW
    return configuration.with_member(replace(member, address=event.address))


_CHANGES: dict[type[MembershipChange], Callable[[Configuration, Any], Change]] = {
    AddLearner: _add_learner,
    Promote: _promote,
    Remove: _remove,
    ChangeAddress: _change_address,
}
