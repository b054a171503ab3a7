"""Everything that keeps a cluster from being well, as one node sees it, each with its remedy."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.core.checks import WARNING, CheckMessage, run_checks
from django.utils.translation import gettext as _

from ..core.configuration import Member
from ..etcd.describing import endpoints_of
from ..etcd.node import EtcdNode
from ..exceptions import (
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
    RaftConfigError,
)
from ..language import told
from ..node import Node
from .driver import check_driver, look_at_driver
from .findings import Finding, Level, error, ok, unknown, warning
from .survey import MAX_AT_ONCE, Facts, ask, describe

SKEW_SHARE = 0.25
"""A clock that is off by so much of what is accepted is told of."""


def examine_cluster(node: Node) -> list[Finding]:
    """Settings, database, driver, and every peer in both directions; well or not."""
    own = describe(node)
    if own.is_rolled_back:
        # Whatever else is wrong here is wrong because of that, or cannot be mended before.
        return [older_copy_here(node)]
    findings = [*check_project(node), *check_self(node, own)]
    if isinstance(node, EtcdNode):
        return [*findings, *check_leader(node, own, ()), *check_etcd(node)]
    peers = look_at_peers(node)
    findings += check_leader(node, own, peers)
    for seen in peers:
        findings += check_peer(node, own, seen)
    return findings


# -- this node


def check_project(node: Node) -> Iterator[Finding]:
    """The system checks: RAFT_CONFIG, declarations, the database's durability, the queue."""
    messages = run_checks(tags=["raft_config"], databases=[node.config.database])
    for message in messages:
        yield Finding(_level(message), str(message.id), str(message.msg), str(message.hint or ""))
    if not messages:
        text = _("RAFT_CONFIG, the declarations, the database and the queue are well")
        yield ok("settings", text)


def _level(message: CheckMessage) -> Level:
    if message.is_serious():
        return Level.ERROR
    return Level.WARNING if message.level >= WARNING else Level.OK


def older_copy_here(node: Node) -> Finding:
    """Told alone: starting a driver, above all, would mend nothing."""
    others = [each for each in node.state.configuration.members if each.node_id != node.node_id]
    if not others:
        return error("node", _older_copy(), "raft_recover")
    facts = {"node": node.node_id, "url": others[0].address}
    remedy = _(
        "On another node: raft_members remove %(node)s. Then here: raft_recover --join %(url)s. "
        "Only if no other node is left: raft_recover."
    )
    return error("node", _older_copy(), remedy % facts)


def _older_copy() -> str:
    return _(
        "its database is an older copy of itself: it may have forgotten votes and entries, and "
        "takes part in nothing"
    )


def check_self(node: Node, own: Facts) -> Iterator[Finding]:
    """What this node says of itself, and whether its own URL answers."""
    if own.halted_by:
        text = _("nothing more is applied here: %(reason)s") % {"reason": own.halted_by}
        yield error("node", text, _as_it_says())
    if own.drained:
        yield warning("node", _("it is drained, and will not lead"), "raft_drain --off")
    if own.is_newcomer:
        remedy = _("Start its driver with JOIN, or raft_recover --join URL.")
        yield warning("node", _("it waits to be let in"), remedy)
    if node.state.configuration.voters == {node.node_id}:
        yield ok("driver", _("a cluster of one works without"))
    else:
        yield from check_driver(look_at_driver(node))
    yield _own_url(node)


def _own_url(node: Node) -> Finding:
    facts = {"url": node.config.url}
    if not node.config.url:
        return ok("own URL", _("none is needed by a cluster of one"))
    try:
        seconds = node.config.rpc_timeout_seconds
        node.transport.call(node.node_id, node.config.url, "ping", {}, seconds)
    except RaftConfigError as problem:
        text = _("%(url)s does not answer: %(problem)s") % {**facts, "problem": told(problem)}
        remedy = _(
            "Start the web server, or correct RAFT_CONFIG['URL']; until then it will not lead."
        )
        if isinstance(problem, PeerRejectedError):
            remedy = _(
                "The text says what to correct; the web server may run with other settings than "
                "this command."
            )
        return error("own URL", text, remedy)
    return ok("own URL", _("%(url)s answers") % facts)


def check_leader(node: Node, own: Facts, peers: Sequence[Seen]) -> Iterator[Finding]:
    """Whether changes can be made; if not, whether that is this node's trouble or everybody's."""
    if own.leader_id:
        facts = {"leader": own.leader_id, "term": own.term}
        yield ok("leader", _("node %(leader)s leads term %(term)d") % facts)
        return
    answers = [each.facts for each in peers if each.facts is not None]
    leading = sorted({each.leader_id for each in answers if each.leader_id})
    voters = node.state.configuration.voters
    up = voters & {own.node_id, *(each.node_id for each in answers)}
    counted = {"up": len(up), "voters": len(voters), "needed": node.state.configuration.majority}
    if leading:
        text = _("this node hears none, and node %(leader)s leads others") % {"leader": leading[0]}
        remedy = _("Mend the way from there to here: look at the other findings, here and there.")
    elif refusing := [each for each in peers if isinstance(each.problem, PeerRejectedError)]:
        text = _("this node knows of none, and members refuse it: %s")
        text %= ", ".join(each.member.node_id for each in refusing)
        remedy = _("Do first what the findings on those members say; they may be well.")
    elif node.state.configuration.is_majority(up):
        text = _("there is none, and %(up)d of %(voters)d voters answer") % counted
        remedy = _("Wait for some seconds; then look for drained nodes, and for their drivers.")
    else:
        text = _("this node knows of none: %(needed)d of %(voters)d voters are needed") % counted
        remedy = _("Start enough voters; if they are lost for good, see raft_recover --plan.")
    yield error("leader", text, remedy)


def _as_it_says() -> str:
    return _("Do as it says; if it names no other remedy, upgrade.")


def check_etcd(node: EtcdNode) -> Iterator[Finding]:
    """Each endpoint, as it says of itself, and how far this node is behind."""
    for endpoint, text, problem in endpoints_of(node.etcd):
        if problem:
            remedy = _("etcdctl endpoint health; etcdctl endpoint status; or correct ENDPOINTS.")
            yield error(endpoint, f"{text} {problem}".strip(), remedy)
        else:
            yield ok(endpoint, text)
    try:
        tail = node.etcd.tail()
    except RaftConfigError as problem:
        remedy = _("Once etcd answers, this node catches up by itself.")
        yield error("lag", told(problem), remedy)
        return
    facts = {"lag": max(0, tail - node.state.last_applied), "tail": tail}
    yield ok("lag", _("this node lacks %(lag)d of %(tail)d entries") % facts)


# -- the peers


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
        yield error(subject, _older_copy(), remedy % {"node": seen.member.node_id})
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
        yield error(subject, text, _as_it_says())


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
