"""An operation from any node: the way to the one that decides, tried until the time is over."""

from __future__ import annotations

import time
from typing import Any

from django.utils.translation import gettext as _

from ..conf import url_problem
from ..exceptions import (
    EntryLostError,
    InvalidCommandError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerUnavailableError,
    UnavailableError,
    noop,
)
from ..node import Node, get_node
from .deciding import Done, answer_here, asking_all
from .plans import DONE_BY_THE_NODE, PLANS, Operation, Plan

RETRY_SECONDS = 0.1
MIN_ATTEMPT_SECONDS = 0.5

TRY_AGAIN = (
    NotLeaderError,
    UnavailableError,
    EntryLostError,
    OutcomeUnknownError,
    PeerUnavailableError,
)
"""Whatever became of the attempt: an operation that was done is found done."""


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
                is_leaderless = isinstance(error, NotLeaderError) and error.leader_id is None
                if is_leaderless and node.state.configuration.voters:  # else it is a newcomer
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
    view = asking_all(node)
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
