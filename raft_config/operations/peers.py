"""What comes of asking each peer, and of having it ask back: the way, its clock, who it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..core.configuration import Member
from ..exceptions import (
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
    RaftConfigError,
)
from ..language import told
from ..node import Node
from .findings import Finding, do_as_it_says, error, ok, older_copy, unknown, warning
from .survey import MAX_AT_ONCE, Facts, ask

SKEW_SHARE = 0.25
"""A clock that is off by so much of what is accepted is told of."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of asking one peer, and of having it ask back."""

    member: Member
    facts: Facts | None
    problem: RaftConfigError | None
    offset_seconds: float
    """How much its clock is ahead of ours, give or take half the time that the answer took."""
    uncertain_seconds: float
    asked_back: str | None
    """Why the peer does not reach us; "" when it does, None when it did not say."""
    back_address: str


def look_at_peers(node: Node) -> list[Seen]:
    """All of them at once."""
    members = [each for each in node.state.configuration.members if each.node_id != node.node_id]
    with ThreadPoolExecutor(MAX_AT_ONCE, "raft-doctor") as pool:
        return list(pool.map(lambda each: _look_at(node, each), members))


def _look_at(node: Node, member: Member) -> Seen:
    begun_at = time.time()
    try:
        facts = ask(node, member.node_id, member.address)
    except RaftConfigError as problem:
        return Seen(member, None, problem, 0.0, 0.0, None, "")
    ended_at = time.time()
    offset = facts.clock_ms / 1000 - (begun_at + ended_at) / 2
    uncertain = (ended_at - begun_at) / 2
    try:
        seconds = 2 * node.config.rpc_timeout_seconds
        back = node.transport.call(member.node_id, member.address, "probe", {}, seconds)
    except RaftConfigError:
        return Seen(member, facts, None, offset, uncertain, None, "")
    problem_there, address = str(back["problem"]), str(back["address"])
    return Seen(member, facts, None, offset, uncertain, problem_there, address)


def check_peer(node: Node, own: Facts, seen: Seen) -> Iterator[Finding]:
    """One peer: there and back, its clock, secrets, releases, and whether it is who it was."""
    subject, facts = _("node %(node)s") % {"node": seen.member.node_id}, seen.facts
    names = {"url": seen.member.address}
    if facts is None:
        yield _unreached(subject, seen)
        return
    if facts.is_rolled_back:
        remedy = _("raft_members remove %(node)s, then raft_recover --join URL on it.")
        yield error(subject, older_copy(), remedy % {"node": seen.member.node_id})
        return
    yield ok(subject, _("reached at %(url)s") % names)
    yield _back(node, subject, seen)
    yield _clock(node, subject, seen)
    yield from _identity(subject, own, facts, seen.member)
    yield from _agreement(subject, own, facts)


def _unreached(subject: str, seen: Seen) -> Finding:
    problem = told(seen.problem) if seen.problem else ""
    facts = {"url": seen.member.address, "problem": problem}
    if isinstance(seen.problem, PeerRejectedError):
        text = _("%(url)s answers, and refuses this node: %(problem)s") % facts
        return error(subject, text, _("The text says what to correct."))
    text = _("not reached at %(url)s: %(problem)s") % facts
    if isinstance(seen.problem, PeerUnavailableError) and not isinstance(
        seen.problem, PeerUnreachableError
    ):
        remedy = _("It may hang: look at its log, and start its web server anew.")
        return error(subject, text, remedy)
    remedy = _("Start it, or correct its URL: raft_members set-url; if it is lost, remove it.")
    return error(subject, text, remedy)


def _back(node: Node, subject: str, seen: Seen) -> Finding:
    facts = {"url": seen.back_address, "problem": seen.asked_back, "node": node.node_id}
    if seen.asked_back is None:
        return unknown(subject, _("it did not say whether it reaches this node"))
    if seen.asked_back:
        text = _("it does not reach this node at %(url)s: %(problem)s") % facts
        remedy = _("Mend the way, or raft_members set-url %(node)s URL.") % facts
        return error(subject, text, remedy)
    return ok(subject, _("reaches this node at %(url)s") % facts)


def _clock(node: Node, subject: str, seen: Seen) -> Finding:
    offset, most = seen.offset_seconds, node.config.max_clock_skew_seconds
    facts = {"seconds": abs(offset), "most": most}
    text = (
        _("its clock is %(seconds).2f s ahead")
        if offset > 0
        else _("its clock is %(seconds).2f s behind")
    ) % facts
    if abs(offset) - seen.uncertain_seconds > SKEW_SHARE * most:
        remedy = _("Synchronise both with NTP: messages are refused from %(most)g s on.") % facts
        return warning(subject, text, remedy)
    return ok(subject, _("%(text)s, of %(most)g s accepted") % {**facts, "text": text})


def _identity(subject: str, own: Facts, facts: Facts, member: Member) -> Iterator[Finding]:
    names = {"node": member.node_id, "reason": facts.halted_by}
    if facts.generation != own.generation:
        text = _("it belongs to another life of this cluster, from before or after a recovery")
        remedy = _("Let the one that was left behind join: raft_recover --join URL")
        yield error(subject, text, remedy)
    elif member.incarnation not in ("", facts.incarnation):
        remedy = _("raft_members remove %(node)s, then raft_recover --join URL on it.") % names
        yield error(subject, _("it has another database than the members know"), remedy)
    if facts.drained:
        yield warning(subject, _("it is drained"), f"raft_drain {member.node_id} --off")
    if not facts.may_lead:
        yield warning(subject, _("its own URL does not answer it"), _("Run raft_doctor there."))
    if not facts.is_driven:
        yield error(subject, _("nothing ticks for it"), _("Run raft_doctor there."))
    if facts.halted_by:
        text = _("it applies nothing more: %(reason)s") % names
        yield error(subject, text, do_as_it_says())


def _agreement(subject: str, own: Facts, facts: Facts) -> Iterator[Finding]:
    names = {"theirs": facts.release, "ours": own.release}
    if facts.signs_with != own.signs_with or set(facts.verifies) != set(own.verifies):
        remedy = _("End the rotation: the same list, in the same order.")
        yield warning(subject, _("its SECRETS are not the same list"), remedy)
    else:
        yield ok(subject, _("has the same secrets"))
    if (facts.release, facts.version) != (own.release, own.version):
        text = _("it runs release %(theirs)s, and this node %(ours)s") % names
        yield warning(subject, text, _("Upgrade all nodes to one release."))
    else:
        yield ok(subject, _("runs release %(theirs)s, too") % names)
