"""Changing settings from any node: validate, find the leader (one hop), wait until applied here.

    propose --> clean and encode --> the leader, here or by one signed POST --> applied here

Nothing is stored unless everything is: one call is one entry of the log.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connections

from .conf import get_config
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
from .schema import declared
from .state_machine import Answer, Command, encode_command
from .transport.wire import text_of

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

    `expected` maps a name to the index that last set it (0: not set). Raises ValidationError (a
    value is wrong), InvalidCommandError, NotLeaderError, UnavailableError, EntryLostError and
    ConflictError: for certain nothing was changed. OutcomeUnknownError: retry under its id.
    """
    node = get_node()
    _refuse_within_atomic(node)
    command = Command(
        request_id=request_id or uuid.uuid4().hex,
        values=_encoded(values),
        reset=tuple(_known(name) for name in reset),
        expected=dict(expected or {}),
    )
    seconds = timeout_seconds or get_config().write_timeout_seconds
    index = _submit(node, command, time.monotonic() + seconds)
    if not node.wait_until_applied(index, seconds):
        raise OutcomeUnknownError(command.request_id)
    answer = node.storage.answer(command.request_id) or Answer(index)
    if answer.conflicts:
        names = ", ".join(answer.conflicts)
        raise ConflictError(
            f"Somebody else has changed {names} meanwhile; nothing was changed. "
            "Look at the present value, and decide again."
        )
    return answer


def _refuse_within_atomic(node: Node) -> None:
    if connections[node.config.database].in_atomic_block:
        raise InvalidCommandError(
            "A setting cannot be changed within transaction.atomic(): the cluster cannot take part "
            "in a rollback. Change it before or after the block, or in transaction.on_commit()."
        )


def _known(name: str) -> str:
    if name not in declared():
        raise InvalidCommandError(
            f'There is no setting {name}; declare it in RAFT_CONFIG["SETTINGS"].'
        )
    return name


def _encoded(values: Mapping[str, Any]) -> dict[str, str]:
    settings = declared()
    return {
        name: settings[_known(name)].encode(settings[name].clean(value))
        for name, value in values.items()
    }


def _submit(node: Node, command: Command, deadline: float) -> int:
    """Bring the command to the leader; returns the index at which it is applied there.

    Asks again until the deadline, whatever the outcome of an attempt: under one request id the
    command has one effect. Only the error says whether an attempt may have stored it.
    """
    data = encode_command(command)
    may_be_stored = False
    while True:
        left = max(MIN_ATTEMPT_SECONDS, deadline - time.monotonic())
        try:
            return _submit_once(node, data, left)
        except CERTAINLY_NOT_STORED as error:
            failure: RaftConfigError = error
        except (OutcomeUnknownError, PeerUnavailableError) as error:
            failure, may_be_stored = error, True
        if time.monotonic() + RETRY_SECONDS > deadline:
            raise OutcomeUnknownError(command.request_id) if may_be_stored else failure
        time.sleep(RETRY_SECONDS)


def _submit_once(node: Node, data: bytes, seconds: float) -> int:
    leader_id = node.state.leader_id
    if leader_id is None or leader_id == node.node_id:
        return node.propose([data], timeout_seconds=seconds).index
    payload: dict[str, object] = {"commands": [text_of(data)]}
    address = node.address_of(leader_id)
    answer = node.transport.call(leader_id, address, "propose", payload, seconds)
    return int(str(answer["index"]))
