"""Everything that keeps a cluster from being well, as one node sees it, each with its remedy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.core.checks import run_checks

from ..core.configuration import Member
from ..etcd.describing import endpoints_of
from ..etcd.node import EtcdNode
from ..exceptions import PeerRejectedError, RaftConfigError
from ..node import Node
from .findings import Finding, Level, error, ok, unknown, warning
from .survey import MAX_AT_ONCE, Facts, ask, describe

SKEW_SHARE = 0.25
"""A clock that is off by so much of what is accepted is told of."""


def examine_cluster(node: Node) -> list[Finding]:
    """Settings, database, driver, and every peer in both directions; well or not."""
    own = describe(node)
    findings = [*check_project(node), *check_self(node, own), *check_leader(node, own)]
    if isinstance(node, EtcdNode):
        return [*findings, *check_etcd(node)]
    for seen in look_at_peers(node):
        findings += check_peer(node, own, seen)
    return findings


# -- this node


def check_project(node: Node) -> Iterator[Finding]:
    """The system checks: RAFT_CONFIG, declarations, the database's durability, the queue."""
    messages = run_checks(tags=["raft_config"], databases=[node.config.database])
    for message in messages:
        level = Level.ERROR if message.is_serious() else Level.WARNING
        yield Finding(level, str(message.id), str(message.msg), str(message.hint or ""))
    if not messages:
        yield ok("settings", "RAFT_CONFIG, the declarations, the database and the queue are well")


def check_self(node: Node, own: Facts) -> Iterator[Finding]:
    """What this node says of itself, and whether its own URL answers."""
    if own.halted_by:
        yield error("node", f"nothing more is applied here: {own.halted_by}", "Upgrade this node.")
    if own.drained:
        yield warning("node", "it is drained, and will not lead", "raft_drain --off")
    if own.is_newcomer:
        text = "it waits to be let in"
        yield warning("node", text, "Start its driver with JOIN, or raft_recover --join URL.")
    yield _driver(node)
    if not node.config.url:
        yield ok("own URL", "none is needed by a cluster of one")
        return
    try:
        seconds = node.config.rpc_timeout_seconds
        node.transport.call(node.node_id, node.config.url, "ping", {}, seconds)
    except RaftConfigError as problem:
        remedy = "Start the web server, or correct RAFT_CONFIG['URL']; until then it will not lead."
        yield error("own URL", f"{node.config.url} does not answer: {problem}", remedy)
    else:
        yield ok("own URL", f"{node.config.url} answers")


def _driver(node: Node) -> Finding:
    """Whether somebody ticks: a timer that ended long ago is one that nobody looks at."""
    state = node.state
    if state.configuration.voters == {node.node_id}:
        return ok("driver", "a cluster of one works without")
    late = node.clock() - getattr(
        state.role, "heartbeat_deadline", getattr(state.role, "election_deadline", node.clock())
    )
    patience = max(2.0, 4 * node.config.timing.election_timeout_seconds)
    if late > patience:
        remedy = "Start raft_node, raft_tick, or a Celery worker and beat with this node's queue."
        return error("driver", f"nothing has ticked for {late:.0f} s", remedy)
    return ok("driver", "no timer is overdue")


def check_leader(node: Node, own: Facts) -> Iterator[Finding]:
    """Whether changes can be made."""
    configuration = node.state.configuration
    if not own.leader_id:
        voters, needed = len(configuration.voters), configuration.majority
        yield error(
            "leader",
            f"this node knows of none: {needed} of {voters} voters are needed",
            "Start enough voters; if they are lost for good, see raft_recover --plan.",
        )
        return
    yield ok("leader", f"node {own.leader_id} leads term {own.term}")


def check_etcd(node: EtcdNode) -> Iterator[Finding]:
    """Each endpoint, as it says of itself, and how far this node is behind."""
    for endpoint, text, problem in endpoints_of(node.etcd):
        if problem:
            remedy = "etcdctl endpoint health; etcdctl endpoint status; or correct ENDPOINTS."
            yield error(endpoint, f"{text} {problem}".strip(), remedy)
        else:
            yield ok(endpoint, text)
    try:
        tail = node.etcd.tail()
    except RaftConfigError as problem:
        yield error("lag", str(problem), "Once etcd answers, this node catches up by itself.")
        return
    lag = tail - node.state.last_applied
    yield ok("lag", f"this node lacks {max(0, lag)} of {tail} entries")


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
    subject = f"node {seen.member.node_id}"
    if seen.facts is None:
        rejected = isinstance(seen.problem, PeerRejectedError)
        remedy = (
            "The text says what to correct."
            if rejected
            else "Start it, or correct its URL: raft_members set-url; if it is lost, remove it."
        )
        yield error(subject, f"not reached at {seen.member.address}: {seen.problem}", remedy)
        return
    yield ok(subject, f"reached at {seen.member.address}")
    yield _back(node, subject, seen)
    yield _clock(node, subject, seen)
    yield from _identity(subject, own, seen.facts, seen.member)
    yield from _agreement(subject, own, seen.facts)


def _back(node: Node, subject: str, seen: Seen) -> Finding:
    if seen.asked_back is None:
        return unknown(subject, "it did not say whether it reaches this node")
    if seen.asked_back:
        text = f"it does not reach this node at {seen.back_address}: {seen.asked_back}"
        return error(subject, text, f"Mend the way, or raft_members set-url {node.node_id} URL.")
    return ok(subject, f"reaches this node at {seen.back_address}")


def _clock(node: Node, subject: str, seen: Seen) -> Finding:
    offset = seen.offset_seconds
    text = f"its clock is {abs(offset):.2f} s {'ahead' if offset > 0 else 'behind'}"
    most = node.config.max_clock_skew_seconds
    if abs(offset) - seen.uncertain_seconds > SKEW_SHARE * most:
        remedy = f"Synchronise both with NTP: messages are refused from {most:g} s on."
        return warning(subject, text, remedy)
    return ok(subject, f"{text}, of {most:g} s accepted")


def _identity(subject: str, own: Facts, facts: Facts, member: Member) -> Iterator[Finding]:
    rejoin = f"raft_members remove {member.node_id}, then raft_recover --join URL on it."
    if facts.generation != own.generation:
        text = "it belongs to another life of this cluster, from before or after a recovery"
        yield error(subject, text, "Let the one that was left behind join: raft_recover --join URL")
    elif member.incarnation not in ("", facts.incarnation):
        yield error(subject, "it has another database than the members know", rejoin)
    if facts.drained:
        yield warning(subject, "it is drained", f"raft_drain {member.node_id} --off")
    if not facts.may_lead:
        yield warning(subject, "its own URL does not answer it", "Run raft_doctor there.")
    if facts.halted_by:
        yield error(subject, f"it applies nothing more: {facts.halted_by}", "Upgrade it.")


def _agreement(subject: str, own: Facts, facts: Facts) -> Iterator[Finding]:
    if facts.signs_with != own.signs_with or set(facts.verifies) != set(own.verifies):
        text = "its SECRETS are not the same list"
        yield warning(subject, text, "End the rotation: the same list, in the same order.")
    else:
        yield ok(subject, "has the same secrets")
    if (facts.release, facts.version) != (own.release, own.version):
        text = f"it runs release {facts.release}, and this node {own.release}"
        yield warning(subject, text, "Upgrade all nodes to one release.")
    else:
        yield ok(subject, f"runs release {facts.release}, too")
