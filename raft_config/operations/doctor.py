"""Everything that keeps a cluster from being well, as one node sees it, each with its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.checks import WARNING, CheckMessage, run_checks
from django.utils.translation import gettext as _

from ..etcd.describing import endpoints_of
from ..etcd.node import EtcdNode
from ..exceptions import PeerRejectedError, RaftConfigError
from ..language import told
from ..node import Node
from .driver import check_driver, look_at_driver
from .findings import Finding, Level, do_as_it_says, error, ok, older_copy, warning
from .peers import Seen, check_peer, look_at_peers
from .survey import Facts, describe


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
        return error("node", older_copy(), "raft_recover")
    facts = {"node": node.node_id, "url": others[0].address}
    remedy = _(
        "On another node: raft_members remove %(node)s. Then here: raft_recover --join %(url)s. "
        "Only if no other node is left: raft_recover."
    )
    return error("node", older_copy(), remedy % facts)


def check_self(node: Node, own: Facts) -> Iterator[Finding]:
    """What this node says of itself, and whether its own URL answers."""
    if own.halted_by:
        text = _("nothing more is applied here: %(reason)s") % {"reason": own.halted_by}
        yield error("node", text, do_as_it_says())
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
    if not node.state.configuration.voters:
        return  # a newcomer's own finding tells it already
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
