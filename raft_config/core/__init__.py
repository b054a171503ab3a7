"""Raft as a pure function: no clock, no randomness, no input or output.

    step(state, event, *, log, settings, now, jitter) -> (new_state, effects)

Read in this order: `configuration`, `log`, `messages`, `state` (the values), `events` and
`effects` (what goes in, what comes out), then one module per subject of the paper: `roles`,
`election`, `replication`, `commit`, `snapshot`, `membership`, `transfer`, `reads`; last `raft`,
the single door. Nothing in here imports Django, Celery, urllib3 or anything but the stdlib.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    **dict.fromkeys(("Configuration", "Member", "initial_configuration"), ".configuration"),
    **dict.fromkeys(("NodeState", "new_node"), ".state"),
    **dict.fromkeys(("next_deadline", "step"), ".raft"),
    "RaftSettings": ".settings",
}


def __getattr__(name: str) -> Any:
    # Late: every process of a site needs the settings, and few of them step.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
