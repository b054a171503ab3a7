"""Changing settings from any node: validate, find the leader (one hop), wait until applied here.

    propose --> clean and encode --> the leader, here or by one signed POST --> applied here

Nothing is stored unless everything is: one call is one entry of the log.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import connections

from .exceptions import (
    ConflictError,
    EntryLostError,
    InvalidCommandError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerUnavailableError,
    PeerUnreachableError,
    RaftConfigError,
    UnavailableError,
)
from .node import Node, get_node
from .reader import latest, written
from .schema import Setting, declared
from .state_machine import Answer, Command, encode_command
from .transport.wire import text_of

Found = TypeVar("Found")

RETRY_SECONDS = 0.05
"""How long to wait before asking again who leads."""

MIN_ATTEMPT_SECONDS = 0.1

CERTAINLY_NOT_STORED = (NotLeaderError, UnavailableError, EntryLostError, PeerUnreachableError)


def propose(
    values: Mapping[str, Any],
    *,
    reset: Sequence[str] = (),
    expected: Mapping[str, int] | None = None,
    request_id: str | None = None,
    timeout_seconds: float | None = None,
) -> Answer:
    """Set `values` and reset the names in `reset`, as one entry; returns when it is applied here.

    `expected` maps a name to the index that last set it (0: not set). Raises ValidationError (with
    an error_dict by name), InvalidCommandError, NotLeaderError, UnavailableError, EntryLostError,
    ConflictError: for certain nothing was changed. OutcomeUnknownError: retry under its id.
    """
    command = Command(
        request_id=request_id or uuid.uuid4().hex,
        values=encoded(values),
        reset=_declared_names(reset),
        expected=dict(expected or {}),
    )
    return submit(command, timeout_seconds)


def submit(command: Command, timeout_seconds: float | None = None) -> Answer:
    """Bring a command to the leader, and wait until it is applied here. Raises as `propose`."""
    node = get_node()
    _refuse_within_atomic(node)
    seconds = timeout_seconds or node.config.write_timeout_seconds
    deadline = time.monotonic() + seconds
    data = encode_command(command)
    index = _until(deadline, command.request_id, lambda left: _submit_once(node, data, left))
    if not node.wait_until_applied(index, max(MIN_ATTEMPT_SECONDS, deadline - time.monotonic())):
        raise OutcomeUnknownError(command.request_id)
    answer = node.storage.answer(command.request_id) or Answer(index)
    if answer.conflicts:
        raise ConflictError(answer.conflicts)
    written.set(answer.index)
    return answer


def read_index(timeout_seconds: float | None = None) -> int:
    """The index that a node has to have applied for a linearizable read that begins now.

    Raises NotLeaderError, UnavailableError, PeerUnavailableError; every attempt is a fresh round.
    """
    node = get_node()
    seconds = timeout_seconds or node.config.write_timeout_seconds
    return _until(time.monotonic() + seconds, None, lambda left: _read_index_once(node, left))


def read_latest(name: str, timeout_seconds: float | None = None) -> tuple[Any, int]:
    """A setting's value as of now in the whole cluster, and the index that set it (0: not set)."""
    _declared(name)
    node = get_node()
    seconds = timeout_seconds or node.config.write_timeout_seconds
    if not node.wait_until_applied(read_index(timeout_seconds), seconds):
        raise UnavailableError("This node lags behind the leader; try again later.")
    loaded = latest()
    stored = loaded.stored.get(name)
    return loaded.values[name], stored.index if stored else 0


# -- what is refused before it becomes a command


def _refuse_within_atomic(node: Node) -> None:
    if connections[node.config.database].in_atomic_block:
        raise InvalidCommandError(
            "A setting cannot be changed within transaction.atomic(): the cluster cannot take part "
            "in a rollback. Change it before or after the block, or in transaction.on_commit()."
        )


def _declared_names(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        _declared(name)
    return tuple(names)


def _declared(name: str) -> Setting:
    if name not in declared():
        raise InvalidCommandError(
            f'There is no setting {name}; declare it in RAFT_CONFIG["SETTINGS"].'
        )
    return declared()[name]


def encoded(values: Mapping[str, Any]) -> dict[str, str]:
    """The texts of values. Raises InvalidCommandError; ValidationError for all that is wrong."""
    texts: dict[str, str] = {}
    errors: dict[str, ValidationError] = {}
    for name, value in values.items():
        setting = _declared(name)
        try:
            texts[name] = setting.encode(setting.clean(value))
        except ValidationError as error:
            errors[name] = error
    if errors:
        raise ValidationError(errors)
    return texts


# -- on the way to the leader


def _until(deadline: float, request_id: str | None, attempt: Callable[[float], Found]) -> Found:
    """Try again until the deadline, whatever the outcome of an attempt.

    A command has one effect, under one request id. Only the error says whether an attempt may have
    stored it; what is only read has no request id.
    """
    may_be_stored = False
    while True:
        left = max(MIN_ATTEMPT_SECONDS, deadline - time.monotonic())
        try:
            return attempt(left)
        except CERTAINLY_NOT_STORED as error:
            failure: RaftConfigError = error
        except (OutcomeUnknownError, PeerUnavailableError) as error:
            failure, may_be_stored = error, request_id is not None
        if time.monotonic() + RETRY_SECONDS > deadline:
            raise OutcomeUnknownError(request_id or "") if may_be_stored else failure
        time.sleep(RETRY_SECONDS)


def _submit_once(node: Node, data: bytes, seconds: float) -> int:
    leader_id = node.state.leader_id
    if leader_id is None or leader_id == node.node_id:
        return node.propose([data], timeout_seconds=seconds).index
    payload: dict[str, object] = {"commands": [text_of(data)]}
    return _ask_leader(node, leader_id, "propose", payload, seconds)


def _read_index_once(node: Node, seconds: float) -> int:
    leader_id = node.state.leader_id
    if leader_id is None or leader_id == node.node_id:
        return node.read_index(timeout_seconds=seconds)
    return _ask_leader(node, leader_id, "read_index", {}, seconds)


def _ask_leader(
    node: Node, leader_id: str, name: str, payload: dict[str, object], seconds: float
) -> int:
    address = node.address_of(leader_id)
    answer = node.transport.call(leader_id, address, name, payload, seconds)
    return int(str(answer["index"]))
