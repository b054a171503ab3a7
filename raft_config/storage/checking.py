"""What is checked before a command goes into the log: afterwards it would stop every node."""

from __future__ import annotations

from collections.abc import Iterable

from ..exceptions import InvalidCommandError
from ..models import MAX_COMMENT_CHARACTERS, MAX_NAME_CHARACTERS
from ..state_machine import (
    FIRE_PREFIX,
    AnyCommand,
    Command,
    FireSchedule,
    Note,
    decode_command,
)

MAX_INDEX = 1 << 63
MAX_INSTANT = float(1 << 53)
"""Instants lie below, where a float still tells one second from the next."""


def check_command(data: bytes) -> AnyCommand:
    """The command, if every node can store what it says. Raises StateMachineError, CommandError."""
    command = decode_command(data)
    _check_names([command.request_id])
    if isinstance(command, FireSchedule):
        _check_fire(command)
        return command
    _refuse_id_of_leader(command.request_id)
    _check_note(command.note)
    if isinstance(command, Command):
        _check_update(command)
    else:
        _check_index(command.schedule_id)
    return command


def _check_update(command: Command) -> None:
    values, expected = command.values, command.expected
    if not isinstance(values, dict) or not isinstance(expected, dict):
        raise InvalidCommandError("The command's values and expectations must be objects.")
    _check_names((*values, *command.reset, *expected))
    if "" in values:
        raise InvalidCommandError("A setting must have a name.")
    _check_texts(values.values())
    _check_instants(each for each in (command.apply_at, command.expires_at) if each is not None)
    if command.expires_at is None:
        return
    if command.reset:
        raise InvalidCommandError(
            "A reset cannot expire: nothing would tell whether it was overtaken. "
            "Set the default as a value that expires, or schedule a change that sets the value."
        )
    if command.apply_at is not None and command.expires_at <= command.apply_at:
        raise InvalidCommandError("The change must not expire before it applies.")


def _check_fire(command: FireSchedule) -> None:
    _check_index(command.schedule_id)
    _check_instants([command.fired_at])
    if command != FireSchedule.of(command.schedule_id, command.fired_at):
        raise InvalidCommandError("The request id does not belong to this scheduled change.")


def _refuse_id_of_leader(request_id: str) -> None:
    """It would be taken for the firing of a scheduled change, which then never happens."""
    if request_id.startswith(FIRE_PREFIX) and request_id.removeprefix(FIRE_PREFIX).isdigit():
        raise InvalidCommandError(
            f"The request id {request_id} is one that the leader uses; choose another one."
        )


def _check_note(note: Note) -> None:
    _check_names((note.user, note.origin, note.node))
    _check_texts([note.comment])
    _check_instants([note.changed_at])
    if len(note.comment) > MAX_COMMENT_CHARACTERS:
        raise InvalidCommandError(
            f"The comment is longer than {MAX_COMMENT_CHARACTERS} characters."
        )


def _check_names(names: Iterable[object]) -> None:
    names = list(names)
    _check_texts(names)
    if any(len(str(name)) > MAX_NAME_CHARACTERS for name in names):
        raise InvalidCommandError(
            f"A name, request id or user is longer than {MAX_NAME_CHARACTERS} characters."
        )


def _check_texts(texts: Iterable[object]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise InvalidCommandError("The command's names and values must be texts.")
        if not _is_storable(text):
            raise InvalidCommandError("The command holds characters that no database can store.")


def _is_storable(text: str) -> bool:
    """Neither NUL, which PostgreSQL refuses, nor half a surrogate pair, which is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _check_instants(instants: Iterable[float]) -> None:
    if not all(0 <= instant < MAX_INSTANT for instant in instants):  # not NaN either
        raise InvalidCommandError("The command's instants must be seconds since 1970.")


def _check_index(index: object) -> None:
    if type(index) is not int or not 0 < index < MAX_INDEX:
        raise InvalidCommandError("The command must name a scheduled change by its index.")
