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

from ..conf import ETCD, RaftConfig, name_of
from ..core.configuration import Configuration, Member, initial_configuration
from ..core.state import Follower, NodeState
from ..etcd.log import Life, Moved, View
from ..etcd.node import EtcdNode, configuration_of, etcd_log_of
from ..exceptions import InvariantViolatedError, MembershipError, UnavailableError
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
        raise MembershipError(f"Write first where etcd is: {name_of('ETCD')}.")
    where = f"etcd at {', '.join(config.etcd.endpoints)}, under {config.etcd.prefix}"
    view = etcd_log_of(config).look(1, limit=1)
    state = node.state
    if view is None:
        return _plan_founding(node, where)
    if state.configuration.generation == view.life.generation:
        return MovePlan(ETCD, "done", f"Node {node.node_id} follows {where} already.")
    text = f"Node {node.node_id} takes over what is in {where}, as of index {view.snapshot.index}."
    return MovePlan(ETCD, "follow", text, _why_not_follow(node, view))


def _plan_founding(node: Node, where: str) -> MovePlan:
    settings = len(node.storage.values().keys() - {SEAL})
    what = f"{settings} settings, with their history and schedules, are moved to {where}."
    if _follows_etcd(node.state):
        text = f"etcd has lost them. As node {node.node_id} has them at index "
        return MovePlan(ETCD, "bring back", f"{text}{node.state.last_applied}, {what}")
    refusal = "" if node.config.engine != ETCD else _keep_engine("raft")
    return MovePlan(ETCD, "move", f"Changes are stopped on every node; then {what}", refusal)


def _why_not_follow(node: Node, view: View) -> str:
    prefix = node.config.etcd.prefix
    if view.life.source != source_of(node):
        return (
            f"What etcd keeps there was not moved from the cluster of this node. Choose another "
            f"PREFIX; or if nobody needs it: etcdctl del --prefix {prefix}/"
        )
    is_sealed = bool(node.storage.values([SEAL]))
    if is_sealed or _follows_etcd(node.state) or node.state.last_applied <= view.life.index:
        return ""
    return (
        f"This node has applied index {node.state.last_applied}, and the settings were moved as of "
        f"{view.life.index}: changes came after it. Delete what was moved (etcdctl del --prefix "
        f"{prefix}/), and move again."
    )


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
    if view is None or (refusal := _why_not_follow(node, view)):
        raise MembershipError(f"Refused: {refusal if view else log.nothing()}")
    members = configuration_of(node.config, view.life)
    state = _beginning(node, members, view.snapshot.index, view.life.term)
    _begin(node, state, log.snapshot_data(view.snapshot))
    return done_here(node)


def _stop_changes(node: Node, user: str) -> None:
    """Seal the cluster, and let this node apply all that came before."""
    if not node.wait_until_applied(read_index(), node.config.write_timeout_seconds):
        raise UnavailableError("This node lags behind the leader; try again later.")
    if not node.storage.values([SEAL]):
        submit(_command(node, user, f"Moved to {ETCD}.", values={SEAL: json.dumps(ETCD)}))


def cancel(node: Node, *, user: str = "") -> int:
    """Let changes be made again, if nothing was moved yet; the index. Raises MembershipError."""
    if _follows_etcd(node.state) or etcd_log_of(node.config).look(1, limit=1) is not None:
        raise MembershipError("Refused: the settings were moved already. Move them back.")
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
        return MovePlan("raft", "done", f"Node {node.node_id} does not follow etcd any more.")
    names = ", ".join(_first_members(node.config).by_id)
    refusal = "" if isinstance(node, EtcdNode) else _keep_engine(ETCD)
    moved = etcd_log_of(node.config).moved()
    if moved is not None:
        text = f"Node {node.node_id} goes on with what was moved as of index {moved.snapshot.index}"
        return MovePlan("raft", "follow", f"{text}, as a member of {names}.", refusal)
    settings = len(node.storage.values())
    text = (
        f"The log in etcd is ended, and {settings} settings, with their history and schedules, are "
        f"moved to a cluster of {names}."
    )
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
    raise UnavailableError("Changes come without a pause; stop those who make them, and try again.")


def _first_members(config: RaftConfig) -> Configuration:
    """Those that PEERS names, on every node the same."""
    peers = config.peers or {config.node_id: config.url}
    return initial_configuration(Member(each, url) for each, url in peers.items())


# -- what both have in common


def _follows_etcd(state: NodeState) -> bool:
    return ETCD in state.configuration.by_id


def _keep_engine(engine: str) -> str:
    return (
        f"While the settings are moved from it, {name_of('ENGINE')} has to be {engine!r}; set the "
        "other one when every node is moved."
    )


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
