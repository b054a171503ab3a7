"""A node that follows etcd.

    a change       proposals --> the leader, which is etcd --> here `EtcdPeer` --> `log`
    the news       pull: look at the log from our last entry on, and take in what follows it as
                   AppendEntries, or what etcd has trimmed as InstallSnapshot, from etcd

Whoever waits for a change pulls it; else the driver does, as soon as its watch tells of one. A pull
begins at what is stored here, whatever was missed, and one that brings nothing is the heartbeat.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from django.utils.translation import gettext as _

from ..conf import ETCD, RaftConfig
from ..core.configuration import Configuration, Member
from ..core.effects import Accepted
from ..core.events import Propose
from ..core.log import Entry, SnapshotMeta
from ..core.messages import (
    AppendEntries,
    Envelope,
    InstallSnapshot,
    InstallSnapshotResponse,
    Message,
    Rejected,
)
from ..core.state import PROTOCOL_VERSION, NodeState
from ..exceptions import (
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerError,
    PeerRejectedError,
    RaftConfigError,
    UnavailableError,
    noop,
)
from ..group_commit import Answered, GroupCommit
from ..node import Node
from ..storage import check_command
from ..storage.renewal import NOTHING
from ..storage.transaction import digest_of
from ..transport.strict import data
from .describing import OWN_TOOLS, describe_etcd
from .gateway import Gateway
from .lease import Lease
from .log import EtcdLog, Life, View
from .peer import EtcdPeer
from .sameness import require_same
from .watch import Watch

logger = logging.getLogger("raft_config")

FIRST_TERM: Final = 1

HASH_TOLD_SECONDS: Final = 30.0
"""Not more often; as often as `agreement` compares."""


class EtcdNode(Node):
    """One node, as seen from one process."""

    def __init__(self, config: RaftConfig, **options: Any) -> None:
        """`options` are those of `Node`."""
        answers = {
            "propose": self._answer_propose,
            "read_index": self._answer_read,
            "describe": self._answer_describe,
            "operate": self._answer_operate,
        }
        super().__init__(config, EtcdPeer(answers), **options)
        self.etcd = etcd_log_of(config)
        gateway = self.etcd.gateway
        self.lease = Lease(gateway, f"{config.etcd.prefix}/leader", config.node_id)
        self.watch = Watch(gateway, f"{config.etcd.prefix}/tail")
        self._pulling = threading.Lock()
        self._proposals = GroupCommit(self._append, self.news.when_applied)
        self._compared = 0
        self._trouble = ""
        self._next_pull_at = 0.0
        self._told_index = 0
        self._tell_hash_at = 0.0

    def _first_state(self) -> NodeState:
        """A newcomer: who leads, and whose log it is, comes with the first snapshot."""
        nobody = Configuration()
        return replace(super()._first_state(), configuration=nobody, previous_configuration=nobody)

    # -- what the leader is asked

    def propose(self, commands: Sequence[bytes], *, timeout_seconds: float) -> Accepted:
        """Put commands behind the log's end, and wait until they are applied here.

        Raises UnavailableError, InvalidCommandError, PeerRejectedError (certainly not stored),
        OutcomeUnknownError, PeerUnavailableError.
        """
        accepted = self._accepted_by_etcd(commands)
        last = accepted.index + len(commands) - 1
        if not self.wait_until_applied(last, timeout_seconds):
            raise OutcomeUnknownError(f"at index {last}")
        return accepted

    def read_index(self, *, timeout_seconds: float) -> int:  # noqa: ARG002 - as `Node` has it
        """As the one node that holds the lease: the last index. Raises NotLeaderError elsewhere."""
        self.pull()
        holder = self.lease.holder()
        if holder != self.node_id:
            raise NotLeaderError(ETCD, self.state.current_term)
        return self.etcd.tail()

    def _answer_propose(self, payload: dict[str, Any], _seconds: float) -> dict[str, object]:
        accepted = self._accepted_by_etcd([data(each) for each in payload["commands"]])
        return {"index": accepted.index, "term": accepted.term}

    def _answer_read(self, _payload: dict[str, Any], _seconds: float) -> dict[str, object]:
        return {"index": self.etcd.tail()}

    def _answer_describe(self, _payload: dict[str, Any], _seconds: float) -> dict[str, object]:
        return describe_etcd(self.config, self.etcd)

    def _answer_operate(self, payload: dict[str, Any], _seconds: float) -> dict[str, object]:
        if not payload["only_plan"]:
            raise MembershipError(noop("Refused: %(reason)s"), reason=_(OWN_TOOLS))
        return {
            "text": "",
            "refusal": _(OWN_TOOLS),
            "may_force": False,
            "is_done": False,
            "index": 0,
        }

    def _accepted_by_etcd(self, commands: Sequence[bytes]) -> Accepted:
        self.storage.require_room([check_command(each) for each in commands])
        event = Propose(tuple(commands))
        return self._accepted(event, *self._proposals.propose(event.commands))

    def _append(self, commands: tuple[bytes, ...]) -> Answered:
        deadline = self.monotonic() + self.config.write_timeout_seconds
        state = self._following()
        while True:
            index = self.etcd.append(commands, state.configuration.generation)
            if index is not None:
                return state, Accepted(index, state.current_term)
            if self.monotonic() > deadline:
                raise UnavailableError(
                    noop("Others change settings without a pause; try again later.")
                )

    def _following(self) -> NodeState:
        """The state, once this node follows what etcd keeps."""
        if ETCD not in self.state.configuration.by_id:
            self.pull()
        return self.state

    # -- taking in what etcd has

    def wait_until_applied(self, index: int, timeout_seconds: float) -> bool:
        """See `Node`; whoever waits pulls."""
        if self.storage.version() < index:
            try:
                self._pull_through(index)
            except (PeerError, UnavailableError) as error:
                logger.debug("Not pulled: %s", error)
        return super().wait_until_applied(index, timeout_seconds)

    def pull(self) -> None:
        """Take in all that etcd has now. Raises as `Gateway.ask`."""
        with self._pulling:
            while not self._pull_some():
                pass

    def _pull_through(self, index: int) -> None:
        """The same, unless somebody who pulled meanwhile has taken in that much."""
        with self._pulling:
            while self.storage.version() < index and not self._pull_some():
                pass

    def _pull_some(self) -> bool:
        """Whether that was all."""
        state = self.state
        view = self._look(state)
        require_same(state, self.storage.log, view, self.etcd)
        start = state.last_log_index + 1
        entries = tuple(
            Entry(index, view.life.term, command)
            for index, command in view.entries
            if index >= start
        )
        if start <= view.snapshot.index and (not entries or entries[0].index > start):
            self._install(view)
            return False
        self._receive(
            view.life,
            AppendEntries(
                term=view.life.term,
                prev_log_index=state.last_log_index,
                prev_log_term=state.last_log_term,
                entries=entries,
                leader_commit=view.tail,
            ),
        )
        self._compared = state.last_log_index + len(entries)
        after = self.state
        self._trim_if_due(after, view)
        is_stuck = after.last_applied == state.last_applied and not entries
        return after.last_applied >= view.tail or is_stuck

    def _look(self, state: NodeState) -> View:
        if state.last_log_index and ETCD not in state.configuration.by_id:
            raise PeerRejectedError(
                noop(
                    "The database of node %(node)s holds a cluster that does not follow etcd. "
                    "Move it first: manage.py raft_config move --to etcd. Or set ENGINE in "
                    "RAFT_CONFIG to 'raft'."
                ),
                node=self.node_id,
            )
        # With our own last entry, to see that it is the same there; once, while all goes well.
        known, self._compared = state.last_log_index == self._compared, -1
        view = self.etcd.look(max(1, state.last_log_index + known))
        if view is None:
            if state.configuration.by_id:
                raise self.etcd.nothing()
            self.etcd.found(Life(uuid.uuid4().hex, FIRST_TERM), NOTHING)
            return self._look(state)
        return view

    def _install(self, view: View) -> None:
        """The snapshot, chunk after chunk: this node goes on where it stopped."""
        snapshot = view.snapshot
        meta = SnapshotMeta(
            snapshot.index,
            view.life.term,
            configuration_of(self.config, view.life),
            snapshot.size_bytes,
            snapshot.digest,
        )
        incoming = self.state.incoming
        offset = incoming.offset if incoming is not None and incoming.meta == meta else 0
        while chunk := self.etcd.chunk(snapshot, offset):
            answer = self._receive(view.life, InstallSnapshot(view.life.term, meta, offset, chunk))
            if not isinstance(answer, InstallSnapshotResponse) or answer.installed:
                return
            offset = answer.next_offset
        raise UnavailableError(noop("etcd is just getting another snapshot; try again."))

    def _receive(self, life: Life, message: AppendEntries | InstallSnapshot) -> Message:
        envelope = Envelope(ETCD, "", self.node_id, "", PROTOCOL_VERSION, message, life.generation)
        answer = self.receive(envelope).message
        if isinstance(answer, Rejected):
            raise self.etcd.of_another_life()
        return answer

    def _trim_if_due(self, state: NodeState, view: View) -> None:
        """As the one that holds the lease: bring the snapshot taken here to etcd."""
        if not self.lease.is_held or state.snapshot_index <= view.snapshot.index:
            return
        meta = self.storage.log.snapshot
        content = self.storage.log.snapshot_chunk(0, meta.size_bytes) if meta else b""
        if meta is None or digest_of(content) != meta.digest:
            return  # another process is just taking the next one
        index = meta.last_included_index
        keep_from = max(1, index - self.config.timing.trailing_entries + 1)
        self.etcd.trim(view, index, content, keep_from)

    # -- the driver

    def tick(self) -> float:
        """Pull what is new, hold the lease, fire what is due; returns when to look again."""
        if self.watch.takes_news() or self.clock() >= self._next_pull_at:
            self._next_pull_at = self.clock() + self.config.timing.election_timeout_seconds / 2
            self._try(self._drive)
        if self.state.configuration.voters - {ETCD}:
            return self._next_pull_at  # it was moved to Raft: whoever starts with that goes on
        return min(super().tick(), self._next_pull_at)

    def _drive(self) -> None:
        self.lease.hold()
        self.pull()
        if self.monotonic() >= self._tell_hash_at:
            self._tell_hash_at = self.monotonic() + HASH_TOLD_SECONDS
            self._tell_hash()

    def _tell_hash(self) -> None:
        """What `agreement` compares: nodes do not speak to each other."""
        index, values_hash = self.storage.applied_hash()
        if index > self._told_index:
            self.etcd.tell_hash(index, values_hash)
            self._told_index = index

    def fire_due(self, state: NodeState) -> None:
        """As the one that holds the lease; another one does no harm, for each fires once."""
        if self.lease.is_held and not self._trouble:
            self._try(lambda: self._fire(state))

    def _fire(self, state: NodeState) -> None:
        commands = self._firing.due(
            self.clock(), last_applied=state.last_applied, term=state.current_term
        )
        if commands:
            accepted = self._accepted_by_etcd(commands)
            self._firing.note_proposed(accepted.term, accepted.index + len(commands) - 1)

    def _try(self, attempt: Callable[[], None]) -> None:
        """What fails is told once, and tried again with the next tick."""
        try:
            attempt()
        except RaftConfigError as error:
            if type(error).__name__ != self._trouble:
                logger.warning("Node %s does not hear of etcd: %s", self.node_id, error)
                self.journal.refused(ETCD, str(error))
            self._trouble = type(error).__name__
        else:
            if self._trouble:
                logger.warning("Node %s hears of etcd again", self.node_id)
            self._trouble = ""

    def rest(self, seconds: float) -> None:
        """Until the watch tells of news, or the time is over."""
        self.watch.wait(seconds)

    def check_reachability(self) -> None:
        """Nobody has to reach this node: etcd leads whether it answers or not."""

    def close(self) -> None:
        """See `Node`."""
        self.watch.close()
        super().close()


def configuration_of(config: RaftConfig, life: Life) -> Configuration:
    """The members, as each node knows them: etcd, and itself as a learner."""
    members = (
        Member(ETCD, ", ".join(config.etcd.endpoints)),
        Member(config.node_id, config.url, voter=False, promote=False),
    )
    ordered = sorted(members, key=lambda each: each.node_id)
    return Configuration(tuple(ordered), generation=life.generation)


def etcd_log_of(config: RaftConfig) -> EtcdLog:
    """The log under the keys of this cluster, as this process reaches it."""
    gateway = Gateway(config.etcd, timeout_seconds=config.write_timeout_seconds)
    return EtcdLog(gateway, config.etcd.prefix)


def etcd_node(config: RaftConfig) -> EtcdNode:
    """The node of the engine "etcd"."""
    return EtcdNode(config)
