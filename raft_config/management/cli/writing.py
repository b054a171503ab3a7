"""The options of every action that changes something, and the one way to the cluster."""

from __future__ import annotations

import getpass
import re
import time
import uuid
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from ...conf import get_config
from ...proposals import propose, submit
from ...state_machine import Command, Note

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def write_options(parser: ArgumentParser) -> None:
    """Who, why, how long, and under which id."""
    parser.add_argument("--user", default=login_name(), help=_("who; by default the login name"))
    parser.add_argument("--comment", default="", help=_("why, for the history"))
    parser.add_argument(
        "--request-id",
        help=_("the same for each attempt: a change that is tried again has one effect"),
    )
    parser.add_argument(
        "--timeout", type=seconds, metavar="SECONDS", help=_("how long to wait for the cluster")
    )


def time_options(parser: ArgumentParser) -> None:
    """When a change is made, and when it ends."""
    when = _(
        "not before: ISO 8601, in the project's time zone if it names none, or +30m (s, m, h, d) "
        "from now"
    )
    parser.add_argument("--apply-at", type=instant, metavar="WHEN", help=when)
    parser.add_argument(
        "--expires-at", type=instant, metavar="WHEN", help=_("put back then what was there before")
    )


def login_name() -> str:
    """Who is logged in, as far as the system knows."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user need not have a name
        return ""


def seconds(text: str) -> float:
    """A duration above 0."""
    try:
        found = timedelta(seconds=float(text)).total_seconds()
    except (ValueError, OverflowError):
        found = 0.0
    if found <= 0:
        raise ArgumentTypeError(_("%r is no number of seconds above 0") % text)
    return found


def instant(text: str) -> datetime:
    """An aware datetime."""
    try:
        if match := re.fullmatch(r"\+(\d+)([smhd])", text):
            return timezone.now() + timedelta(**{_UNITS[match[2]]: int(match[1])})
        found = parse_datetime(text)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise ArgumentTypeError(_("%r is neither like 2030-01-31T08:00 nor like +30m") % text)
    return timezone.make_aware(found) if timezone.is_naive(found) else found


def expected_indexes(given: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """What `--expected-index [NAME=]INDEX` says, for a change of these names."""
    found: dict[str, int] = {}
    for text in given:
        name, _equals, index = text.rpartition("=")
        if not name and len(names) > 1:
            raise CommandError(_("Of several settings, say which: --expected-index NAME=INDEX."))
        name = name or names[0]
        if name not in names or not re.fullmatch(r"[0-9]{1,18}", index):
            problem = _(
                "--expected-index %s is neither INDEX nor NAME=INDEX of a name that is set."
            )
            raise CommandError(problem % text)
        found[name] = int(index)
    return found


def write(
    options: Namespace,
    values: Mapping[str, Any],
    *,
    reset: Sequence[str] = (),
    expected: Mapping[str, int] | None = None,
    origin: str = "cli",
) -> dict[str, Any]:
    """Propose one entry as the options say. Returns what scripts are told of every change."""
    answer = propose(
        values,
        reset=reset,
        expected=expected,
        request_id=options.request_id,
        timeout_seconds=options.timeout,
        user=options.user,
        comment=options.comment,
        origin=origin,
        apply_at=getattr(options, "apply_at", None),
        expires_at=getattr(options, "expires_at", None),
    )
    return {"index": answer.index}


def write_texts(
    options: Namespace,
    texts: Mapping[str, str],
    *,
    reset: Sequence[str] = (),
    expected: Mapping[str, int],
) -> dict[str, Any]:
    """Propose stored texts, under whatever names, without asking whether they would be taken now.

    For values that are in force already and stay so.
    """
    command = Command(
        request_id=options.request_id or uuid.uuid4().hex,
        values=dict(texts),
        reset=tuple(reset),
        expected=dict(expected),
        note=Note(time.time(), options.user, "cli", get_config().node_id, options.comment),
    )
    return {"index": submit(command, options.timeout).index}
