"""Raft as a pure function: no clock, no randomness, no input or output.

    step(state, event, *, log, settings, now, jitter) -> (new_state, effects)

Read in this order: `configuration`, `log`, `messages`, `state` (the values), `events` and
`effects` (what goes in, what comes out), then one module per subject of the paper: `roles`,
`election`, `replication`, `commit`, `snapshot`, `membership`, `transfer`, `reads`; last `raft`,
the single door. Nothing in here imports Django, Celery, requests or anything but the stdlib.
"""

from .configuration import Configuration, Member, initial_configuration
from .raft import next_deadline, step
from .settings import RaftSettings
from .state import NodeState, new_node

__all__ = [
    "Configuration",
    "Member",
    "NodeState",
    "RaftSettings",
    "initial_configuration",
    "new_node",
    "next_deadline",
    "step",
]
