"""Carrying an operation out: where it is decided, and the way there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from ..conf import url_problem
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
    EntryLostError,
    InvalidCommandError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerError,
    PeerUnavailableError,
    RaftConfigError,
    UnavailableError,
    noop,
)
from ..node import Node, get_node
from .plans import DONE_BY_THE_NODE, PLANS, Operation, Plan, View, heir, make_plan
from .standby import transfer_to
from .survey import Facts, ask, heard, is_the_member, survey

RETRY_SECONDS = 0.1
MIN_ATTEMPT_SECONDS = 0.5
MAX_USER = 255

TRY_AGAIN = (
    NotLeaderError,
    UnavailableError,
    EntryLostError,
    OutcomeUnknownError,
    PeerUnavailableError,
)
"""Whatever became of the attempt: an operation that was done is found done."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done; the index of its entry is 0 if it needed none, or was so already."""

    text: str
    index: int = 0


# -- from any node


def plan(operation: Operation, *, timeout_seconds: float | None = None) -> Plan:
    """What the operation would do. Raises UnavailableError, NotLeaderError, PeerError."""
    found = _ask(operation, only_plan=True, force=False, timeout_seconds=timeout_seconds)
    return Plan(found["text"], found["refusal"], found["may_force"], found["is_done"])


def perform(
    operation: Operation, *, force: bool = False, timeout_seconds: float | None = None
) -> Done:
    """Do it, and wait until that is so; `force` does what is refused, where that is safe.

    Raises MembershipError (refused: nothing was done), InvalidCommandError, and as `plan`.
    """
    found = _ask(operation, only_plan=False, force=force, timeout_seconds=timeout_seconds)
    if found["index"] and operation.node_id != get_node().node_id:
        # What the caller looks at next is this node.
        get_node().wait_until_applied(found["index"], MIN_ATTEMPT_SECONDS)
    return Done(found["text"], found["index"])


def _ask(
    operation: Operation, *, only_plan: bool, force: bool, timeout_seconds: float | None
) -> dict[str, Any]:
    check(operation)
    node = get_node()
    deadline = time.monotonic() + (timeout_seconds or 2 * node.config.write_timeout_seconds)
    while True:
        left = max(MIN_ATTEMPT_SECONDS, deadline - time.monotonic())
        try:
            return _attempt(node, operation, only_plan=only_plan, force=force, seconds=left)
        except TRY_AGAIN as error:
            if time.monotonic() + RETRY_SECONDS > deadline:
                if isinstance(error, NotLeaderError) and error.leader_id is None:
                    raise _without_a_leader(node) from error
                raise
        time.sleep(RETRY_SECONDS)


def _attempt(
    node: Node, operation: Operation, *, only_plan: bool, force: bool, seconds: float
) -> dict[str, Any]:
    where = _decided_by(node, operation)
    if where in (None, node.node_id):
        return answer_here(node, operation, only_plan=only_plan, force=force)
    payload: dict[str, object] = {
        "name": operation.name,
        "node_id": operation.node_id,
        "address": operation.address,
        "promote": operation.promote,
        "user": operation.user,
        "only_plan": only_plan,
        "force": force,
    }
    return node.transport.call(str(where), node.address_of(str(where)), "operate", payload, seconds)


def _without_a_leader(node: Node) -> UnavailableError:
    """What is known of the members where nobody was found to decide."""
    view = _asking_all(node)
    sentence = noop(
        "No leader is known here: %(up)d of %(voters)d voters up, as this node sees it, and a "
        "majority needs %(needed)d. Start the others; raft_doctor and the cluster page tell what "
        "is wrong with each."
    )
    if view.spare >= 0:
        sentence = noop(
            "No leader is known here, though %(up)d of %(voters)d voters are up, and a majority "
            "needs %(needed)d. Try again in a moment; if that lasts, raft_doctor tells why, here "
            "and on the others."
        )
    return UnavailableError(
        sentence,
        up=len(view.up_voters),
        voters=len(view.configuration.voters),
        needed=view.configuration.majority,
    )


def _decided_by(node: Node, operation: Operation) -> str | None:
    state = node.state
    if operation.name not in DONE_BY_THE_NODE:
        return state.leader_id
    known = operation.node_id in state.configuration.by_id
    return operation.node_id if known else node.node_id


def check(operation: Operation) -> None:
    """Raise InvalidCommandError for what no plan can be made of."""
    if operation.name not in PLANS:
        told = _("There is no operation %(name)r.") % {"name": operation.name}
        raise InvalidCommandError(told)
    if operation.name in ("add", "set_url") and (problem := url_problem(operation.address)):
        raise InvalidCommandError(_("The URL %(problem)s") % {"problem": problem})


# -- on the node that decides


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
    view = _asking_all(node)
    if operation.name in ("add", "set_url"):
        return replace(view, problem=_problem_at(node, operation))
    return view


def _asking_all(node: Node) -> View:
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
