"""What commands act on. All of it is replicated, and stands in the snapshots.

Values are JSON texts. Each remembers the index of the entry that set it, which is what a
compare-and-set names. The answers of recent requests belong to the state: a retry under the same
request id has one effect and gets the first answer. So do the changes that wait for their time,
and the history: it outlives the log, and is the same on every node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

REMEMBERED_ENTRIES = 10_000
"""A retry is recognised while fewer entries than this were applied since the first attempt."""

HISTORY_ENTRIES = 10_000
"""The history tells the changes made by so many entries of the log, the last ones."""

NOT_PENDING = "schedule"
"""The conflict of a `CancelSchedule` that came too late: it was fired or cancelled before."""

SEAL = "raft_config:engine"
"""While this name is set, nothing else is changed: the settings are moving to another engine.

It is the conflict of every command that came meanwhile, too; no setting has a colon."""

Key = TypeVar("Key")
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Note:
    """Who changed something, when, from where and why. For people: nothing depends on it."""

    changed_at: float = 0.0
    """Seconds since the epoch, by the clock of the node that took it in."""
    user: str = ""
    origin: str = ""
    """The way it came: "admin", "api", "cli", "python", "schedule", "expiry", "import"."""
    node: str = ""
    """The node that took it in."""
    comment: str = ""


NO_NOTE = Note()


@dataclass(frozen=True, slots=True)
class Value:
    """The JSON text of a setting, and the index of the entry that set it."""

    text: str
    index: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: its entry's index, and the names whose expectation failed."""

    index: int
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A change that waits until `apply_at`; `schedule_id` is the index of the entry that made it.

    With a `guard` it is the end of a temporary change: what that set, at the index `guard`, is put
    back to what was there before, unless it has been changed since. `expires_at` makes the change a
    temporary one, once it is made.
    """

    schedule_id: int
    apply_at: float
    values: Mapping[str, str | None]
    note: Note
    expires_at: float | None = None
    guard: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One changed setting in the history: the texts as stored, None where it was not set."""

    index: int
    name: str
    old: str | None
    new: str | None
    note: Note


@dataclass(frozen=True, slots=True)
class Changes:
    """What one command changes: None unsets a name, and ends a scheduled change.

    A repeated request changes nothing, and its answer is the first one, of another index.
    """

    answer: Answer
    values: Mapping[str, Value | None] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    scheduled: Mapping[int, Scheduled | None] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """What `apply` looks at: everything, or at least all that the commands at hand name."""

    values: dict[str, Value] = field(default_factory=dict)
    answered: dict[str, Answer] = field(default_factory=dict)
    scheduled: dict[int, Scheduled] = field(default_factory=dict)

    def take(self, request_id: str, index: int, changes: Changes) -> None:
        """Make the changes that the entry at `index` brought for this request."""
        _merge(self.values, changes.values)
        _merge(self.scheduled, changes.scheduled)
        if changes.answer.index == index:
            self.answered.pop(request_id, None)  # answers stand in the order of the log
            self.answered[request_id] = changes.answer


def _merge(kept: dict[Key, Content], changed: Mapping[Key, Content | None]) -> None:
    for key, content in changed.items():
        if content is None:
            kept.pop(key, None)
        else:
            kept[key] = content
