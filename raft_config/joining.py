"""A newcomer asks any member to be let in; the leader adds it as a learner (thesis §4.2.1)."""

from __future__ import annotations

import logging

from .exceptions import NotLeaderError, RaftConfigError
from .node import get_node

logger = logging.getLogger("raft_config")


def join_cluster() -> bool:
    """Ask once, if this node is to join and is no member yet; whether it is one now."""
    node = get_node()
    config = node.config
    state = node.state
    if not config.join or state.configuration.members:
        return True
    payload: dict[str, object] = {
        "node_id": node.node_id,
        "address": config.url,
        "incarnation": state.incarnation,
        "promote": not config.learner,
    }
    try:
        seconds = config.write_timeout_seconds
        member_id = node.transport.identify(config.join)
        node.transport.call(member_id, config.join, "join", payload, seconds)
    except NotLeaderError as error:
        logger.info("Node %s asks to join; %s", node.node_id, error)
    except RaftConfigError as error:
        logger.warning("Node %s cannot join through %s: %s", node.node_id, config.join, error)
    else:
        return True
    return False
