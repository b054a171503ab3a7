"""What the documentation of the API tells of each handler, as decorators (`spectacular`).

What may *not* live here: anything that an answer depends on.
"""

from __future__ import annotations

from typing import Any, Final

from . import shapes
from .spectacular import REQUEST, described

READ: Final = (304, 400, 401, 403, 503)
CHANGE: Final = (400, 401, 403, 409, 503, 504)
WRITE: Final = (*CHANGE, 411, 413, 415)

EXAMPLE_SETTING: Final[dict[str, Any]] = {
    "name": "MAX_ITEMS",
    "type": "int",
    "group": "Shop",
    "help_text": "Items in a cart.",
    "value": 30,
    "default": 20,
    "choices": [],
    "source": "cluster",
    "index": 57,
    "is_secret": False,
    "is_public": True,
    "can_change": True,
    "last_change": {
        "index": 57,
        "changed_at": "2030-01-31T08:00:00+00:00",
        "user": "ada",
        "origin": "api",
        "node": "a",
        "comment": "Sale",
    },
}
EXAMPLE_CHANGES: Final[dict[str, Any]] = {
    "index": 57,
    "changes": [
        {
            "name": "MAX_ITEMS",
            "old": None,
            "new": {"value": 30},
            **EXAMPLE_SETTING["last_change"],
        }
    ],
}


FRESH: Final = "consistency at_least"
IF_NONE_MATCH: Final = {"If-None-Match": "The ETag that the client has: 304 if it is still so."}
IF_MATCH: Final = {"If-Match": 'An ETag, or only its index ("57"): 412 if it changed since.'}

describe_list = described(
    "list",
    query=f"{FRESH} group name changed",
    headers=IF_NONE_MATCH,
    answers={200: shapes.SettingsList},
    problems=READ,
    examples={"settings": {"index": 57, "settings": [EXAMPLE_SETTING]}},
)
describe_update = described(
    "update",
    headers=IF_MATCH,
    body=shapes.Update,
    answers={200: shapes.Written, 202: shapes.Scheduled},
    problems=(*WRITE, 412),
    examples={
        REQUEST: {
            "values": {"MAX_ITEMS": 30},
            "reset": ["BANNER"],
            "expected": {"MAX_ITEMS": 57},
            "comment": "Sale",
        },
        "written": {"index": 58, "request_id": "5d1c"},
    },
)
describe_detail = described(
    "retrieve",
    query=FRESH,
    headers=IF_NONE_MATCH,
    answers={200: shapes.Setting},
    problems=(*READ, 404),
    examples={"setting": EXAMPLE_SETTING},
)
describe_set = described(
    "set",
    headers=IF_MATCH,
    body=shapes.SetOne,
    answers={200: shapes.Written, 202: shapes.Scheduled},
    problems=(*WRITE, 404, 412),
    examples={REQUEST: {"value": 30, "expected": 57, "comment": "Sale"}},
)
describe_patch = described(
    "partial_set",
    headers=IF_MATCH,
    body=shapes.SetOne,
    answers={200: shapes.Written, 202: shapes.Scheduled},
    problems=(*WRITE, 404, 412),
)
describe_reset = described(
    "reset",
    query="expected comment request_id",
    headers=IF_MATCH,
    answers={200: shapes.Written},
    problems=(*CHANGE, 404, 412),
)
describe_public = described(
    "public",
    headers=IF_NONE_MATCH,
    answers={200: shapes.PublicSettings},
    problems=(304, 400),
    examples={"public": {"settings": {"MAX_ITEMS": 30}}},
)
describe_meta = described(
    "meta", query=FRESH, answers={200: shapes.Meta}, problems=(400, 401, 403, 503)
)
describe_history = described(
    "history",
    query=f"{FRESH} name group user origin since until search before after limit",
    headers=IF_NONE_MATCH,
    answers={200: shapes.History},
    problems=READ,
    examples={"history": {**EXAMPLE_CHANGES, "oldest_index": 0, "next": None}},
)
describe_difference = described(
    "diff",
    query=f"{FRESH} from to",
    headers=IF_NONE_MATCH,
    answers={200: shapes.Difference},
    problems=(*READ, 410),
)
describe_revert = described(
    "revert",
    body=shapes.RevertRequest,
    answers={200: shapes.PutBack},
    problems=(*WRITE, 410),
    examples={REQUEST: {"index": 57, "dry_run": True}},
)
describe_restore = described(
    "restore",
    body=shapes.RestoreRequest,
    answers={200: shapes.PutBack},
    problems=(*WRITE, 410),
    examples={REQUEST: {"index": 40, "names": ["MAX_ITEMS"], "comment": "As before"}},
)
describe_schedules = described(
    "schedules",
    query=FRESH,
    headers=IF_NONE_MATCH,
    answers={200: shapes.Schedules},
    problems=READ,
)
describe_cancel = described(
    "cancel",
    query="comment request_id",
    answers={200: shapes.Written},
    problems=(*CHANGE, 404),
)
describe_export = described(
    "export",
    query=f"{FRESH} group name",
    headers=IF_NONE_MATCH,
    answers={200: shapes.File},
    problems=READ,
)
describe_import = described(
    "import",
    query="dry_run prune comment request_id",
    body=shapes.File,
    answers={200: shapes.Imported},
    problems=WRITE,
    examples={
        REQUEST: {"format": 1, "settings": {"MAX_ITEMS": {"type": "int", "value": 30}}},
    },
)
describe_watch = described(
    "watch",
    query="index timeout group name",
    answers={200: shapes.Watched},
    problems=(400, 401, 403, 410, 503),
    examples={"changes": EXAMPLE_CHANGES},
)
describe_events = described(
    "events",
    query="index group name",
    headers={"Last-Event-ID": "What a browser sends when it connects again."},
    answers={200: str},
    problems=(400, 401, 403, 410, 501, 503),
    media_type="text/event-stream",
)
