"""ETags (RFC 9110 §8.8.3): the index in front, then a digest of what is shown: "57.1f3a9c20b4d2".

If-Match needs the index alone, so `"57"` will do. If-None-Match needs the digest: at the same
index a newer release may declare another default, and a user may have been given more to see.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpRequest
from django.utils.http import parse_etags
from django.utils.translation import gettext as _

from .parsing import MAX_INDEX
from .problems import Problem

_DIGEST_CHARACTERS: Final = 12
_INDEX: Final = re.compile(r'(?:W/)?"([0-9]{1,19})(?:\.[0-9a-f]+)?"')


def etag(index: int, shown: Any) -> str:
    """The strong validator of something shown as of an index."""
    return f'"{index}.{digest(shown)}"'


def digest(shown: Any) -> str:
    """Equal things give equal digests."""
    text = json.dumps(shown, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def is_unchanged(request: HttpRequest, tag: str) -> bool:
    """Whether the client has it already: If-None-Match, compared weakly (RFC 9110 §13.1.2)."""
    given = parse_etags(request.headers.get("If-None-Match", ""))
    return given == ["*"] or tag in {each.removeprefix("W/") for each in given}


def required_indexes(request: HttpRequest) -> Sequence[int] | None:
    """The indexes that If-Match allows, None if it allows all. Raises Problem 412, 400.

    A weak tag is taken too, other than RFC 9110 §13.1.1 says: whatever a compressing proxy or
    middleware did to the body, the index in the tag is the one that the log will compare.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    found = [match[1] for each in parse_etags(header) if (match := _INDEX.fullmatch(each))]
    indexes = [int(each) for each in found if int(each) <= MAX_INDEX]
    if not indexes:
        detail = _('If-Match takes an ETag of this API, like "57", or *.')
        raise Problem(412, "precondition_failed", detail)
    return indexes
