"""Beginning anew: from a backup, with the survivors of a lost majority, or as a newcomer.

Each makes another incarnation of this node, and the first two another generation of the cluster.
Nodes of two generations take nothing in from each other (`core.raft`), whatever their terms and
majorities; so what was left behind can come back, and is refused.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import override

from ..conf import ETCD
from ..core.configuration import REMEMBERED_REMOVALS, Configuration, Member
from ..core.log import Entry
from ..core.state import Follower, NodeState
from ..exceptions import MembershipError, noop
from ..language import told
from ..node import Node
from ..state_machine import Command, Note, encode_command
from ..storage.renewal import (
    Told,
    begin_as_newcomer,
    begin_as_survivor,
    begin_from_backup,
    nobody,
)
from ..version_file import version_file_of
from .backup import Backup
from .survey import Facts, ask, is_the_member, survey

logger = logging.getLogger("raft_config")

AUDIT_NAME = "raft_config:cluster"
"""Under this name the history tells of a restore and of a recovery; no setting has a colon."""


# -- from a backup


def is_empty(node: Node) -> bool:
    """Whether this node has no log that could be lost."""
    state = node.storage.load()
    return state is None or state.last_log_index == 0


def restore_backup(node: Node, backup: Backup, *, user: str = "") -> NodeState:
    """Make of this node a new cluster of one, which holds what the backup holds."""
    _refuse_with_etcd(node)
    state = _founder(node, backup.index + 1, backup.term + 1, removed=())
    comment = f"Restored from the backup of node {backup.node_id}, index {backup.index}."
    facts = {"event": "restored", "cluster": backup.cluster_id, "index": backup.index}
    entries = _audit(node, state, facts, comment, user)
    begin_from_backup(node.config.database, state, backup.data, entries)
    _announce(node, state, comment, user)
    return state


# -- with the survivors


@dataclass(frozen=True, slots=True)
class Recovery:
    """What is left of a cluster, as one survivor sees it."""

    own: Facts
    survivors: Mapping[str, Facts]
    """Those that answer, this node among them."""
    silent: Mapping[str, str]
    """The others, and why they did not answer."""
    refusal: str = ""
    """Why it is not to be done, or not here."""

    @property
    def words(self) -> str:
        """What is to be typed: who will not belong to the cluster any more."""
        others = sorted({*self.survivors, *self.silent} - {self.own.node_id})
        return " ".join([self.own.node_id, "without", *others])

    @property
    def loss(self) -> str:
        """What may be lost."""
        own = self.own
        facts = {"node": own.node_id, "index": own.last_log_index}
        text = _("Kept is what node %(node)s stores, through index %(index)d.") % facts
        if self.silent:
            lost = _("Changes after that, which only %s may hold, are lost.")
            text += " " + lost % ", ".join(self.silent)
        if own.last_log_index > own.commit_index:
            open_ones = _(
                "Entries %(first)d to %(last)d were not known to be committed: they take effect, "
                "also where their senders were told of no success."
            )
            first, last = own.commit_index + 1, own.last_log_index
            text += " " + open_ones % {"first": first, "last": last}
        return text


def plan_recovery(node: Node) -> Recovery:
    """Who is left, and whether this is the node to begin anew with."""
    _refuse_with_etcd(node)
    configuration = node.state.configuration
    answers = survey(node)
    survivors: dict[str, Facts] = {}
    silent: dict[str, str] = {}
    for each, found in answers.items():
        if not isinstance(found, Facts):
            silent[each] = told(found)
        elif found.is_rolled_back and each != node.node_id:
            silent[each] = _("has an older copy of its database, and takes part in nothing")
        elif is_the_member(configuration, found):
            survivors[each] = found
        else:
            silent[each] = _("answers with another database than the members know")
    own = survivors.get(node.node_id)
    if own is None:
        raise MembershipError(
            noop("Node %(node)s is no member of a cluster: let it join one."), node=node.node_id
        )
    refusal = _why_not(configuration, own, survivors)
    return Recovery(own, survivors, silent, refusal)


def _why_not(
    configuration: Configuration,
    own: Facts,
    survivors: Mapping[str, Facts],
) -> str:
    # An older copy may be all that is left, and has no vote: only as a new cluster is it safe.
    voters = {
        each
        for each in configuration.voters & survivors.keys()
        if not survivors[each].is_rolled_back
    }
    if configuration.is_majority(voters):
        counted = {"up": len(voters), "voters": len(configuration.voters)}
        return (
            _(
                "The quorum is not lost: %(up)d of %(voters)d voters answer. If none of them "
                "leads, look for drained nodes and for their drivers (raft_doctor)."
            )
            % counted
        )
    best = max(survivors.values(), key=lambda each: (each.log, each.node_id == own.node_id))
    if best.log > own.log:
        longer = {"node": best.node_id, "index": best.last_log_index}
        return (
            _(
                "Node %(node)s has the longer log, through index %(index)d: run this there. If "
                "that node is to be given up, stop it first."
            )
            % longer
        )
    if own.halted_by and not own.is_rolled_back:
        refusal = _("This node cannot apply its log to the end: %s. Upgrade it first.")
        return refusal % own.halted_by
    return ""


def recover(node: Node, *, user: str = "", told: Told = nobody) -> NodeState:
    """Make of this node a new cluster of one; the other survivors then join it anew.

    Raises MembershipError, where `plan_recovery` tells why not.
    """
    found = plan_recovery(node)
    if found.refusal:
        raise MembershipError(noop("Refused: %(reason)s"), reason=found.refusal)

    def found_anew(before: NodeState) -> tuple[NodeState, Sequence[Entry]]:
        removed = [each for each in before.configuration.by_id if each != node.node_id]
        index, term = before.last_log_index + 1, before.current_term + 1
        state = _founder(node, index, term, removed=removed)
        with override(None):  # what is written down is English, as the log is
            comment = f"Recovered on node {found.words}. {found.loss}"
        facts = {"event": "recovered", "without": removed, "index": before.last_log_index}
        return state, _audit(node, state, facts, comment, user)

    state = begin_as_survivor(node.config.database, found_anew, told)
    _announce(node, state, f"Recovered: {found.words}", user)
    return state


# -- as a newcomer


def plan_joining(node: Node, url: str) -> Facts:
    """The member found at `url`, if this node may forget all it has and join there.

    Raises MembershipError, PeerError.
    """
    if not node.config.url:
        raise MembershipError(
            noop("RAFT_CONFIG['URL'] must say where the members reach this node.")
        )
    found = ask(node, node.transport.identify(url), url)
    if found.is_newcomer:
        raise MembershipError(
            noop("Node %(node)s at %(url)s is in no cluster itself."), node=found.node_id, url=url
        )
    generation = node.state.configuration.generation
    is_waiting = not node.state.configuration.members
    if node.node_id in found.members and found.generation == generation and not is_waiting:
        raise MembershipError(
            noop(
                "Node %(node)s is a member of that cluster, and what it has stored counts there. "
                "On another node: raft_members remove %(node)s. Then again."
            ),
            node=node.node_id,
        )
    return found


def join_anew(node: Node, url: str) -> int:
    """Forget all that this node has, and join the cluster of the member at `url`.

    May be repeated until it succeeds. Raises MembershipError, PeerError, NotLeaderError.
    """
    found = plan_joining(node, url)
    state = node.state
    if state.configuration.members or state.configuration.generation != found.generation:
        nobody = Configuration(generation=found.generation)
        state = NodeState(
            node_id=node.node_id,
            role=Follower(election_deadline=0.0),
            incarnation=uuid.uuid4().hex,
            configuration=nobody,
            previous_configuration=nobody,
        )
        begin_as_newcomer(node.config.database, state)
        version_file_of(node.config).publish(0)
    payload: dict[str, object] = {
        "node_id": node.node_id,
        "address": node.config.url,
        "incarnation": state.incarnation,
        "promote": not node.config.learner,
    }
    seconds = 2 * node.config.write_timeout_seconds
    answer = node.transport.call(found.node_id, url, "join", payload, seconds)
    return int(str(answer["index"]))


# -- what they have in common


def _refuse_with_etcd(node: Node) -> None:
    if node.config.engine == ETCD:
        raise MembershipError(
            noop(
                "With etcd this is not done by a node: etcdctl snapshot restore brings back an "
                "etcd, and manage.py raft_config move --to etcd what a node has. To begin with a "
                "backup of raft_config, restore it with ENGINE 'raft', and move it."
            )
        )


def _founder(node: Node, index: int, term: int, *, removed: Sequence[str]) -> NodeState:
    """A cluster of one, whose log begins after `index`, which no other generation has."""
    incarnation = uuid.uuid4().hex
    configuration = Configuration(
        members=(Member(node.node_id, node.config.url, incarnation=incarnation),),
        index=index,
        removed=tuple(removed)[-REMEMBERED_REMOVALS:],
        generation=uuid.uuid4().hex,
    )
    return NodeState(
        node_id=node.node_id,
        role=Follower(election_deadline=0.0),
        incarnation=incarnation,
        current_term=term,
        last_log_index=index,
        last_log_term=term,
        commit_index=index,
        last_applied=index,
        snapshot_index=index,
        configuration=configuration,
        previous_configuration=configuration,
    )


def _audit(
    node: Node, state: NodeState, facts: Mapping[str, object], comment: str, user: str
) -> list[Entry]:
    """Two entries that leave nothing but their traces in the history of every node to come."""
    note = Note(time.time(), user[:255], "cli", node.node_id, comment[:1000])
    text = json.dumps({**facts, "generation": state.configuration.generation})
    commands = [
        Command(uuid.uuid4().hex, values={AUDIT_NAME: text}, note=note),
        Command(uuid.uuid4().hex, reset=(AUDIT_NAME,), note=note),
    ]
    return [
        Entry(index, state.current_term, encode_command(command))
        for index, command in enumerate(commands, state.last_log_index + 1)
    ]


def _announce(node: Node, state: NodeState, text: str, user: str) -> None:
    facts = {"node": node.node_id, "generation": state.configuration.generation}
    logger.critical("Node %s begins a new life of the cluster. %s", node.node_id, text, extra=facts)
    version_file_of(node.config).publish(state.last_applied)
    node.journal.note("anew", term=state.current_term, detail=text, user=user[:255])
    node.tick()  # alone, it leads at once
