"""The RPCs of Raft as frozen values, named as in the paper's figures 2 and 13.

Each request has its own response; a response repeats what its reader needs to place it, because
replies may be late, doubled or out of order. `term` is always the sender's current term.
An `Envelope` says who speaks to whom, and as which incarnations. What may *not* live here: how a
message is written on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .log import Entry, SnapshotMeta


@dataclass(frozen=True, slots=True)
class RequestPreVote:
    """Would you vote for me in the term after `term`? Changes nothing (thesis §9.6)."""

    term: int
    last_log_index: int
    last_log_term: int


@dataclass(frozen=True, slots=True)
class PreVoteResponse:
    """The answer; `candidate_term` repeats the term of the request."""

    term: int
    candidate_term: int
    vote_granted: bool
    removed: bool = False
    """The asker was removed from the cluster, by a committed entry."""


@dataclass(frozen=True, slots=True)
class RequestVote:
    """Raft §5.2. The candidate is the sender."""

    term: int
    last_log_index: int
    last_log_term: int
    transfer: bool = False
    """The leader asked for this election (thesis §3.10): hearing it is no reason to refuse."""


@dataclass(frozen=True, slots=True)
class RequestVoteResponse:
    """A vote, or its refusal, in `term`."""

    term: int
    vote_granted: bool


@dataclass(frozen=True, slots=True)
class AppendEntries:
    """Raft §5.3; without entries a heartbeat. The leader is the sender."""

    term: int
    prev_log_index: int
    prev_log_term: int
    entries: tuple[Entry, ...]
    leader_commit: int
    read_id: str = ""
    """The latest linearizable read that waits for this round; "" when none does (thesis §6.4)."""


@dataclass(frozen=True, slots=True)
class AppendEntriesResponse:
    """On success `match_index` is stored and equal to the leader's log.

    On a refusal `prev_log_index` names the request, and the hint is the follower's last entry at
    or below it whose term is not above the term asked for: one refusal skips a whole term.
    """

    term: int
    success: bool
    match_index: int = 0
    prev_log_index: int = 0
    hint_index: int = 0
    hint_term: int = 0
    read_id: str = ""


@dataclass(frozen=True, slots=True)
class InstallSnapshot:
    """A chunk of a snapshot from `offset` (Raft §7); the last one ends at `meta.size_bytes`."""

    term: int
    meta: SnapshotMeta
    offset: int
    data: bytes

    @property
    def done(self) -> bool:
        """Whether this is the last chunk."""
        return self.offset + len(self.data) >= self.meta.size_bytes


@dataclass(frozen=True, slots=True)
class InstallSnapshotResponse:
    """`next_offset` is the byte wanted next; `installed`: all is in place, or not needed."""

    term: int
    last_included_index: int
    digest: str
    next_offset: int
    installed: bool


@dataclass(frozen=True, slots=True)
class TimeoutNow:
    """Campaign at once: the leader hands over (thesis §3.10)."""

    term: int


@dataclass(frozen=True, slots=True)
class TimeoutNowResponse:
    """Received; whether it led to an election shows in what follows."""

    term: int


class Rejection(Enum):
    """Why a node will not take part in an exchange at all."""

    WRONG_INCARNATION = "wrong_incarnation"
    """The request was meant for a database that this node no longer has (or had) behind its id."""
    OTHER_GENERATION = "other_generation"
    """Sender and receiver are of two lives of the cluster: one of them has been left behind."""
    TERM_TOO_FAR = "term_too_far"
    """The sender's term is further ahead of the receiver's than elections can have brought it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The answer to a request that its receiver must not act on."""

    term: int
    reason: Rejection


Request = RequestPreVote | RequestVote | AppendEntries | InstallSnapshot | TimeoutNow
Response = (
    PreVoteResponse
    | RequestVoteResponse
    | AppendEntriesResponse
    | InstallSnapshotResponse
    | TimeoutNowResponse
    | Rejected
)
Message = Request | Response


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message with both ends. An incarnation of "" is one that is not known yet."""

    sender: str
    sender_incarnation: str
    recipient: str
    recipient_incarnation: str
    version: int
    """The highest protocol version that the sender speaks."""
    message: Message
    generation: str = ""
    """The cluster's, as its sender knows it; a newcomer repeats what it is told."""
