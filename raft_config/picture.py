"""The whole cluster, as the page and raft_status show it.

What this node's own database tells comes first, and is always there. What only the others know is
asked of all of them at once, for a second at the most, and once a second by each process however
many look; whoever does not answer is shown with what this node knows of it. Who is up, and so the
quorum, is what the leader hears, where it answers: every node then says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from . import status
from .asking import Answer, asked
from .conf import ETCD
from .core.configuration import Configuration
from .exceptions import RolledBackError
from .node import get_node
from .operations import Facts
from .operations.findings import remedy_of_lateness
from .operations.survey import describe
from .status import ClusterStatus, Health, MemberStatus

SKEW_SECONDS = 1.0
"""A clock that differs by more is worth a warning; it bears on ages and schedules alone."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One member: what this node knows of it, and what it said itself."""

    member: MemberStatus
    facts: Facts | None
    problem: str
    refuses: bool
    """It answered that it refuses this node."""
    offset_seconds: float | None
    lag_seconds: float | None
    """How old what it has applied is; None where nobody knows."""
    is_up: bool
    """The leader hears it; where the leader does not answer: it answered this node."""
    disagrees: bool

    @property
    def node_id(self) -> str:
        return self.member.node_id

    @property
    def is_rolled_back(self) -> bool:
        return self.facts is not None and self.facts.is_rolled_back

    @property
    def lag_entries(self) -> int | None:
        return self.member.lag_entries


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known at this moment."""

    here: ClusterStatus
    nodes: tuple[Seen, ...]
    health: Health
    headline: str
    warnings: tuple[str, ...]
    leader_id: str | None

    @property
    def disagreeing(self) -> tuple[str, ...]:
        """Nodes that have applied something else than others: an alarm."""
        return tuple(each.node_id for each in self.nodes if each.disagrees)


def look() -> Picture:
    """Ask, and put together."""
    node = get_node()
    if node.state.configuration.voters == {node.node_id} and not node.state.is_leader:
        with suppress(RolledBackError):  # it is told of below
            node.tick()  # a cluster of one works without a driver
    answers = asked(node)
    here = status.read()
    answers = {**answers, here.node_id: Answer(describe(node), offset_seconds=0.0)}
    return compose(here, answers, node.state.configuration)


def compose(
    here: ClusterStatus, answers: Mapping[str, Answer], configuration: Configuration
) -> Picture:
    """The picture of what was answered; a pure function."""
    differing = disagreeing(answers) | ({here.disagreement} if here.disagreement else set())
    leader_id = _leader(here, answers)
    leader = answers.get(leader_id or "", Answer(None)).facts
    last = max(here.commit_index, leader.commit_index if leader else 0)
    is_only_heard = here.hears_leader and answers.get(leader_id or "", Answer(None)).is_late
    up = _heard(here, leader, answers) - _older_copies(answers)
    if is_only_heard:
        up.add(str(leader_id))
    nodes = tuple(
        _seen(
            member,
            answers.get(member.node_id, Answer(None)),
            last,
            is_up=member.node_id in up,
            disagrees=member.node_id in differing,
        )
        for member in here.members
    )
    if ETCD in configuration.voters:
        health, headline = _etcd_health(nodes, leader_id)
    elif is_only_heard:
        health, headline = Health.DEGRADED, _heard_only(here)
    else:
        health, headline = _quorum(nodes, leader_id, configuration)
    warnings = (*_warnings(here, nodes), *_lost_for_good(health, nodes))
    if warnings and health is Health.HEALTHY:
        health = Health.DEGRADED
    return Picture(here, nodes, health, headline, warnings, leader_id)


def disagreeing(answers: Mapping[str, Answer]) -> set[str]:
    """Who has another hash than the most of those that remember one of the same index."""
    by_index: dict[int, dict[int, list[str]]] = {}
    for node_id, answer in answers.items():
        hashes = answer.facts.hashes if answer.facts is not None else {}
        for index, values_hash in hashes.items():
            by_index.setdefault(index, {}).setdefault(values_hash, []).append(node_id)
    found: set[str] = set()
    for level in by_index.values():
        groups = sorted(level.values(), key=len, reverse=True)
        is_tie = len(groups) > 1 and len(groups[0]) == len(groups[1])
        found.update(each for group in groups[0 if is_tie else 1 :] for each in group)
    return found


def _leader(here: ClusterStatus, answers: Mapping[str, Answer]) -> str | None:
    """Who says so itself, in the highest term; else whom this node believes to lead."""
    leading = [
        (each.facts.term, node_id)
        for node_id, each in answers.items()
        if each.facts is not None and each.facts.role == "leader"
    ]
    term, node_id = max(leading, default=(-1, ""))
    return node_id if term >= here.term else here.leader_id


def _heard(here: ClusterStatus, leader: Facts | None, answers: Mapping[str, Answer]) -> set[str]:
    """Who is up by the leader's word, which decides; without it, who answers."""
    answering = {node_id for node_id, each in answers.items() if each.facts is not None}
    if leader is None:
        return answering
    # What the leader itself has just asked in vain, it has heard an election timeout ago at most.
    return set(leader.up) & answering if leader.node_id == here.node_id else set(leader.up)


def _older_copies(answers: Mapping[str, Answer]) -> set[str]:
    """Who answers, and takes part in nothing."""
    return {
        node_id
        for node_id, each in answers.items()
        if each.facts is not None and each.facts.is_rolled_back
    }


def _seen(member: MemberStatus, answer: Answer, last: int, *, is_up: bool, disagrees: bool) -> Seen:
    facts = answer.facts
    applied = facts.last_applied if facts else member.match_index
    lag = None if applied is None else max(0, last - applied)
    silence = member.last_contact_seconds
    return Seen(
        member=replace(member, lag_entries=lag),
        facts=facts,
        problem=answer.problem,
        refuses=answer.is_refusal,
        offset_seconds=answer.offset_seconds,
        lag_seconds=0.0 if lag == 0 else silence,
        is_up=is_up,
        disagrees=disagrees,
    )


def _quorum(
    nodes: tuple[Seen, ...], leader_id: str | None, configuration: Configuration
) -> tuple[Health, str]:
    """How many voters are up, and how many more may be lost."""
    voters = [each for each in nodes if each.member.is_voter]
    if not voters:
        return Health.NO_QUORUM, _("This node is not a member yet: it waits to be let in.")
    up = sum(each.is_up for each in voters)
    spare = up - configuration.majority
    facts = {"up": up, "voters": len(voters), "spare": spare, "leader": leader_id}
    if spare < 0:
        return Health.NO_QUORUM, _too_few(voters) % facts
    if leader_id is None:
        return Health.NO_QUORUM, _("%(up)d of %(voters)d voters up, but nobody leads yet.") % facts
    health = Health.HEALTHY if all(each.is_up for each in nodes) else Health.DEGRADED
    if len(voters) == 1:
        return health, _("A cluster of one: without this node nothing can be changed.")
    if spare == 0:
        return health, _("%(up)d of %(voters)d up: one more loss stops writes.") % facts
    told = _("%(up)d of %(voters)d voters up: %(spare)d more may be lost before writes stop.")
    return health, told % facts


def _too_few(voters: list[Seen]) -> str:
    if any(each.refuses for each in voters):
        # They may be well among themselves: what is wrong may be wrong here.
        return _("Of %(voters)d voters some refuse this node: from here no change can be made.")
    return _("%(up)d of %(voters)d voters up: no change can be made until more are back.")


def _heard_only(here: ClusterStatus) -> str:
    """A leader steps down unless a majority hears it, so there is one."""
    told = _(
        "Node %(leader)s leads, and is heard here, but does not answer in time: who else is up is "
        "not known."
    )
    return told % {"leader": here.leader_id}


def _etcd_health(nodes: tuple[Seen, ...], leader_id: str | None) -> tuple[Health, str]:
    """Whether etcd can be written to; who is up within it is for its own tools to tell."""
    if leader_id is None or not any(each.is_up for each in nodes if each.node_id == ETCD):
        return Health.NO_QUORUM, _("etcd does not answer: no change can be made until it does.")
    return Health.HEALTHY, _("etcd keeps the log and answers; this node follows it.")


def _warnings(here: ClusterStatus, nodes: tuple[Seen, ...]) -> list[str]:
    """What an operator has to look at, and what to do; the worst first."""
    found: list[str] = []
    differing = ", ".join(each.node_id for each in nodes if each.disagrees)
    if differing:
        told = _("Nodes disagree on what was applied (%(nodes)s): run raft_verify on each of them.")
        found.append(told % {"nodes": differing})
    if here.halted_by and not any(each.is_rolled_back for each in nodes if each.member.is_self):
        found.append(_("This node has stopped applying changes. %s") % here.halted_by)
    for each in nodes:
        is_alone = len(nodes) == 1
        found.extend(_warnings_of(each, here.node_id, is_alone=is_alone))
    return found + _clocks(nodes)


def _clocks(nodes: tuple[Seen, ...]) -> list[str]:
    """Whose clock is off; if all the others differ alike, it is this node's own."""
    offsets = {
        each.node_id: each.offset_seconds or 0.0 for each in nodes if not each.member.is_self
    }
    known = [offsets[each.node_id] for each in nodes if each.facts and not each.member.is_self]
    if len(known) > 1 and (min(known) > SKEW_SECONDS or max(known) < -SKEW_SECONDS):
        told = _(
            "The clock of this node differs by %(seconds)+.1f s from all others; mend its NTP."
        )
        return [told % {"seconds": -sum(known) / len(known)}]
    told = _("The clock of node %(node)s differs by %(seconds)+.1f s; mend its NTP.")
    return [
        told % {"node": node_id, "seconds": seconds}
        for node_id, seconds in offsets.items()
        if abs(seconds) > SKEW_SECONDS
    ]


def _lost_for_good(health: Health, nodes: tuple[Seen, ...]) -> list[str]:
    """What is left to be done where waiting does not help."""
    voters = [each for each in nodes if each.member.is_voter]
    silent = [each for each in voters if each.facts is None and not each.refuses]
    if health is not Health.NO_QUORUM or 2 * len(silent) < len(voters) or not voters:
        return []
    return [_("If they never come back: raft_recover --plan tells what would be lost, and asks.")]


def _warnings_of(seen: Seen, own_id: str, *, is_alone: bool) -> list[str]:
    facts, names = seen.facts, {"node": seen.node_id, "problem": seen.problem}
    if seen.refuses:
        return [_("Node %(node)s answers, and refuses this node: %(problem)s") % names]
    if facts is None:
        return [_("Node %(node)s does not answer: %(problem)s") % names]
    if seen.is_rolled_back:
        told = _(
            "The database of node %(node)s is an older copy of itself, and takes part in nothing: "
            "remove the node; then, on it: raft_recover --join URL."
        )
        return [told % names]
    return _warnings_of_facts(seen, facts, own_id, is_alone=is_alone)


def _warnings_of_facts(seen: Seen, facts: Facts, own_id: str, *, is_alone: bool) -> list[str]:
    names = {"node": seen.node_id}
    found = []
    if not seen.is_up:
        found.append(_("Node %(node)s answers here, but the leader does not hear it.") % names)
    if facts.halted_by and seen.node_id != own_id:
        told = _("Node %(node)s has stopped applying changes. %(reason)s")
        found.append(told % {**names, "reason": facts.halted_by})
    if not (facts.is_driven or is_alone):
        told = _("Node %(node)s is not driven: start its Celery worker and beat, or raft_tick.")
        found.append(told % names)
    elif facts.is_late and not is_alone:
        told = _("The driver of node %(node)s was late lately, by %(late)d ms at the most.")
        found.append(f"{told % {**names, 'late': facts.late_ms}} {remedy_of_lateness()}")
    if not facts.may_lead:
        told = _("Node %(node)s does not answer at its own URL, and so will not lead.")
        found.append(told % names)
    if facts.drained:
        found.append(_("Node %(node)s is drained: it will not lead until that is ended.") % names)
    return found
