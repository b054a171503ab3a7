"""What a step asks of its runtime, in three kinds, by when they must happen.

With the state, in one transaction:  Append, StoreChunk, Restore, Compact, Apply.
After that transaction has committed: Send, Reply (they promise what was stored).
To whoever asked or listens:          Accepted, Refused, ReadConfirmed, ReadAborted, and the news.

After Apply the runtime steps `Applied`, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from ..exceptions import noop
from .configuration import Configuration
from .log import Entry, SnapshotMeta
from .messages import Envelope, Rejection
from .state import NodeState


@dataclass(frozen=True, slots=True)
class Append:
    """Store these consecutive entries; they replace all at and after the first one's index."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class StoreChunk:
    """Store a part of the incoming snapshot; at offset 0 it replaces any earlier one."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Restore:
    """The incoming snapshot is whole: it replaces the snapshot, the log and all applied values."""

    meta: SnapshotMeta


@dataclass(frozen=True, slots=True)
class Compact:
    """Take a snapshot of the state machine, which stands at `index`; keep the log from `keep_from`.

    Entry `keep_from - 1` becomes the log's base: its term must stay known.
    """

    index: int
    term: int
    configuration: Configuration
    keep_from: int


@dataclass(frozen=True, slots=True)
class Apply:
    """Apply the entries after last_applied, up to and with `through`."""

    through: int


@dataclass(frozen=True, slots=True)
class Send:
    """A request to a peer; the answer comes back as a `Receive`."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Reply:
    """The one answer to the request that was received."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Accepted:
    """In the log from `index` on, in `term`; not committed yet."""

    index: int
    term: int


class Refusal(Enum):
    """Why nothing was stored. The text tells the reader what to do."""

    NOT_LEADER = noop("this node does not lead; ask the leader")
    TRANSFERRING = noop("leadership is being handed over; try again in a moment")
    EMPTY = noop("there is no command in it")
    OVERLOADED = noop("too much is waiting for a majority; try again when more nodes are up")
    TOO_LARGE = noop("a command is larger than max_command_bytes")
    UNSUPPORTED = noop("a member does not speak the protocol version this needs; upgrade it first")
    CHANGE_PENDING = noop("another change of members is not committed yet; try again in a moment")
    UNKNOWN_MEMBER = noop("there is no such member")
    ALREADY_MEMBER = noop("there is a member of that id already; remove it first")
    LAST_VOTER = noop("the cluster must keep a voter")
    NOT_A_VOTER = noop("only a voter can lead; promote it first")
    NOTHING_NEW = noop("nothing to do: it is so already")


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was stored, for certain."""

    refusal: Refusal
    leader_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadConfirmed:
    """What is applied through `index` answers the read."""

    read_id: str
    index: int


@dataclass(frozen=True, slots=True)
class ReadAborted:
    """Leadership was lost first: try again, with another read_id."""

    read_id: str


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """News: this node has another role."""

    role: str
    term: int


@dataclass(frozen=True, slots=True)
class LeaderChanged:
    """News: this node sees another leader, or none."""

    leader_id: str | None
    term: int


@dataclass(frozen=True, slots=True)
class MembershipChanged:
    """News: another configuration counts here from now on (it may not be committed yet)."""

    configuration: Configuration


@dataclass(frozen=True, slots=True)
class PeerRejected:
    """News: a peer is not, or no longer, who the members agreed on."""

    node_id: str
    incarnation: str
    reason: Rejection = Rejection.WRONG_INCARNATION


@dataclass(frozen=True, slots=True)
class Removed:
    """News: a member says that the cluster has removed this node. It can only be added again."""

    by: str


News = RoleChanged | LeaderChanged | MembershipChanged | PeerRejected | Removed
Effect = (
    Append
    | StoreChunk
    | Restore
    | Compact
    | Apply
    | Send
    | Reply
    | Accepted
    | Refused
    | ReadConfirmed
    | ReadAborted
    | News
)


def news(before: NodeState, after: NodeState) -> list[Effect]:
    """What listeners learn from the difference of two states."""
    found: list[Effect] = []
    if after.role is not before.role and after.role.name != before.role.name:
        found.append(RoleChanged(after.role.name, after.current_term))
    if after.leader_id != before.leader_id:
        found.append(LeaderChanged(after.leader_id, after.current_term))
    if after.configuration != before.configuration:
        found.append(MembershipChanged(after.configuration))
    return found


def must_be_durable(before: NodeState, after: NodeState, effects: Iterable[Effect]) -> bool:
    """Whether a promise rests on what this step changed; if not, a crash may lose it.

    Promises rest on terms, votes, entries, snapshots, members and on becoming leader. All else
    (commit_index, values with last_applied, progress, deadlines) is derived again, provided that
    it is lost together and in order.
    """
    return (
        after.current_term != before.current_term
        or after.voted_for != before.voted_for
        or after.configuration is not before.configuration
        or (after.is_leader and not before.is_leader)
        or any(isinstance(effect, (Append, Restore, Compact)) for effect in effects)
    )
