"""Telling drf-spectacular about a handler, where that is installed; else nothing.

What may *not* live here: anything that an answer depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final, TypeVar

from . import shapes


def _spectacular() -> Any:
    try:
        return import_module("drf_spectacular.utils")
    except ImportError:  # the extra "openapi" is not installed
        return None


utils: Final = _spectacular()

Handler = TypeVar("Handler", bound=Callable[..., Any])

JSON: Final = "application/json"
REQUEST: Final = "request"
"""The name of the example of a body."""
PROBLEM: Final = "application/problem+json"

MEANINGS: Final[Mapping[int, str]] = {
    304: "The client has it already: If-None-Match.",
    400: "Something is wrong with what was sent; `errors` says what, by name.",
    401: "Nobody is logged in.",
    403: "This user may not do that.",
    404: "There is no such thing, or this user may not see it.",
    409: "Somebody else has changed it meanwhile; `actual` tells the present indexes.",
    410: "The history does not reach back so far.",
    411: "The body has no Content-Length.",
    412: "If-Match does not hold any more; nothing was changed.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    501: "This site does not run under ASGI.",
    503: "No leader, no majority, or too many waiters: nothing was changed, try again later.",
    504: "It is not known whether this takes effect: retry with the same `request_id`.",
}

QUERY: Final[Mapping[str, tuple[type, str]]] = {
    "consistency": (str, "`local` (the default), or `linearizable`: asks the leader."),
    "at_least": (int, "Wait until this node has applied that index."),
    "group": (str, "Only settings of this group; may be given several times."),
    "name": (str, "Only this setting; may be given several times."),
    "changed": (bool, "Only settings that are set, or that are not."),
    "comment": (str, "Why, for the history."),
    "request_id": (str, "The same for each retry: it has one effect."),
    "expected": (int, "The index that last set it, 0 for none: else 409."),
    "user": (str, "Only changes by this user."),
    "origin": (str, "Only changes from here: admin, api, cli, python, import, schedule, expiry."),
    "since": (str, "Only changes from this instant on (ISO 8601 with an offset)."),
    "until": (str, "Only changes before this instant."),
    "search": (str, "Only changes with this in the name or comment."),
    "before": (int, "Only changes before this index: the next page."),
    "after": (int, "Only changes after this index."),
    "limit": (int, "How many changes, 1 to 500; an entry is not cut."),
    "from": (int, "The index to compare from."),
    "to": (int, "The index to compare with; by default the present one."),
    "dry_run": (bool, "Tell what would change, and change nothing."),
    "prune": (bool, "Reset what is set here and not in the file."),
    "index": (int, "The index that the client knows; without it, the present one is told."),
    "timeout": (int, "How many seconds to wait, 0 to 60; 20 by default."),
}


def described(
    operation: str,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    answers: Mapping[int, Any] | None = None,
    problems: tuple[int, ...] = (),
    examples: Mapping[str, Any] | None = None,
    media_type: str = JSON,
) -> Callable[[Handler], Handler]:
    """A decorator that tells drf-spectacular about a handler, and changes nothing of it."""
    if utils is None:
        return lambda handler: handler
    decorate: Callable[[Handler], Handler] = utils.extend_schema(
        operation_id=f"raft_config_{operation}",
        tags=["settings"],
        parameters=_parameters(query, headers or {}),
        request=body,
        responses=_responses(answers or {}, media_type, problems),
        examples=[
            utils.OpenApiExample(
                name, value, request_only=name == REQUEST, response_only=name != REQUEST
            )
            for name, value in (examples or {}).items()
        ],
    )
    return decorate


def _parameters(query: str, headers: Mapping[str, str]) -> list[Any]:
    in_query = [
        utils.OpenApiParameter(
            name,
            QUERY[name][0],
            description=QUERY[name][1],
            many=name in {"group", "name"},
            required=name == "from",
        )
        for name in query.split()
    ]
    in_header = [
        utils.OpenApiParameter(name, str, utils.OpenApiParameter.HEADER, description=text)
        for name, text in headers.items()
    ]
    return in_query + in_header


def _responses(
    answers: Mapping[int, Any], media_type: str, problems: tuple[int, ...]
) -> dict[Any, Any]:
    found: dict[Any, Any] = {
        (status, media_type): utils.OpenApiResponse(shape) for status, shape in answers.items()
    }
    for status in sorted(set(problems)):
        has_body = status != HTTPStatus.NOT_MODIFIED
        found[(status, PROBLEM) if has_body else status] = utils.OpenApiResponse(
            shapes.Problem if has_body else None, description=MEANINGS[status]
        )
    return found


if utils is not None:
    # A project has a Setting and a Change of its own.
    for shape in shapes.ALL:
        utils.extend_schema_serializer(component_name=f"RaftConfig{shape.__name__}")(shape)
