"""What a node knows, as one immutable value: Figure 2's box, and what its processes must share.

The role is a value of its own type, so that nothing exists outside the role it belongs to: only a
leader has progress, only a candidate has votes. What may *not* live here: rules. The next state
is made in `turn`, by the modules that each hold one rule of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .configuration import Configuration
from .log import SnapshotMeta

PROTOCOL_VERSION = 1
"""The protocol version that this release speaks."""


NOT_HEARD = 0
"""In place of a protocol version: the peer has not answered in this term."""


@dataclass(frozen=True, slots=True)
class SnapshotTransfer:
    """The snapshot a leader is sending to one peer, and the byte it sends next."""

    meta: SnapshotMeta
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a leader knows of one peer. match_index < next_index."""

    next_index: int
    match_index: int = 0
    contact_at: float = 0.0
    """When the peer last answered in this term."""
    awaiting_deadline: float = 0.0
    """Until then an answer to a batch or chunk is awaited, and no other one is sent."""
    sent_commit: int = 0
    """The commit_index it was last told."""
    incarnation: str = ""
    """Who answered first in this term; an answer by any other is not counted."""
    version: int = NOT_HEARD
    """The protocol version it speaks."""
    snapshot: SnapshotTransfer | None = None


@dataclass(frozen=True, slots=True)
class PendingRead:
    """A linearizable read: valid once a majority has answered a round that began after it."""

    read_id: str
    index: int
    acknowledged_by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Transfer:
    """A hand-over under way; proposals are refused until it succeeds or `deadline` passes."""

    target: str
    deadline: float
    told_deadline: float = 0.0
    """Until then the target has been told, and is not told again."""


@dataclass(frozen=True, slots=True)
class Follower:
    """Hears a leader, or waits for one. A learner stays in this role."""

    name: ClassVar[str] = "follower"
    election_deadline: float
    leader_id: str | None = None
    heard_at: float | None = None
    """When the leader of this term was last heard."""


@dataclass(frozen=True, slots=True)
class PreCandidate:
    """Asks whether it could win before it disturbs anyone (thesis §9.6)."""

    name: ClassVar[str] = "pre_candidate"
    election_deadline: float
    votes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Candidate:
    """Asks for votes in a term of its own (Raft §5.2)."""

    name: ClassVar[str] = "candidate"
    election_deadline: float
    votes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Leader:
    """Every entry from `first_index` on, its no-op, is of its own term."""

    name: ClassVar[str] = "leader"
    first_index: int
    heartbeat_deadline: float
    progress: Mapping[str, Progress] = field(default_factory=dict)
    reads: tuple[PendingRead, ...] = ()
    """In the order in which they began, and are confirmed."""
    transfer: Transfer | None = None
    confirmed_reads: int = 0
    """How many reads were confirmed since this node became leader."""

    @property
    def begun_reads(self) -> int:
        """The number of the read that began last: confirmed once `confirmed_reads` has come to it.

        Also where a power cut has taken reads back: whatever has that number now began later, and
        so its round proves no less.
        """
        return self.confirmed_reads + len(self.reads)


Role = Follower | PreCandidate | Candidate | Leader


@dataclass(frozen=True, slots=True)
class IncomingSnapshot:
    """The snapshot a follower is receiving: so many bytes of it are stored."""

    meta: SnapshotMeta
    offset: int = 0


@dataclass(frozen=True, slots=True)
class NodeState:
    """last_applied <= commit_index <= last_log_index; current_term never falls."""

    node_id: str
    role: Role
    incarnation: str = ""
    version: int = PROTOCOL_VERSION
    current_term: int = 0
    voted_for: str | None = None
    last_log_index: int = 0
    last_log_term: int = 0
    commit_index: int = 0
    last_applied: int = 0
    configuration: Configuration = field(default_factory=Configuration)
    """The latest one in the log, committed or not: it counts at once (thesis §4.1)."""
    previous_configuration: Configuration = field(default_factory=Configuration)
    """The one before it, which returns when the latest is truncated. It is always committed."""
    snapshot_index: int = 0
    """last_included_index of the latest snapshot."""
    unsnapshotted_bytes: int = 0
    """The size of the commands applied since then."""
    incoming: IncomingSnapshot | None = None
    may_lead: bool = True
    """Not while its peers cannot reach it ..."""
    drained: bool = False
    """... nor while an operator has drained it."""

    @property
    def leader_id(self) -> str | None:
        """Who leads the current term, as far as this node knows."""
        if isinstance(self.role, Leader):
            return self.node_id
        return self.role.leader_id if isinstance(self.role, Follower) else None

    @property
    def is_leader(self) -> bool:
        """Whether this node leads its current term."""
        return isinstance(self.role, Leader)


def new_node(
    node_id: str,
    configuration: Configuration,
    *,
    incarnation: str = "",
    version: int = PROTOCOL_VERSION,
    election_deadline: float = 0.0,
) -> NodeState:
    """A node that has seen nothing. One that is to join is given an empty configuration."""
    return NodeState(
        node_id=node_id,
        role=Follower(election_deadline),
        incarnation=incarnation,
        version=version,
        configuration=configuration,
        previous_configuration=configuration,
    )
