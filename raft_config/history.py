"""What was changed, by whom and when, and what waits to be: for people to read, and to put back.

The history is a part of the replicated state: the same on every node, whatever was compacted. It
tells the changes of the last `HISTORY_ENTRIES` entries of the log. Texts are as they are stored;
`declared()[name].decode_given(text)` gives the value, so that what is put back is validated like
any other write. Every question is one statement or two, over an index; none loads the history
whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from .conf import get_config
from .exceptions import HistoryUnavailableError
from .models import Change as ChangeRow
from .models import ScheduledChange, StoredValue
from .state_machine import HISTORY_ENTRIES, Record, Scheduled
from .storage import stored_version
from .storage.rows import records_of, scheduled_of

Change = Record
"""One setting changed by one entry: index, name, old, new (texts, None: not set), note."""

Texts = dict[str, str]
Putting = tuple[Texts, tuple[str, ...], dict[str, int]]
"""Texts to set, names to reset, and the indexes that set them last: what `propose` expects."""


def changes(
    *,
    names: Collection[str] | None = None,
    user: str = "",
    origin: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    text: str = "",
    before_index: int | None = None,
    after_index: int | None = None,
    limit: int = 50,
) -> list[Change]:
    """The newest changes that are as asked, newest first; `text` is looked for in name and comment.

    Some more than `limit`, if the last entry changed several: entries are not cut, so the next page
    is that before the last one's index. Texts are not searched: they may be secret.
    """
    asked: dict[str, Any] = {
        "name__in": names,
        "user": user or None,
        "origin": origin or None,
        "changed_at__gte": since and since.timestamp(),
        "changed_at__lt": until and until.timestamp(),
        "index__lt": before_index,
        "index__gt": after_index,
    }
    rows = _rows().filter(**{key: value for key, value in asked.items() if value is not None})
    if text:
        rows = rows.filter(Q(name__icontains=text) | Q(comment__icontains=text))
    last_index = rows.order_by("-index").values("index")[limit - 1 : limit]
    return _found(rows.filter(index__gte=Coalesce(last_index, 0)))


def latest(names: Collection[str] | None = None) -> dict[str, Change]:
    """The last change of each name; of those that changed while the history reaches back."""
    later = _rows().filter(name=OuterRef("name"), index__gt=OuterRef("index"))
    rows = _rows().filter(~Exists(later))
    if names is not None:
        rows = rows.filter(name__in=names)
    return {change.name: change for change in _found(rows)}


def oldest_index() -> int:
    """History before it is forgotten: from it on, it is known what was set after each entry."""
    return max(0, stored_version(_alias()) - HISTORY_ENTRIES)


def texts_at(index: int) -> Texts:
    """What was set after the entry at `index`. Raises HistoryUnavailableError."""
    return {name: text for name, (text, _, _) in _states_at(index).items() if text is not None}


def difference(from_index: int, to_index: int) -> dict[str, tuple[str | None, str | None]]:
    """Text after the one and after the other, of each name that differs."""
    before, after = texts_at(from_index), texts_at(to_index)
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def undoing(index: int) -> Putting:
    """What undoes the changes of the entry at `index`, whatever was changed since.

    Where a name's expected index is another than `index`, that overrides a later change.
    """
    wanted = {change.name: change.old for change in _found(_rows().filter(index=index))}
    if not wanted and not oldest_index() < index <= stored_version(_alias()):
        raise _unavailable(index)
    values = StoredValue.objects.using(_alias()).filter(name__in=wanted)
    present = {value.name: (value.text, value.index) for value in values}
    return _putting(
        (name, text, *present.get(name, (None, 0))) for name, text in sorted(wanted.items())
    )


def restoring(index: int) -> Putting:
    """What brings everything back to how it was after the entry at `index`."""
    return _putting((name, *found) for name, found in sorted(_states_at(index).items()))


def scheduled() -> list[Scheduled]:
    """The changes that wait for their time, the next one first."""
    return [scheduled_of(row) for row in ScheduledChange.objects.using(_alias())]


def _putting(states: Iterable[tuple[str, str | None, str | None, int]]) -> Putting:
    """From names with the text wanted, the present text, and the index that set it."""
    differing = [(name, text, at) for name, text, present, at in states if text != present]
    texts = {name: text for name, text, _ in differing if text is not None}
    reset = tuple(name for name, text, _ in differing if text is None)
    return texts, reset, {name: at for name, _, at in differing}


def _states_at(index: int) -> Mapping[str, tuple[str | None, str | None, int]]:
    """Of each name the text after the entry at `index`, the present text, and its index.

    One statement, so that no entry is applied in between: what is set, and of each name changed
    later the first such change.
    """
    later = _rows().filter(index__gt=index)
    earlier = later.filter(name=OuterRef("name"), index__lt=OuterRef("index"))
    first = later.filter(~Exists(earlier)).order_by()
    values = StoredValue.objects.using(_alias()).order_by()
    found = values.values_list("name", "text", "index", Value(value=False)).union(
        first.values_list("name", "old_text", "index", Value(value=True)), all=True
    )
    then: dict[str, str | None] = {}
    present: dict[str, tuple[str | None, int]] = {}
    for name, text, at, is_old in found:
        if is_old:
            then[name] = text
        else:
            present[name] = (text, at)
    # Asked last: it only rises, and with it what is forgotten.
    if not oldest_index() <= index <= stored_version(_alias()):
        raise _unavailable(index)
    return {
        name: (then.get(name, present.get(name, (None, 0))[0]), *present.get(name, (None, 0)))
        for name in then.keys() | present.keys()
    }


def _unavailable(index: int) -> HistoryUnavailableError:
    return HistoryUnavailableError(index, oldest_index(), stored_version(_alias()))


def _found(rows: QuerySet[ChangeRow]) -> list[Change]:
    return list(records_of(rows))


def _rows() -> QuerySet[ChangeRow]:
    return ChangeRow.objects.using(_alias())


def _alias() -> str:
    return get_config().database
