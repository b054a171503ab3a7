"""What can happen to a node. Every event goes through `raft.step`, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from .configuration import FIRST_VERSION
from .messages import Envelope


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed. How much is read from the clock, never counted in ticks."""


@dataclass(frozen=True, slots=True)
class Receive:
    """A message arrived: a peer's request, or its reply to one of ours."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Propose:
    """Append these commands, all or none of them, in this order."""

    commands: tuple[bytes, ...]
    version: int = FIRST_VERSION
    """The protocol version that a member must speak to apply them."""


@dataclass(frozen=True, slots=True)
class Read:
    """A linearizable read. `read_id` must never have been used before: a retry takes a new one."""

    read_id: str

    def __post_init__(self) -> None:
        if not self.read_id:
            raise ValueError("A read needs an id of its own.")


@dataclass(frozen=True, slots=True)
class Applied:
    """All is applied through `index`, which is `size_bytes` of commands since the last time."""

    index: int
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """An operator wants a snapshot now, whatever the policy says."""


@dataclass(frozen=True, slots=True)
class TransferLeadership:
    """Hand over to `target`, or to the voter with the most complete log (thesis §3.10)."""

    target: str | None = None


@dataclass(frozen=True, slots=True)
class AllowLeadership:
    """Whether this node may campaign and lead, for all that its peers can reach it."""

    allowed: bool


@dataclass(frozen=True, slots=True)
class Drain:
    """An operator lets this node neither campaign nor lead, or lets it again.

    A reason of its own beside `AllowLeadership`: the one never undoes the other.
    """

    drained: bool


@dataclass(frozen=True, slots=True)
class AddLearner:
    """A newcomer, which receives everything and has no vote until it is promoted."""

    node_id: str
    address: str = ""
    incarnation: str = ""
    promote: bool = True


@dataclass(frozen=True, slots=True)
class Promote:
    """Make a learner a voter, caught up or not."""

    node_id: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Take a member out; also the leader itself, which steps down once that is committed."""

    node_id: str


@dataclass(frozen=True, slots=True)
class ChangeAddress:
    """A member has moved."""

    node_id: str
    address: str


MembershipChange = AddLearner | Promote | Remove | ChangeAddress
Event = (
    Tick
    | Receive
    | Propose
    | Read
    | Applied
    | TakeSnapshot
    | TransferLeadership
    | AllowLeadership
    | Drain
    | AddLearner
    | Promote
    | Remove
    | ChangeAddress
)
