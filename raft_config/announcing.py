"""What an operator and the listeners are told of a node: roles, leaders, members, refusals.

Nothing per heartbeat or write: whoever reads the log in the morning finds what has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from . import signals
from .core.effects import (
    Effect,
    LeaderChanged,
    MembershipChanged,
    PeerRejected,
    Removed,
    RoleChanged,
)
from .core.messages import Rejection

logger = logging.getLogger("raft_config")

REJECTED: Mapping[Rejection, str] = {
    Rejection.WRONG_INCARNATION: "has another database than the members know: remove it, then let "
    "it join anew (raft_members remove, raft_recover --join)",
    Rejection.OTHER_GENERATION: "belongs to another life of this cluster, from before or after a "
    "restore or a recovery: let the one that was left behind join anew (raft_recover --join)",
    Rejection.TERM_TOO_FAR: "and this one are further apart in their terms than elections bring "
    "nodes: somebody who has the secret did. Change SECRETS; let the ones left behind join anew",
}


def announce(sender: type, node_id: str, effect: Effect) -> None:
    """Tell of an effect, if it is news; `sender` is the class of the node that has them."""
    if isinstance(effect, RoleChanged):
        level = logging.INFO if effect.role in ("leader", "follower") else logging.DEBUG
        facts = {"node": node_id, "term": effect.term}
        logger.log(
            level, "Node %s became %s in term %d", node_id, effect.role, effect.term, extra=facts
        )
        signals.role_changed.send_robust(sender, role=effect.role, term=effect.term)
    elif isinstance(effect, LeaderChanged):
        leader = effect.leader_id or "nobody"
        facts = {"node": node_id, "term": effect.term}
        logger.info("Node %s sees %s lead term %d", node_id, leader, effect.term, extra=facts)
        signals.leader_changed.send_robust(sender, leader_id=effect.leader_id, term=effect.term)
    elif isinstance(effect, MembershipChanged):
        names = ", ".join(effect.configuration.by_id) or "none"
        logger.info("Node %s: the members are %s", node_id, names, extra={"node": node_id})
        signals.membership_changed.send_robust(sender, configuration=effect.configuration)
    elif isinstance(effect, PeerRejected):
        logger.warning("Node %s %s", effect.node_id, REJECTED[effect.reason])
    elif isinstance(effect, Removed):
        logger.warning("Node %s was removed from the cluster, says %s", node_id, effect.by)
