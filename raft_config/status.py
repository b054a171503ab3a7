"""A read-only picture of the cluster, as this node sees it now; it asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.utils.translation import gettext as _

from .core.configuration import Member
from .core.state import NOT_HEARD, Follower, Leader, NodeState
from .node import Node, get_node
from .storage.rings import SAMPLE_SECONDS

LATEST_SAMPLES = 3
LATE_SHARE = 0.5
"""A driver that is late by so much of an election timeout may cost an election."""

DRIVER_SECONDS = LATEST_SAMPLES * SAMPLE_SECONDS
"""A driver that has left no sample for so long is not at work."""


class Health(Enum):
    """How the cluster is, as far as this node can tell."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    NO_QUORUM = "no quorum"


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One member. What only a leader knows, of those that it has heard, is None elsewhere."""

    node_id: str
    address: str
    is_voter: bool
    is_leader: bool
    is_self: bool
    match_index: int | None
    lag_entries: int | None
    last_contact_seconds: float | None
    """Since the leader heard it; if it has not yet: since it leads, and `match_index` is None."""
    is_up: bool | None


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """What this node knows. Indexes count entries of the log, from 1."""

    node_id: str
    role: str
    term: int
    leader_id: str | None
    commit_index: int
    last_applied: int
    last_log_index: int
    snapshot_index: int
    halted_by: str
    members: tuple[MemberStatus, ...]
    health: Health
    quorum: str
    may_lead: bool
    """False while its own URL does not answer, from which its peers would be cut off."""
    drained: bool
    version: int
    """Of the protocol."""
    values_hash: int
    leader_since: float | None
    """When this node learned who leads, or that nobody does; None if that was long ago."""
    heard_seconds: float | None
    """Since a follower heard its leader; None on the leader, and without one."""
    hears_leader: bool
    """It heard another node lead within an election timeout: then a majority hears that one too."""
    log_entries: int
    log_bytes: int
    snapshot_bytes: int
    driver_age_seconds: float | None
    """Since the driver left a sample, which it does every ten seconds; None: it never has."""
    lateness_seconds: float
    """How late the driver was at the most, in the last half minute."""
    is_late: bool
    """So late that it may cost an election."""
    disagreement: str
    """Which node was found to have applied something else, "" for none: an alarm."""

    @property
    def is_driven(self) -> bool:
        """Whether Celery, or raft_tick, is at work for this node."""
        age = self.driver_age_seconds
        return age is not None and age < DRIVER_SECONDS


def read() -> ClusterStatus:
    """The picture from this node's own database."""
    node = get_node()
    state = node.state
    now = node.clock()
    timeout = node.config.timing.election_timeout_seconds
    members = tuple(
        _member_status(member, state, now, timeout) for member in state.configuration.members
    )
    health, quorum = _quorum(state, members)
    last_applied, values_hash = node.storage.applied_hash()  # of one instant
    return ClusterStatus(
        node_id=state.node_id,
        role=state.role.name,
        term=state.current_term,
        leader_id=state.leader_id,
        commit_index=state.commit_index,
        last_applied=last_applied,
        values_hash=values_hash,
        last_log_index=state.last_log_index,
        snapshot_index=state.snapshot_index,
        halted_by=node.storage.halted_by(),
        members=members,
        health=health,
        quorum=quorum,
        may_lead=state.may_lead,
        drained=state.drained,
        version=state.version,
        **_stored_facts(node, state, now),
    )


def _stored_facts(node: Node, state: NodeState, now: float) -> dict[str, Any]:
    """What the tables tell beside the state."""
    heard_at = state.role.heard_at if isinstance(state.role, Follower) else None
    log_entries, log_bytes = node.storage.log.size()
    snapshot = node.storage.log.snapshot
    rings = node.journal.rings
    heard_seconds = max(0.0, now - heard_at) if heard_at and state.leader_id else None
    patience = node.config.timing.election_timeout_seconds
    driven_at = rings.last_driven(now)
    latest = [each for each in rings.samples(now) if each.ticks][-LATEST_SAMPLES:]
    lateness_seconds = max((each.lateness_seconds for each in latest), default=0.0)
    return {
        "leader_since": rings.leader_since(state.leader_id, state.current_term),
        "heard_seconds": heard_seconds,
        "hears_leader": heard_seconds is not None and heard_seconds < patience,
        "log_entries": log_entries,
        "log_bytes": log_bytes,
        "snapshot_bytes": snapshot.size_bytes if snapshot else 0,
        "driver_age_seconds": None if driven_at is None else max(0.0, now - driven_at),
        "lateness_seconds": lateness_seconds,
        "is_late": lateness_seconds > LATE_SHARE * patience,
        "disagreement": rings.disagreement(),
    }


def _member_status(member: Member, state: NodeState, now: float, timeout: float) -> MemberStatus:
    is_self = member.node_id == state.node_id
    match_index = last_contact = None
    is_up: bool | None = None
    if is_self:
        match_index, is_up = state.last_log_index, True
    elif isinstance(state.role, Leader) and member.node_id in state.role.progress:
        progress = state.role.progress[member.node_id]
        if progress.version != NOT_HEARD:  # else a new leader takes it to store nothing
            match_index = progress.match_index
        last_contact = max(0.0, now - progress.contact_at)
        is_up = last_contact < timeout
    return MemberStatus(
        node_id=member.node_id,
        address=member.address,
        is_voter=member.voter,
        is_leader=member.node_id == state.leader_id,
        is_self=is_self,
        match_index=match_index,
        lag_entries=None if match_index is None else state.last_log_index - match_index,
        last_contact_seconds=last_contact,
        is_up=is_up,
    )


def _quorum(state: NodeState, members: tuple[MemberStatus, ...]) -> tuple[Health, str]:
    """In words: how many voters are up, and how many more may be lost."""
    names = {"node": state.node_id, "leader": state.leader_id}
    if state.leader_id is None:
        told = _("Node %(node)s knows of no leader: no change can be made.")
        return Health.NO_QUORUM, told % names
    if not state.is_leader:
        return Health.HEALTHY, _("Node %(leader)s leads; it knows who is up.") % names
    voters = [member for member in members if member.is_voter]
    up = sum(bool(member.is_up) for member in voters)
    spare = up - state.configuration.majority
    counted = {"up": up, "voters": len(voters)}
    if spare < 0:
        told = _("%(up)d of %(voters)d voters are up: no change can be made.")
        return Health.NO_QUORUM, told % counted
    health = Health.HEALTHY if up == len(members) else Health.DEGRADED
    if spare == 0 and len(voters) > 1:
        told = _("%(up)d of %(voters)d voters are up: one more loss stops changes.")
        return health, told % counted
    return health, _("%(up)d of %(voters)d voters are up.") % counted
