"""Handing leadership over, and standing back before a process ends."""

from __future__ import annotations

import logging
import time

from ..core.effects import Refused
from ..core.events import Drain, TransferLeadership
from ..core.state import Leader
from ..exceptions import UnavailableError, noop
from ..node import Node, error_for

logger = logging.getLogger("raft_config")

LOOK_SECONDS = 0.01


def transfer_to(node: Node, target: str) -> None:
    """Hand over to a voter, and wait until somebody else leads.

    Raises MembershipError, UnavailableError: then this node leads on.
    """
    for effect in node.take(TransferLeadership(target)):
        if isinstance(effect, Refused):
            raise error_for(effect, node.state)
    _wait_for_another(node, target)


def _wait_for_another(node: Node, target: str) -> None:
    # The core gives up after an election timeout; then the new leader has to be heard.
    deadline = time.monotonic() + 3 * node.config.timing.election_timeout_seconds
    while time.monotonic() < deadline:
        state = node.state
        if state.leader_id not in (None, node.node_id):
            return
        if isinstance(state.role, Leader) and state.role.transfer is None:
            break
        node.tick()
        time.sleep(LOOK_SECONDS)
    if node.state.is_leader:
        raise UnavailableError(
            noop("Node %(target)s did not take over; node %(node)s leads on."),
            target=target,
            node=node.node_id,
        )


def hand_over(node: Node) -> bool:
    """Hand over to the voter with the most complete log, if this node leads; whether it did."""
    if not node.state.is_leader:
        return False
    refused = any(isinstance(each, Refused) for each in node.take(TransferLeadership()))
    if refused:
        return False
    try:
        _wait_for_another(node, "of the most complete log")
    except UnavailableError as error:
        logger.warning("%s", error)
        return False
    return True


def prepare_to_stop(node: Node) -> None:
    """What SIGTERM of a driver does: hand over, then campaign no more until the next start.

    Without another voter to hand over to it leads until its process ends: others could not do
    better. A leader that does not say so is missed for an election timeout.
    """
    state = node.state
    if state.configuration.voters == {node.node_id}:
        return
    if state.is_leader and not hand_over(node):
        return
    node.take(Drain(drained=True))


def resume(node: Node) -> None:
    """What the start of a driver does: a drain lasts until then at the latest.

    Or a deploy that drains one node after the other, and forgets to end that, would leave a
    cluster in which nobody leads.
    """
    if node.state.drained:
        node.take(Drain(drained=False))
