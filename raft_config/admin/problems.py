"""Why something was not (certainly) done, and what the reader can do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext as _

from ..exceptions import (
    CommandError,
    ConflictError,
    HistoryUnavailableError,
    OutcomeUnknownError,
)
from ..language import told
from ..permissions import viewable


@dataclass(frozen=True, slots=True)
class Problem:
    """What a page tells at its top."""

    headline: str
    detail: str
    advice: str
    status: int


class PageError(Exception):
    """A page cannot be shown as it was asked for; the problem is shown in its place."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.headline)
        self.problem = problem


def problem_of(error: Exception) -> Problem:
    """What is told of an error of `propose`. The page keeps what was typed."""
    nothing_stored = _("Nothing was stored.")
    kept = _("What you typed is still below.")
    if isinstance(error, ValidationError):
        correct = _("Please correct what is marked below.")
        return Problem(nothing_stored, "", correct, HTTPStatus.OK)
    if isinstance(error, OutcomeUnknownError):
        return Problem(
            _("It is not known yet whether this was stored."),
            told(error),
            _("Press the button again without changing anything: it will not take effect twice."),
            HTTPStatus.SERVICE_UNAVAILABLE,
        )
    if isinstance(error, ConflictError):
        return Problem(nothing_stored, told(error), kept, HTTPStatus.CONFLICT)
    if isinstance(error, CommandError):
        return Problem(nothing_stored, told(error), kept, HTTPStatus.OK)
    again = _(
        "Try again in a moment; if that fails as well, too few nodes are up, or this one is cut "
        "off from them."
    )
    return Problem(nothing_stored, told(error), f"{kept} {again}", HTTPStatus.SERVICE_UNAVAILABLE)


def outdated() -> Problem:
    """What the page itself carries is wrong: it is of another release, or was made by hand."""
    return Problem(
        _("Nothing was stored."),
        _("The page does not fit this node any more."),
        _("Check what is below, and save again."),
        HTTPStatus.BAD_REQUEST,
    )


def not_found(detail: str) -> PageError:
    """For what does not exist, and for what this user may not know to exist."""
    advice = _("Go back to the list, and look for it there.")
    return PageError(Problem(_("There is no such page."), detail, advice, HTTPStatus.NOT_FOUND))


def bad_request(advice: str) -> Problem:
    """For an address that no page of ours leads to."""
    return Problem(_("This cannot be shown."), "", advice, HTTPStatus.BAD_REQUEST)


@contextmanager
def told_when_forgotten() -> Iterator[None]:
    """Let a page say that the history does not reach so far, in its place."""
    try:
        yield
    except HistoryUnavailableError as error:
        is_old = error.index < error.oldest_index
        headline = _("This is older than the history.") if is_old else _("There is no such entry.")
        status = HTTPStatus.GONE if is_old else HTTPStatus.NOT_FOUND
        advice = _("Choose a point between index %(oldest)d and index %(newest)d.") % {
            "oldest": error.oldest_index,
            "newest": error.newest_index,
        }
        raise PageError(Problem(headline, "", advice, status)) from error


def told_errors(error: ValidationError, user: Any) -> Iterator[tuple[str, str]]:
    """What is wrong, by the setting's name, "" for none; a hidden setting is not spoken of."""
    if not hasattr(error, "error_dict"):
        yield "", " ".join(error.messages)
        return
    visible = viewable(user)
    for name, errors in error.error_dict.items():
        text = " ".join(ValidationError(errors).messages)
        if name == NON_FIELD_ERRORS:
            yield "", text
        elif name in visible:
            yield name, text
        else:
            yield "", _("It does not fit a setting that you may not see.")
