"""The replicated settings as pure functions: what a committed command does to the values.

Every node applies the same commands in the same order and must come to the same state, whatever
release it runs: so `apply` never validates (that is done before the log, see `schema`), never
looks at a clock, and never skips a command it does not know.

    commands    what stands in the log, and its bytes
    state       what it acts on: values, answers of recent requests, scheduled changes, history
    transition  apply(state, command, index) -> changes
    snapshot    all of it as bytes: the same state gives the same bytes
"""

from .commands import (
    FIRE_PREFIX,
    AnyCommand,
    CancelSchedule,
    Command,
    FireSchedule,
    decode_command,
    encode_command,
)
from .snapshot import dump_snapshot, load_snapshot
from .state import (
    HISTORY_ENTRIES,
    NOT_PENDING,
    REMEMBERED_ENTRIES,
    SEAL,
    Answer,
    Changes,
    Note,
    Record,
    Scheduled,
    State,
    Value,
)
from .transition import apply

__all__ = [
    "FIRE_PREFIX",
    "HISTORY_ENTRIES",
    "NOT_PENDING",
    "REMEMBERED_ENTRIES",
    "SEAL",
    "Answer",
    "AnyCommand",
    "CancelSchedule",
    "Changes",
    "Command",
    "FireSchedule",
    "Note",
    "Record",
    "Scheduled",
    "State",
    "Value",
    "apply",
    "decode_command",
    "dump_snapshot",
    "encode_command",
    "load_snapshot",
]
