"""Who belongs to the cluster, as one value that travels in the log (thesis §4).

A `Configuration` is the content of one log entry. The latest one in a node's log counts from the
moment it is stored, committed or not. What may *not* live here: when a configuration may change
(`membership`), and what a node knows of a peer's progress (`state`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

REMEMBERED_REMOVALS = 64
"""How many removed ids a configuration still names, so that a removed node can be told so."""

FIRST_VERSION = 1
"""The protocol version that is assumed of a member nobody has heard from."""


@dataclass(frozen=True, slots=True)
class Member:
    """A voter or a learner. Its id never changes; all else is data in the log."""

    node_id: str
    address: str = ""
    voter: bool = True
    promote: bool = True
    """A learner becomes a voter as soon as it has caught up."""
    incarnation: str = ""
    """The life of the database behind this id; "" until the first contact binds it."""
    version: int = FIRST_VERSION
    """The highest protocol version this member has been heard to speak."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The members as of the log entry at `index` (0: the initial ones, given and not logged)."""

    members: tuple[Member, ...] = ()
    index: int = 0
    removed: tuple[str, ...] = ()
    generation: str = ""
    """The life of the cluster, "" for its first one: a restored backup, or what is made of the
    survivors of a lost majority, is another. Nodes of two generations take nothing in from each
    other."""
    voters: frozenset[str] = field(init=False, repr=False, compare=False)
    by_id: Mapping[str, Member] = field(init=False, repr=False, compare=False)
    majority: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        voters = frozenset(member.node_id for member in self.members if member.voter)
        object.__setattr__(self, "voters", voters)
        object.__setattr__(self, "by_id", {member.node_id: member for member in self.members})
        object.__setattr__(self, "majority", len(voters) // 2 + 1)

    @property
    def is_unknown(self) -> bool:
        """Whether this is a newcomer's, which has not been told to which cluster it belongs."""
        return not self.members and not self.generation

    def is_majority(self, node_ids: Collection[str]) -> bool:
        """Whether these nodes hold a majority; learners and strangers among them do not count."""
        return len(self.voters.intersection(node_ids)) >= self.majority

    @property
    def agreed_version(self) -> int:
        """The protocol version that every member speaks."""
        return min((member.version for member in self.members), default=FIRST_VERSION)

    def with_member(self, member: Member) -> Configuration:
        """This configuration with the member added, or put in place of the one of the same id."""
        others = [other for other in self.members if other.node_id != member.node_id]
        members = sorted([*others, member], key=lambda each: each.node_id)
        removed = tuple(node_id for node_id in self.removed if node_id != member.node_id)
        return replace(self, members=tuple(members), removed=removed)

    def without_member(self, node_id: str) -> Configuration:
        """This configuration without the member, whose id is remembered as removed."""
        members = tuple(member for member in self.members if member.node_id != node_id)
        removed = (*self.removed, node_id)[-REMEMBERED_REMOVALS:]
        return replace(self, members=members, removed=removed)


def initial_configuration(members: Iterable[Member]) -> Configuration:
    """The first configuration, which must be given alike to every node that starts with it."""
    return Configuration(tuple(sorted(members, key=lambda member: member.node_id)))
