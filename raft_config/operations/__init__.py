"""What an operator does to a cluster, from any node.

`plan` tells in words what it would do, and refuses what would lose the quorum; `perform` does it.

    perform --> the leader (or the node that is named), here or by one signed POST
            --> the plan is made there, again: whoever decides knows who is up
            --> done there, and applied here

Every operation may be repeated: what is so already is done. So whatever the outcome of an attempt,
it is tried again until the time is over. The commands and the admin use these functions alike.
"""

from __future__ import annotations

from .deciding import Done, answer_here, perform_here
from .plans import DONE_BY_THE_NODE, Operation, Plan, View
from .run import check, perform, plan
from .standby import hand_over, prepare_to_stop, resume
from .survey import Facts, ask, describe, survey

__all__ = [
    "DONE_BY_THE_NODE",
    "Done",
    "Facts",
    "Operation",
    "Plan",
    "View",
    "answer_here",
    "ask",
    "check",
    "describe",
    "hand_over",
    "perform",
    "perform_here",
    "plan",
    "prepare_to_stop",
    "resume",
    "survey",
]
