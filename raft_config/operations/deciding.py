"""An operation on the node that decides on it and does it: the leader, or the one that is named.

What may *not* live here: the way from other nodes (`run`), and what a plan says (`plans`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from ..core.events import (
    AddLearner,
    ChangeAddress,
    Drain,
    MembershipChange,
    Promote,
    Remove,
    TakeSnapshot,
)
from ..exceptions import (
    MembershipError,
    NotLeaderError,
    PeerError,
    RaftConfigError,
    UnavailableError,
)
from ..node import Node
from .plans import DONE_BY_THE_NODE, Operation, Plan, View, heir, make_plan
from .standby import transfer_to
from .survey import Facts, ask, heard, is_the_member, survey

MAX_USER = 255


@dataclass(frozen=True, slots=True)
class Done:
    """What was done; the index of its entry is 0 if it needed none, or was so already."""

    text: str
    index: int = 0


def answer_here(
    node: Node, operation: Operation, *, only_plan: bool, force: bool
) -> dict[str, Any]:
    """Plan or perform it here, as it is told to whoever asked."""
    found = plan_here(node, operation)
    index = 0
    if not only_plan and not found.is_done:
        index = _carry_out(node, operation, found, force=force)
    return {
        "text": found.text,
        "refusal": found.refusal,
        "may_force": found.may_force,
        "is_done": found.is_done,
        "index": index,
    }


def plan_here(node: Node, operation: Operation) -> Plan:
    """The plan as this node sees it. Raises NotLeaderError where only the leader knows."""
    _drive_if_alone(node)
    state = node.state
    is_decided_here = operation.name in DONE_BY_THE_NODE or state.is_leader
    if not is_decided_here:
        raise NotLeaderError(state.leader_id, state.current_term)
    if operation.name == "drain" and state.drained:
        told = _("Node %(node)s is drained already.") % {"node": node.node_id}
        return Plan(told, is_done=True)
    found = make_plan(view_of(node, operation), operation)
    if found.is_done and state.is_leader and state.configuration.index > state.commit_index:
        # It counts as soon as it is stored, and is taken back if another leader lacks it.
        raise UnavailableError(_("The last change of the members is not agreed yet; try again."))
    return found


def perform_here(node: Node, operation: Operation, *, force: bool = False) -> Done:
    """Do it, if this node is the one to decide; as `perform`."""
    found = answer_here(node, operation, only_plan=False, force=force)
    return Done(found["text"], found["index"])


def _carry_out(node: Node, operation: Operation, found: Plan, *, force: bool) -> int:
    if found.refusal and not (force and found.may_force):
        told = _("Refused: %(reason)s") % {"reason": found.refusal}
        hint = _(" It can be forced (--force).") if found.may_force else ""
        raise MembershipError(told + hint)
    index = _ACTIONS[operation.name](node, operation)
    node.journal.note(
        operation.name,
        term=node.state.current_term,
        subject=operation.node_id,
        detail=operation.address,
        user=operation.user[:MAX_USER],
    )
    return index


def _drive_if_alone(node: Node) -> None:
    state = node.state
    if state.configuration.voters == {node.node_id} and not state.is_leader:
        node.tick()


def view_of(node: Node, operation: Operation) -> View:
    """What this node knows, and what it finds out, for the plan of this operation."""
    view = asking_all(node)
    if operation.name in ("add", "set_url"):
        return replace(view, problem=_problem_at(node, operation))
    return view


def asking_all(node: Node) -> View:
    """Who is up at this moment, and who would lead: only each node itself knows.

    A member that died within the last election timeout still counts as heard by the leader, and
    what it would be missing for is not to be promised; one that was wiped answers, and is no help.
    """
    state = node.state
    answers = survey(node)
    facts = {
        each: found
        for each, found in answers.items()
        if isinstance(found, Facts)
        and is_the_member(state.configuration, found)
        and not found.is_rolled_back
    }
    unwilling = {each for each, found in facts.items() if found.drained or not found.may_lead}
    return View(
        configuration=state.configuration,
        leader_id=state.leader_id,
        last_log_index=state.last_log_index,
        up=heard(state, node) & facts.keys() if state.is_leader else frozenset(facts),
        unwilling=frozenset(unwilling),
        match_index={each: found.last_log_index for each, found in facts.items()},
        max_lag=node.config.timing.max_batch_entries,
    )


def _problem_at(node: Node, operation: Operation) -> str:
    """Why a node cannot be reached, or let in, at this address; "" if it can."""
    if operation.node_id == node.node_id:
        return _problem_of_own_url(node, operation.address)
    try:
        found = ask(node, operation.node_id, operation.address)
    except PeerError as error:
        told = _("Node %(node)s was not found there: %(error)s")
        return told % {"node": operation.node_id, "error": error}
    if operation.name == "set_url" or found.is_newcomer:
        return ""
    told = _(
        "Node %(node)s has a log of its own already, which could not be told from this cluster's. "
        "Make it a newcomer first: raft_recover --join, on that node."
    )
    return told % {"node": operation.node_id}


def _problem_of_own_url(node: Node, address: str) -> str:
    try:
        node.transport.call(node.node_id, address, "ping", {}, node.config.rpc_timeout_seconds)
    except RaftConfigError as error:
        return _("This node does not answer there: %(error)s") % {"error": error}
    return ""


# -- the actions: the index of the entry, 0 if there is none


def _change(make: Callable[[Node, Operation], MembershipChange]) -> Callable[..., int]:
    def change(node: Node, operation: Operation) -> int:
        seconds = node.config.write_timeout_seconds
        return node.change_members(make(node, operation), timeout_seconds=seconds).index

    return change


def _learner(node: Node, operation: Operation) -> AddLearner:
    # Bound at once: no other database can come in its place.
    found = ask(node, operation.node_id, operation.address)
    return AddLearner(operation.node_id, operation.address, found.incarnation, operation.promote)


def _transfer(node: Node, operation: Operation) -> int:
    transfer_to(node, operation.node_id or heir(view_of(node, operation), node.node_id))
    return 0


def _drain(node: Node, operation: Operation) -> int:
    if node.state.is_leader:
        target = heir(view_of(node, operation), node.node_id)
        if target:
            transfer_to(node, target)
    node.take(Drain(drained=True))
    return 0


def _undrain(node: Node, _operation: Operation) -> int:
    node.take(Drain(drained=False))
    return 0


def _snapshot(node: Node, _operation: Operation) -> int:
    node.take(TakeSnapshot())
    return 0


_ACTIONS: dict[str, Callable[[Node, Operation], int]] = {
    "add": _change(_learner),
    "promote": _change(lambda _node, operation: Promote(operation.node_id)),
    "remove": _change(lambda _node, operation: Remove(operation.node_id)),
    "set_url": _change(
        lambda _node, operation: ChangeAddress(operation.node_id, operation.address)
    ),
    "transfer": _transfer,
    "drain": _drain,
    "undrain": _undrain,
    "snapshot": _snapshot,
}
