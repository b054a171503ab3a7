"""What nodes say of themselves: of no setting, and to whoever has the secret."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .. import status
from ..core.configuration import Configuration
from ..core.state import Leader, NodeState
from ..exceptions import PeerError, RaftConfigError
from ..node import Node
from ..transport.client import signer_for

MAX_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Facts:
    """A node by its own word, as of the instant `clock_ms` of its own clock."""

    node_id: str
    incarnation: str
    generation: str
    role: str
    term: int
    leader_id: str
    """"" while it knows of none."""
    last_log_index: int
    last_log_term: int
    commit_index: int
    last_applied: int
    snapshot_index: int
    is_newcomer: bool
    """It has no log, and waits to be let in."""
    may_lead: bool
    drained: bool
    halted_by: str
    release: str
    version: int
    clock_ms: int
    signs_with: str
    verifies: tuple[str, ...]
    """The ids of its secrets."""
    members: tuple[str, ...]
    up: tuple[str, ...]
    """As leader: the members that it has heard lately, itself included."""
    values_hash: int | None = 0
    """Of all that is applied through `last_applied`, the same on every node; None for an etcd."""
    checked_index: int = 0
    checked_hash: int = 0
    """The same as of an index at which every node remembers it."""
    log_entries: int = 0
    log_bytes: int = 0
    snapshot_bytes: int = 0
    is_driven: bool = True
    """Whether Celery, or raft_tick, is at work for it."""
    late_ms: int = 0
    """How late its driver was lately, at the most."""
    is_late: bool = False
    """So late that it may cost an election."""
    is_rolled_back: bool = False
    """Its database is an older copy of itself: it takes part in nothing."""

    @property
    def hashes(self) -> dict[int, int]:
        """Where the hash of the values is known, and what it is there."""
        known = {self.checked_index: self.checked_hash}
        return known if self.values_hash is None else {**known, self.last_applied: self.values_hash}

    @property
    def log(self) -> tuple[int, int]:
        """What decides whose log is the more complete one (Raft §5.4.1)."""
        return self.last_log_term, self.last_log_index


def describe(node: Node) -> Facts:
    """This node."""
    state, here = node.state, status.read()
    signer = signer_for(node.config)
    configuration = state.configuration
    checked_index, checked_hash = node.storage.checked_hash()
    return Facts(
        node_id=state.node_id,
        incarnation=state.incarnation,
        generation=configuration.generation,
        role=state.role.name,
        term=state.current_term,
        leader_id=state.leader_id or "",
        last_log_index=state.last_log_index,
        last_log_term=state.last_log_term,
        commit_index=state.commit_index,
        last_applied=here.last_applied,
        values_hash=here.values_hash,
        checked_index=checked_index,
        checked_hash=checked_hash,
        log_entries=here.log_entries,
        log_bytes=here.log_bytes,
        snapshot_bytes=here.snapshot_bytes,
        is_driven=here.is_driven,
        late_ms=int(here.lateness_seconds * 1000),
        is_late=here.is_late,
        snapshot_index=state.snapshot_index,
        is_newcomer=not configuration.members and not state.last_log_index,
        may_lead=state.may_lead,
        drained=state.drained,
        halted_by=here.halted_by[:500],
        is_rolled_back=node.storage.rolled_back() is not None,
        release=release(),
        version=state.version,
        clock_ms=int(node.clock() * 1000),
        signs_with=signer.key_id if signer else "",
        verifies=tuple(signer.key_ids) if signer else (),
        members=tuple(configuration.by_id),
        up=tuple(sorted(heard(state, node))) if state.is_leader else (),
    )


def release() -> str:
    """The version of this package."""
    # Its module also makes `config`, which is of a floor above this one.
    return str(import_module("raft_config").__version__)


def heard(state: NodeState, node: Node) -> frozenset[str]:
    """As leader: who answered within an election timeout, oneself included."""
    timeout = node.config.timing.election_timeout_seconds
    now = node.clock()
    progress = state.role.progress if isinstance(state.role, Leader) else {}
    recent = {peer for peer, each in progress.items() if abs(now - each.contact_at) < timeout}
    return frozenset({state.node_id, *recent})


def is_the_member(configuration: Configuration, found: Facts) -> bool:
    """Whether what this node has stored counts in the cluster: it is not wiped, nor renewed."""
    incarnation = configuration.by_id[found.node_id].incarnation
    return found.generation == configuration.generation and incarnation in ("", found.incarnation)


def ask(node: Node, node_id: str, address: str) -> Facts:
    """Ask another node for its facts. Raises PeerError."""
    seconds = node.config.rpc_timeout_seconds
    found: Any = node.transport.call(node_id, address, "describe", {}, seconds)
    return Facts(**found)


def survey(node: Node, node_ids: Iterable[str] | None = None) -> dict[str, Facts | PeerError]:
    """Ask these members, or all, at once: their facts, or why there are none."""
    members = node.state.configuration.by_id
    wanted = list(members if node_ids is None else node_ids)
    addresses = {each: node.address_of(each) for each in wanted if each != node.node_id}
    found: dict[str, Facts | PeerError] = {}
    if node.node_id in wanted:
        found[node.node_id] = describe(node)

    def one(node_id: str) -> Facts | PeerError:
        try:
            return ask(node, node_id, addresses[node_id])
        except PeerError as error:
            return error
        except RaftConfigError as error:
            return PeerError(str(error))

    with ThreadPoolExecutor(MAX_AT_ONCE, "raft-survey") as pool:
        found.update(zip(addresses, pool.map(one, addresses), strict=True))
    return {each: found[each] for each in wanted}
