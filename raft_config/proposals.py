"""Changing settings from any node: validate, find the leader (one hop), wait until applied here.

    propose --> clean and encode --> the leader, here or by one signed POST --> applied here

Nothing is stored unless everything is: one call is one entry of the log.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import Error as DatabaseFailure
from django.db import connections
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from . import tracing
from .conf import did_you_mean, get_config
from .exceptions import (
    ConflictError,
    EntryLostError,
    InvalidCommandError,
    NotLeaderError,
    NotPendingError,
    OutcomeUnknownError,
    PeerUnavailableError,
    PeerUnreachableError,
    RaftConfigError,
    UnavailableError,
    noop,
)
from .loading import latest, move_pin, written
from .node import Node, get_node
from .schema import SchemaError, Setting, clean_together, declared, stored_name_of
from .state_machine import SEAL, Answer, CancelSchedule, Command, Note, encode_command
from .transport.wire import text_of
from .version_file import version_file_of
from .watcher import watcher

logger = logging.getLogger("raft_config")

Found = TypeVar("Found")

RETRY_SECONDS = 0.05
"""How long to wait before asking again who leads."""

MIN_ATTEMPT_SECONDS = 0.1

CERTAINLY_NOT_STORED = (NotLeaderError, UnavailableError, EntryLostError, PeerUnreachableError)


@sensitive_variables()
def propose(
    values: Mapping[str, Any],
    *,
    reset: Sequence[str] = (),
    expected: Mapping[str, int] | None = None,
    request_id: str | None = None,
    timeout_seconds: float | None = None,
    user: object = "",
    comment: str = "",
    origin: str = "python",
    apply_at: datetime | None = None,
    expires_at: datetime | None = None,
) -> Answer:
    """Set `values` and reset the names in `reset`, as one entry; returns when it is applied here.

    `expected` maps a name to the index that last set it (0: not set). See `live.Config` for the
    others. Raises ValidationError (with an error_dict by name), InvalidCommandError,
    NotLeaderError, UnavailableError, EntryLostError, ConflictError: for certain nothing was
    changed. OutcomeUnknownError: retry under its id.
    """
    starts_at, ends_at = _period(apply_at, expires_at, is_retry=request_id is not None)
    texts = encoded(values, reset)
    command = Command(
        request_id=request_id or uuid.uuid4().hex,
        values=texts,
        reset=_with_former_names(texts, reset),
        expected={_stored_name(name): index for name, index in (expected or {}).items()},
        note=_note(user, comment, origin),
        apply_at=starts_at,
        expires_at=ends_at,
    )
    return submit(command, timeout_seconds)


def cancel_schedule(
    schedule_id: int,
    *,
    user: object = "",
    comment: str = "",
    origin: str = "python",
    request_id: str | None = None,
    timeout_seconds: float | None = None,
) -> Answer:
    """Let a scheduled change not happen. Raises NotPendingError, and as `propose`."""
    note = _note(user, comment, origin)
    command = CancelSchedule(request_id or uuid.uuid4().hex, schedule_id, note)
    try:
        return submit(command, timeout_seconds)
    except ConflictError as error:
        raise NotPendingError(schedule_id) from error


def submit(command: Command | CancelSchedule, timeout_seconds: float | None = None) -> Answer:
    """Bring a command to the leader, and wait until it is applied here. Raises as `propose`."""
    node = get_node()
    _refuse_within_atomic(node)
    watcher.listen()  # before a process's first change, or nobody here would be told of it
    with node.journal.timed_write(), tracing.writing(node.node_id):
        return _submit(node, command, timeout_seconds)


def _submit(node: Node, command: Command | CancelSchedule, timeout_seconds: float | None) -> Answer:
    node.whom_to_ask()  # a database that fails here already has stored nothing of the change
    try:
        answer = _applied(node, command, timeout_seconds or node.config.write_timeout_seconds)
    except DatabaseFailure as error:
        # It may be stored all the same: before this failed, or by a commit that was not answered.
        logger.warning("The database failed during a change: %s", error)
        raise OutcomeUnknownError(command.request_id) from error
    if answer.conflicts == (SEAL,):
        raise UnavailableError(
            noop(
                "The settings are moving to another engine: nothing was changed. Try again once "
                "this node runs on it (manage.py raft_config move)."
            )
        )
    if answer.conflicts:
        raise ConflictError(answer.conflicts)
    written.set(answer.index)
    move_pin()
    watcher.announce()
    return answer


def _applied(node: Node, command: Command | CancelSchedule, seconds: float) -> Answer:
    """What became of a command, once it is applied here."""
    deadline = time.monotonic() + seconds
    data = encode_command(command)
    index = _until(deadline, command.request_id, lambda left: _submit_once(node, data, left))
    answer = node.storage.answer(command.request_id, index)
    if answer is not None and version_file_of(node.config).version() >= index:
        return answer  # and whoever reads here now finds it
    if not node.wait_until_applied(index, max(MIN_ATTEMPT_SECONDS, deadline - time.monotonic())):
        raise OutcomeUnknownError(command.request_id)
    return node.storage.answer(command.request_id) or Answer(index)


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
        raise UnavailableError(noop("This node lags behind the leader; try again later."))
    loaded = latest()
    stored = loaded.stored.get(name)
    return loaded.values[name], stored.index if stored else 0


# -- what is refused before it becomes a command


def _refuse_within_atomic(node: Node) -> None:
    if connections[node.config.database].in_atomic_block:
        raise InvalidCommandError(
            noop(
                "A setting cannot be changed within transaction.atomic(): the cluster cannot take "
                "part in a rollback. Change it before or after the block, or in "
                "transaction.on_commit()."
            )
        )


def _declared(name: str) -> Setting:
    if name not in declared():
        hint = did_you_mean(name, tuple(declared()))
        raise InvalidCommandError(
            noop("There is no setting %(name)s; declare it first. %(hint)s"), name=name, hint=hint
        )
    return declared()[name]


def _changeable(name: str) -> Setting:
    setting = _declared(name)
    if setting.is_from_environment:
        raise InvalidCommandError(
            noop(
                "%(name)s is decided by the environment variable %(variable)s of this node. "
                "Change it there, or take the variable away."
            ),
            name=name,
            variable=setting.env,
        )
    return setting


def encoded(values: Mapping[str, Any], reset: Sequence[str] = ()) -> dict[str, str]:
    """The texts of values. Raises InvalidCommandError; ValidationError for all that is wrong."""
    settings = {name: _changeable(name) for name in (*values, *reset)}
    if both := sorted(values.keys() & set(reset)):
        raise InvalidCommandError(
            noop("Set and reset at once: %(names)s. Choose one."), names=", ".join(both)
        )
    found: dict[str, Any] = {}
    errors: dict[str, ValidationError] = {}
    for name, value in values.items():
        try:
            found[name] = settings[name].clean(value)
        except ValidationError as error:  # noqa: PERF203 - all that is wrong is told at once
            errors[name] = error
    if errors:
        raise ValidationError(errors)
    defaults = {name: settings[name].default for name in reset}
    clean_together({**defaults, **found}, lambda: latest().values)
    return {name: _text(name, settings[name], value) for name, value in found.items()}


def _text(name: str, setting: Setting, value: Any) -> str:
    try:
        return setting.encode(value)
    except SchemaError as error:  # a secret, and no key to encrypt it with
        raise InvalidCommandError(
            noop("%(name)s cannot be stored: the value %(problem)s."), name=name, problem=error
        ) from error


def _stored_name(name: str) -> str:
    """Where the value in force stands: under a former name until it is changed."""
    return (stored_name_of(name, latest().stored) if name in declared() else None) or name


def _with_former_names(texts: Mapping[str, str], reset: Sequence[str]) -> tuple[str, ...]:
    """What to reset: what is stored under a former name must not come back."""
    former = {each for name in (*texts, *reset) for each in declared()[name].renamed_from}
    if former:  # else nothing need be loaded
        former &= latest().stored.keys()
    return tuple(dict.fromkeys([*reset, *sorted(former - texts.keys())]))


def _note(user: object, comment: str, origin: str) -> Note:
    name = user.get_username() if hasattr(user, "get_username") else str(user)
    return Note(time.time(), name, origin, get_config().node_id, comment)


def _period(
    apply_at: datetime | None, expires_at: datetime | None, *, is_retry: bool
) -> tuple[float | None, float | None]:
    """Both as seconds since the epoch. Raises InvalidCommandError.

    A retry may come when its time has passed already: it has to find its first answer.
    """
    starts_at, ends_at = _instant("apply_at", apply_at), _instant("expires_at", expires_at)
    for name, instant in (("apply_at", starts_at), ("expires_at", ends_at)):
        if instant is not None and instant <= time.time() and not is_retry:
            raise InvalidCommandError(noop("%(name)s must be in the future."), name=name)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise InvalidCommandError(noop("expires_at must be later than apply_at."))
    return starts_at, ends_at


def _instant(name: str, moment: datetime | None) -> float | None:
    if moment is None:
        return None
    if timezone.is_naive(moment):
        raise InvalidCommandError(
            noop("%(name)s needs a time zone: use django.utils.timezone."), name=name
        )
    return moment.timestamp()


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
    leader_id = node.whom_to_ask()
    if leader_id == node.node_id:
        return node.propose([data], timeout_seconds=seconds).index
    payload: dict[str, object] = {"commands": [text_of(data)]}
    return _ask_leader(node, leader_id, "propose", payload, seconds)


def _read_index_once(node: Node, seconds: float) -> int:
    leader_id = node.whom_to_ask()
    if leader_id == node.node_id:
        return node.read_index(timeout_seconds=seconds)
    return _ask_leader(node, leader_id, "read_index", {}, seconds)


def _ask_leader(
    node: Node, leader_id: str, name: str, payload: dict[str, object], seconds: float
) -> int:
    address = node.address_of(leader_id)
    answer = node.transport.call(leader_id, address, name, payload, seconds)
    return int(str(answer["index"]))
