"""From a request to a proposal, and what its outcome is called.

who may change -> what was sent is a value -> what it expects -> propose -> 200, 202 or a problem
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from .. import history, proposals
from ..exceptions import ConflictError
from ..live import wait_until_applied
from ..loading import latest
from ..schema import MASK, Setting, declared, stored_name_of
from . import conditional, parsing, problems
from .base import INDEX_HEADER
from .presentation import index_of
from .problems import Problem

ORIGIN: Final = "api"

NOTE_FIELDS: Final[Mapping[str, parsing.Reader]] = {
    "comment": parsing.comment,
    "request_id": parsing.request_id,
}
TIMING_FIELDS: Final[Mapping[str, parsing.Reader]] = {
    "apply_at": parsing.instant,
    "expires_at": parsing.instant,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be proposed, cleaned, by whom it may be."""

    values: Mapping[str, Any] = field(default_factory=dict)
    reset: Sequence[str] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of NOTE_FIELDS and TIMING_FIELDS."""
    lost_status: HTTPStatus = HTTPStatus.CONFLICT
    """What it is called when `expected` no longer holds: 412 if it came with If-Match."""

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.values, *self.reset)


def submit(request: Request, change: Change) -> Response:
    """Propose it; 200 when it is applied here, 202 when it was stored for later."""
    _require_sound(change)
    try:
        answer = proposals.propose(
            change.values,
            reset=change.reset,
            expected=change.expected,
            user=request.user,
            origin=ORIGIN,
            **change.options,
        )
    except ConflictError as error:
        raise _lost(error, change) from error
    data: dict[str, Any] = {"index": answer.index, "request_id": change.options.get("request_id")}
    if "apply_at" in change.options:
        return done(HTTPStatus.ACCEPTED, {**data, "schedule_id": answer.index})
    return done(HTTPStatus.OK, data)


def _require_sound(change: Change) -> None:
    errors: dict[str, list[str]] = {}
    if not change.names:
        errors[""] = [_("There is nothing to change.")]
    for name in change.names:
        if name in change.values and name in change.reset:
            errors[name] = [_("It cannot be both set and reset.")]
        elif declared()[name].is_from_environment:
            told = _("The environment variable %s of this node decides it. Change it there.")
            errors[name] = [told % declared()[name].env]
    if errors:
        raise problems.invalid(errors)


def done(status: HTTPStatus, data: Mapping[str, Any]) -> Response:
    """The answer to a write, with its index for the next read on whatever node."""
    response = Response(data, status=status)
    response[INDEX_HEADER] = str(data["index"])
    response["Cache-Control"] = "no-store"
    return response


def _lost(error: ConflictError, change: Change) -> Problem:
    loaded = latest()
    stored_names = {name: stored_name_of(name, loaded.stored) or name for name in change.expected}
    names = [name for name, stored in stored_names.items() if stored in error.names]
    is_precondition = change.lost_status == HTTPStatus.PRECONDITION_FAILED
    return Problem(
        change.lost_status,
        "precondition_failed" if is_precondition else "conflict",
        error,
        names=names,
        expected={name: change.expected[name] for name in names},
        actual={name: index_of(name, loaded) for name in names},
    )


def cleaned(raw: Mapping[str, Any]) -> dict[str, Any]:
    """JSON as values of declared settings. Raises Problem 400, for all that is wrong."""
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, each in raw.items():
        setting = declared()[name]
        try:
            values[name] = _cleaned(setting, each)
        except ValidationError as error:
            secret = [str(problems.INVALID_SECRET)]
            errors[name] = secret if setting.is_secret else error.messages
    if errors:
        raise problems.invalid(errors)
    return values


def _cleaned(setting: Setting, raw: Any) -> Any:
    if setting.is_secret and raw == MASK:  # somebody sends back what a read gave
        raise ValidationError(_("This is the mask, not a value."))
    return setting.from_json(raw)


# -- what a change expects


def expecting(request: Request, name: str, given: int | None) -> dict[str, Any]:
    """`expected` and `lost_status` of a change of one setting, from its body and If-Match."""
    allowed = conditional.required_indexes(request)
    if allowed is None:
        return {"expected": {} if given is None else {name: given}}
    if given is not None and given not in allowed:
        raise problems.invalid({"expected": [_("contradicts If-Match.")]})
    at = index_of(name, latest())
    # The log compares; with one index this node's own opinion, which may be old, is not asked.
    index = given if given is not None else at if at in allowed else max(allowed)
    return {"expected": {name: index}, "lost_status": HTTPStatus.PRECONDITION_FAILED}


def expecting_version(
    request: Request, names: Collection[str], given: Mapping[str, int]
) -> dict[str, Any]:
    """The same for several settings: none may have changed after the version in If-Match."""
    allowed = conditional.required_indexes(request)
    if allowed is None:
        return {"expected": dict(given)}
    version = max(allowed)
    wait_until_applied(version)
    loaded = latest()
    expected = {name: index_of(name, loaded) for name in names}
    # Asked after: what changed in between is here, or else refused by the log.
    changed = sorted(n for n, last in history.latest(names).items() if last.index > version)
    if changed:
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "precondition_failed",
            _("Changed after index %(index)d: %(names)s. Nothing was changed now.")
            % {"index": version, "names": ", ".join(changed)},
            names=changed,
            expected=dict.fromkeys(changed, version),
            actual={name: expected[name] for name in changed},
        )
    return {"expected": expected | dict(given), "lost_status": HTTPStatus.PRECONDITION_FAILED}
