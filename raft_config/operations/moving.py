"""Moving a live cluster from one engine to the other, without losing a value.

The same command is run on each node, one after the other. The first one moves the settings, with
their history, scheduled changes and the answers of recent requests; it and then every other node
takes over what was moved, and nothing else. Then each is started anew with the other ENGINE.

To etcd, the changes are stopped by an entry of their own (`state_machine.SEAL`): what any node
acknowledges comes before it, so the snapshot after it has all. From etcd, one transaction ends the
log there if it ends where the snapshot does. In between, reads go on and changes are refused.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, replace
from typing import Literal

from django.utils.translation import gettext as _

from ..conf import ETCD, RaftConfig, name_of
from ..core.configuration import Configuration, Member, initial_configuration
from ..core.state import Follower, NodeState
from ..etcd.log import Life, Moved, View
from ..etcd.node import EtcdNode, configuration_of, etcd_log_of
from ..exceptions import InvariantViolatedError, MembershipError, UnavailableError, noop
from ..node import Node
from ..proposals import read_index, submit
from ..state_machine import SEAL, Command, Note, dump_snapshot, load_snapshot
from ..storage.renewal import begin_from_backup
from ..storage.transaction import digest_of
from ..version_file import version_file_of

Step = Literal["move", "follow", "bring back", "done"]


@dataclass(frozen=True, slots=True)
class MovePlan:
    """What is left to be done on this node."""

    to: str
    step: Step
    """The cluster is moved from here, or was moved and this node follows, or nothing is left."""
    text: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """As of which index the settings are here, and what identifies all of them."""

    index: int
    digest: str
    settings: int


# -- to etcd


def plan_to_etcd(node: Node) -> MovePlan:
    """Raises UnavailableError, PeerError where etcd does not answer."""
    config = node.config
    if not config.etcd.endpoints:
        raise MembershipError(noop("Write first where etcd is: %(name)s."), name=name_of("ETCD"))
    facts = {"endpoints": ", ".join(config.etcd.endpoints), "prefix": config.etcd.prefix}
    where = _("etcd at %(endpoints)s, under %(prefix)s") % facts
    view = etcd_log_of(config).look(1, limit=1)
    state = node.state
    if view is None:
        return _plan_founding(node, where)
    if state.configuration.generation == view.life.generation:
        text = _("Node %(node)s follows %(where)s already.")
        return MovePlan(ETCD, "done", text % {"node": node.node_id, "where": where})
    text = _("Node %(node)s takes over what is in %(where)s, as of index %(index)d.") % {
        "node": node.node_id,
        "where": where,
        "index": view.snapshot.index,
    }
    return MovePlan(ETCD, "follow", text, _why_not_follow(node, view))


def _plan_founding(node: Node, where: str) -> MovePlan:
    settings = len(node.storage.values().keys() - {SEAL})
    facts = {
        "settings": settings,
        "where": where,
        "node": node.node_id,
        "index": node.state.last_applied,
    }
    if _follows_etcd(node.state):
        text = _(
            "etcd has lost them. As node %(node)s has them at index %(index)d, %(settings)d "
            "settings, with their history and schedules, are moved to %(where)s."
        )
        return MovePlan(ETCD, "bring back", text % facts)
    refusal = "" if node.config.engine != ETCD else _keep_engine("raft")
    text = _(
        "Changes are stopped on every node; then %(settings)d settings, with their history and "
        "schedules, are moved to %(where)s."
    )
    return MovePlan(ETCD, "move", text % facts, refusal)


def _why_not_follow(node: Node, view: View) -> str:
    prefix = node.config.etcd.prefix
    if view.life.source != source_of(node):
        return _(
            "What etcd keeps there was not moved from the cluster of this node. Choose another "
            "PREFIX; or if nobody needs it: etcdctl del --prefix %s/"
        ) % (prefix,)
    is_sealed = bool(node.storage.values([SEAL]))
    if is_sealed or _follows_etcd(node.state) or node.state.last_applied <= view.life.index:
        return ""
    return _(
        "This node has applied index %(applied)d, and the settings were moved as of %(index)d: "
        "changes came after it. Delete what was moved (etcdctl del --prefix %(prefix)s/), and move "
        "again."
    ) % {"applied": node.state.last_applied, "index": view.life.index, "prefix": prefix}


def move_to_etcd(node: Node, plan: MovePlan, *, user: str = "") -> Done:
    """Do what the plan says; may be repeated until it succeeds.

    Raises as `proposals.submit`, and as `etcd.gateway.Gateway.ask`.
    """
    if plan.step == "done":
        return done_here(node)
    log = etcd_log_of(node.config)
    if plan.step == "move":
        _stop_changes(node, user)
    if plan.step in ("move", "bring back"):
        state, data = node.storage.snapshot()
        life = Life(uuid.uuid4().hex, state.current_term + 1, source_of(node), state.last_applied)
        log.found(life, without_seal(data))  # or somebody else has done so at the same time
    view = log.look(1, limit=1)
    if view is None:
        raise log.nothing()
    if reason := _why_not_follow(node, view):
        raise MembershipError(noop("Refused: %(reason)s"), reason=reason)
    members = configuration_of(node.config, view.life)
    state = _beginning(node, members, view.snapshot.index, view.life.term)
    _begin(node, state, log.snapshot_data(view.snapshot))
    return done_here(node)


def _stop_changes(node: Node, user: str) -> None:
    """Seal the cluster, and let this node apply all that came before."""
    if not node.wait_until_applied(read_index(), node.config.write_timeout_seconds):
        raise UnavailableError(noop("This node lags behind the leader; try again later."))
    if not node.storage.values([SEAL]):
        submit(_command(node, user, f"Moved to {ETCD}.", values={SEAL: json.dumps(ETCD)}))


def cancel(node: Node, *, user: str = "") -> int:
    """Let changes be made again, if nothing was moved yet; the index. Raises MembershipError."""
    if _follows_etcd(node.state) or etcd_log_of(node.config).look(1, limit=1) is not None:
        raise MembershipError(noop("Refused: the settings were moved already. Move them back."))
    return submit(_command(node, user, "Not moved.", reset=(SEAL,))).index


def _command(
    node: Node,
    user: str,
    comment: str,
    *,
    values: dict[str, str] | None = None,
    reset: tuple[str, ...] = (),
) -> Command:
    note = Note(time.time(), user[:255], "cli", node.node_id, comment)
    return Command(uuid.uuid4().hex, values or {}, reset, note=note)


def source_of(node: Node) -> str:
    """What tells this cluster, in this life of it, from any other."""
    return f"{node.config.cluster_id}/{node.state.configuration.generation}"


# -- to raft


def plan_to_raft(node: Node) -> MovePlan:
    """Raises UnavailableError, PeerError where etcd does not answer."""
    if not _follows_etcd(node.state):
        text = _("Node %s does not follow etcd any more.") % node.node_id
        return MovePlan("raft", "done", text)
    names = ", ".join(_first_members(node.config).by_id)
    refusal = "" if isinstance(node, EtcdNode) else _keep_engine(ETCD)
    moved = etcd_log_of(node.config).moved()
    if moved is not None:
        text = _(
            "Node %(node)s goes on with what was moved as of index %(index)d, as a member of "
            "%(names)s."
        ) % {"node": node.node_id, "index": moved.snapshot.index, "names": names}
        return MovePlan("raft", "follow", text, refusal)
    settings = len(node.storage.values())
    text = _(
        "The log in etcd is ended, and %(settings)d settings, with their history and schedules, "
        "are moved to a cluster of %(names)s."
    ) % {"settings": settings, "names": names}
    return MovePlan("raft", "move", text, refusal)


def move_to_raft(node: EtcdNode, plan: MovePlan) -> Done:
    """Do what the plan says; may be repeated until it succeeds. Raises as `Gateway.ask`."""
    if plan.step == "done":
        return done_here(node)
    moved = node.etcd.moved() or _end_log(node)
    data = node.etcd.snapshot_data(moved.snapshot, "moved/")
    members = replace(_first_members(node.config), generation=moved.generation)
    state = _beginning(node, members, moved.snapshot.index, node.state.current_term + 1)
    _begin(node, state, data)
    return done_here(node)


def _end_log(node: EtcdNode) -> Moved:
    deadline = time.monotonic() + node.config.write_timeout_seconds
    generation = uuid.uuid4().hex
    while time.monotonic() < deadline:
        node.pull()
        state, data = node.storage.snapshot()
        ours = state.configuration.generation
        node.etcd.move_away(ours, state.last_applied, data, generation)
        if moved := node.etcd.moved():  # by us, or by another node
            return moved
    raise UnavailableError(
        noop("Changes come without a pause; stop those who make them, and try again.")
    )


def _first_members(config: RaftConfig) -> Configuration:
    """Those that PEERS names, on every node the same."""
    peers = config.peers or {config.node_id: config.url}
    return initial_configuration(Member(each, url) for each, url in peers.items())


# -- what both have in common


def _follows_etcd(state: NodeState) -> bool:
    return ETCD in state.configuration.by_id


def _keep_engine(engine: str) -> str:
    return _(
        "While the settings are moved from it, %(name)s has to be %(engine)r; set the other one "
        "when every node is moved."
    ) % {"name": name_of("ENGINE"), "engine": engine}


def without_seal(data: bytes) -> bytes:
    """A snapshot that can be gone on with: what was refused meanwhile is not remembered."""
    state, history = load_snapshot(data)
    state.values.pop(SEAL, None)
    state.answered = {
        request_id: answer
        for request_id, answer in state.answered.items()
        if answer.conflicts != (SEAL,)
    }
    return dump_snapshot(state, history)


def _beginning(node: Node, members: Configuration, index: int, term: int) -> NodeState:
    """A node that has a snapshot through `index`, and has promised nothing to anybody."""
    return NodeState(
        node_id=node.node_id,
        role=Follower(election_deadline=0.0),
        incarnation=uuid.uuid4().hex,
        current_term=term,
        last_log_index=index,
        last_log_term=term,
        commit_index=index,
        last_applied=index,
        snapshot_index=index,
        configuration=members,
        previous_configuration=members,
    )


def _begin(node: Node, state: NodeState, data: bytes) -> None:
    begin_from_backup(node.config.database, state, data)
    version_file_of(node.config).publish(state.last_applied)
    node.journal.note("moved", term=state.current_term, detail=", ".join(state.configuration.by_id))
    if node.storage.digest() != (state.last_applied, digest_of(data)):
        raise InvariantViolatedError("What this node holds is not what was moved.")


def done_here(node: Node) -> Done:
    """To be compared between the nodes: what is equal is equal to the last byte."""
    index, digest = node.storage.digest()
    return Done(index, digest, len(node.storage.values()))
