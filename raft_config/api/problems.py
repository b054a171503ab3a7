"""Every refusal in one shape: `application/problem+json` (RFC 9457).

    {"type": "about:blank", "title": "Conflict", "status": 409,
     "code": "conflict", "detail": "...", "names": ["MAX_ITEMS"], "actual": {"MAX_ITEMS": 57}}

`code` is for programs and never changes, `detail` is for people. What else there is depends on the
code. No problem repeats a value: it might be a secret's.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import Error as DatabaseFailure
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf

from .. import exceptions
from ..language import told
from ..schema import declared

CONTENT_TYPE: Final = "application/problem+json"

RETRY_AFTER_SECONDS: Final = 1
"""An election is over in about that time."""

INVALID_SECRET: Final = _("This is no valid value for the setting.")


class Problem(drf.APIException):
    """A refusal, ready to be answered."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: Any,
        *,
        retry_after_seconds: int | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(str(detail), code)
        self.status_code = status
        self.code = code
        self.facts = facts
        self.headers: dict[str, str] = {}
        if retry_after_seconds is not None:
            self.headers["Retry-After"] = str(retry_after_seconds)

    def body(self) -> dict[str, Any]:
        """What is answered."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "code": self.code,
            "detail": str(self.detail),
            **self.facts,
        }


def invalid(errors: Mapping[str, Any]) -> Problem:
    """400 with what is wrong, by the name of the setting or of the field."""
    texts = {name: [str(each) for each in found] for name, found in errors.items()}
    detail = _("Nothing was changed: correct what `errors` names.")
    return Problem(HTTPStatus.BAD_REQUEST, "invalid", detail, errors=texts)


_WHAT_THE_CLUSTER_SAYS: Final[Mapping[type[Exception], tuple[int, str, bool]]] = {
    # status, code, whether the same request may succeed in a moment
    exceptions.NotLeaderError: (503, "no_leader", True),
    exceptions.UnavailableError: (503, "unavailable", True),
    exceptions.EntryLostError: (503, "entry_lost", True),
    exceptions.PeerUnavailableError: (503, "peer_unavailable", True),
    exceptions.StaleReadError: (503, "stale", True),
    exceptions.OutcomeUnknownError: (504, "outcome_unknown", True),
    exceptions.PeerRejectedError: (502, "peer_rejected", False),
    exceptions.NotPendingError: (404, "not_found", False),
    exceptions.ConflictError: (409, "conflict", False),
    exceptions.UnsupportedCommandError: (409, "unsupported", False),
    exceptions.InvalidCommandError: (400, "invalid", False),
    exceptions.HistoryUnavailableError: (410, "history_forgotten", False),
}

_FACTS: Final = ("request_id", "leader_id", "names", "oldest_index", "newest_index")
"""Attributes of our errors that a program can act on."""


def problem_for(error: Exception) -> Problem | None:
    """The problem that an error is answered with; None for one that is our own fault."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, exceptions.RaftConfigError):
        return _problem_of_cluster(error)
    if isinstance(error, ValidationError):
        return invalid(validation_messages(error))
    if isinstance(error, Http404):
        error = drf.NotFound()
    elif isinstance(error, PermissionDenied):
        error = drf.PermissionDenied()
    elif isinstance(error, DatabaseFailure):
        detail = _("The database of this node does not answer; try again in a moment.")
        return Problem(503, "database", detail, retry_after_seconds=RETRY_AFTER_SECONDS)
    return _problem_of_framework(error) if isinstance(error, drf.APIException) else None


def _problem_of_cluster(error: exceptions.RaftConfigError) -> Problem | None:
    if isinstance(error, exceptions.InvalidImportError):
        return invalid({name: [problem] for name, problem in error.problems.items()})
    for kind in type(error).__mro__:
        if kind in _WHAT_THE_CLUSTER_SAYS:
            status, code, may_succeed = _WHAT_THE_CLUSTER_SAYS[kind]
            facts = {each: getattr(error, each) for each in _FACTS if hasattr(error, each)}
            retry = RETRY_AFTER_SECONDS if may_succeed else None
            return Problem(status, code, told(error), retry_after_seconds=retry, **facts)
    return None


def _problem_of_framework(error: drf.APIException) -> Problem:
    if isinstance(error, drf.ValidationError) and isinstance(error.detail, dict):
        return invalid(error.detail)
    wait = getattr(error, "wait", None)
    problem = Problem(
        error.status_code,
        str(error.get_codes()) if isinstance(error.detail, str) else error.default_code,
        error.detail if isinstance(error.detail, str) else error.default_detail,
        retry_after_seconds=None if wait is None else max(1, round(wait)),
    )
    if header := getattr(error, "auth_header", None):
        problem.headers["WWW-Authenticate"] = header
    return problem


def validation_messages(error: ValidationError) -> dict[str, list[str]]:
    """What Django found wrong, by name; not in its words where they may repeat a secret."""
    if not hasattr(error, "error_dict"):
        return {"": error.messages}
    return {
        name: [str(INVALID_SECRET)] if _is_secret(name) else messages
        for name, messages in error.message_dict.items()
    }


def _is_secret(name: str) -> bool:
    setting = declared().get(name)
    return setting is not None and setting.is_secret
