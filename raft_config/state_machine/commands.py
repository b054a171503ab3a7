"""The commands, and their bytes in the log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from ..exceptions import InvalidCommandError, UnknownCommandError
from .state import NO_NOTE, Note

UPDATE, FIRE, CANCEL = "update", "fire", "cancel"
"""The kinds of commands. A release that does not know one stops applying, and says so."""

FIRE_PREFIX = "fire-"
"""The request ids of `FireSchedule`: one per scheduled change, whichever node proposes it."""


@dataclass(frozen=True, slots=True)
class Command:
    """Set `values` (JSON texts) and unset the names in `reset`, if `expected` still holds.

    `expected` maps a name to the index that last set it, 0 for a name that is not set. With
    `apply_at` (seconds since the epoch) the change waits until then, checked against `expected`
    now; with `expires_at` the values are put back then to what was there before.
    """

    request_id: str
    values: Mapping[str, str] = field(default_factory=dict)
    reset: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    note: Note = NO_NOTE
    apply_at: float | None = None
    expires_at: float | None = None

    @property
    def makes_schedule(self) -> bool:
        """Whether something is left to be done at another time."""
        return self.apply_at is not None or self.expires_at is not None


@dataclass(frozen=True, slots=True)
class FireSchedule:
    """Make a scheduled change: proposed by the leader when its clock has passed `apply_at`."""

    request_id: str
    schedule_id: int
    fired_at: float

    @classmethod
    def of(cls, schedule_id: int, fired_at: float) -> FireSchedule:
        """The one that every leader would propose."""
        return cls(f"{FIRE_PREFIX}{schedule_id}", schedule_id, fired_at)


@dataclass(frozen=True, slots=True)
class CancelSchedule:
    """Forget a scheduled change; of the end of a temporary one: keep its values for good."""

    request_id: str
    schedule_id: int
    note: Note = NO_NOTE


AnyCommand = Command | FireSchedule | CancelSchedule


def encode_command(command: AnyCommand) -> bytes:
    """The command as it stands in the log."""
    content = {"request_id": command.request_id, **_content_of(command)}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _content_of(command: AnyCommand) -> dict[str, Any]:
    if isinstance(command, FireSchedule):
        return {
            "kind": FIRE,
            "schedule_id": command.schedule_id,
            "fired_at": command.fired_at,
        }
    note = list(astuple(command.note))
    if isinstance(command, CancelSchedule):
        return {"kind": CANCEL, "schedule_id": command.schedule_id, "note": note}
    return {
        "kind": UPDATE,
        "values": dict(command.values),
        "reset": list(command.reset),
        "expected": dict(command.expected),
        "note": note,
        "apply_at": command.apply_at,
        "expires_at": command.expires_at,
    }


def decode_command(data: bytes) -> AnyCommand:
    """The command in an entry. Raises UnknownCommandError, InvalidCommandError.

    Its shape is certain then, not the types in it, but for instants: see `storage.check_command`.
    """
    try:
        found = json.loads(data)
        kind = found["kind"]
        if kind not in (UPDATE, FIRE, CANCEL):
            raise UnknownCommandError(kind)
        return _decode(kind, found)
    except (ArithmeticError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidCommandError(f"The entry holds no command: {error!r}.") from error


def _decode(kind: str, found: Mapping[str, Any]) -> AnyCommand:
    request_id = found["request_id"]
    if kind == FIRE:
        return FireSchedule(request_id, found["schedule_id"], _instant(found["fired_at"]))
    if kind == CANCEL:
        return CancelSchedule(request_id, found["schedule_id"], _note(found.get("note")))
    return Command(
        request_id=request_id,
        values=found["values"],
        reset=tuple(found["reset"]),
        expected=found["expected"],
        note=_note(found.get("note")),
        apply_at=_instant_or_none(found.get("apply_at")),
        expires_at=_instant_or_none(found.get("expires_at")),
    )


def _note(found: Any) -> Note:
    if found is None:
        return NO_NOTE
    changed_at, user, origin, node, comment = found
    return Note(_instant(changed_at), user, origin, node, comment)


def _instant(found: Any) -> float:
    """A float, and never -0.0: as it comes back from every database."""
    if type(found) not in (int, float):
        raise TypeError(f"{found!r} is no instant")
    return float(found) + 0.0


def _instant_or_none(found: Any) -> float | None:
    return None if found is None else _instant(found)
