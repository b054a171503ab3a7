"""The history: what was changed, what differs between two points, and going back.

Going back is a change like any other: one entry, made of what the person has seen and confirmed. It
touches only what they may change; what they may not see is not spoken of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern
from django.utils.translation import gettext as _

from .. import history, permissions, status
from ..models import Change
from ..schema.strict import MAX_INTEGER
from .base import VisibleAdmin
from .facts import Author, Step, author_of, step_of
from .filters import DiffForm, HistoryForm
from .problems import bad_request, not_found, told_when_forgotten
from .putting import PutBack

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """What one entry changed, as far as this user may see it."""

    index: int
    author: Author
    steps: list[Step]
    can_change: bool


def visible_names(user: Any) -> Collection[str] | None:
    """The names this user may hear of, None for all, also those that are not declared any more."""
    return None if permissions.views_all(user) else permissions.viewable(user).keys()


@admin.register(Change)
class HistoryAdmin(VisibleAdmin):
    """The history of the settings that the user may see."""

    def get_urls(self) -> list[URLPattern]:
        return [
            *super().get_urls(),
            self.route("diff/", self.diff, "diff"),
            self.route("<int:index>/revert/", self.revert, "revert"),
            self.route("<int:index>/restore/", self.restore, "restore"),
        ]

    def page(self, request: HttpRequest) -> HttpResponseBase:
        """The changes that pass the filters, newest first."""
        form = HistoryForm(permissions.viewable(request.user), request.GET)
        names = form.names(visible_names(request.user)) if form.is_valid() else ()
        found = history.changes(names=names, limit=PAGE_SIZE, **form.asked()) if names != () else []
        last = found[-1].index if len(found) >= PAGE_SIZE else None
        return self.render(
            request,
            "history",
            _("History"),
            problem=None if form.is_valid() else bad_request(_("Please correct the filter.")),
            form=form,
            entries=self._entries(request, found),
            older=f"?{urlencode({**form.query(), 'before': last})}" if last else "",
            newest=f"?{urlencode(form.query())}" if form.is_paged else "",
            now=status.read().last_applied,
            oldest=history.oldest_index(),
        )

    def _entries(self, request: HttpRequest, found: Iterable[history.Change]) -> list[Entry]:
        changeable = permissions.changeable(request.user)
        entries = []
        for index, changes in groupby(found, key=lambda change: change.index):
            each = list(changes)
            steps = [step_of(change.name, change.old, change.new) for change in each]
            can_change = any(change.name in changeable for change in each)
            entries.append(Entry(index, author_of(each[0].note), steps, can_change))
        return entries

    def diff(self, request: HttpRequest) -> HttpResponseBase:
        """What differs between `?from=` and `?to=`."""
        now = status.read().last_applied
        form = DiffForm(request.GET or None, initial={"to": now})
        steps: list[Step] | None = None
        problem = None
        if form.is_bound and form.is_valid():
            first, second = form.cleaned_data["from"], form.cleaned_data["to"]
            with told_when_forgotten():
                found = history.difference(first, second)
            names = visible_names(request.user)
            steps = [
                step_of(name, *texts)
                for name, texts in found.items()
                if names is None or name in names
            ]
        elif form.is_bound:
            problem = bad_request(_("Please correct what is marked below."))
        return self.render(
            request, "diff", _("Difference"), problem=problem, form=form, steps=steps, now=now
        )

    def revert(self, request: HttpRequest, index: int) -> HttpResponseBase:
        """Undo what the entry at `index` changed, and nothing else."""
        self._require_index(index)
        title = _("Revert the change at index %d") % index
        note = _("Reverts the change at index %d.") % index
        if index == 0 or not history.changes(
            names=visible_names(request.user), after_index=index - 1, before_index=index + 1
        ):
            with told_when_forgotten():
                history.undoing(index)
            raise not_found(_("You can see no change at index %d.") % index)
        return PutBack(self, request, title, note, lambda: history.undoing(index)).respond()

    def restore(self, request: HttpRequest, index: int) -> HttpResponseBase:
        """Bring everything back to how it was after the entry at `index`."""
        self._require_index(index)
        title = _("Restore everything to how it was after index %d") % index
        note = _("Restores what was in force after index %d.") % index
        return PutBack(self, request, title, note, lambda: history.restoring(index)).respond()

    def _require_index(self, index: int) -> None:
        if index > MAX_INTEGER:
            raise not_found(_("No log is that long."))
