"""A form over some settings, which knows what was changed since it was shown.

The page carries what it showed: of each setting the index that had set it, and the text. So a save
names only what this person changed, and what they had seen when they changed it: two people at two
nodes never overwrite each other unnoticed. When they would, the form knows all three sides (base,
theirs, yours) and takes a choice for each setting.

What the page carries is not trusted: it decides what is expected and compared, never what is shown
to somebody else or who may change what.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..schema import Setting
from ..state_machine import Value
from .comment import CommentForm
from .fields import Shown, ShownField, dump_shown, field_of, moment_field, shown_of, value_of

VALUE: Final = "value-"
RESET: Final = "reset-"
CHOICE: Final = "choice-"

MINE: Final = "mine"
THEIRS: Final = "theirs"

NOT_TYPED: Final = frozenset({"csrfmiddlewaretoken", "nonce", "shown", "conflicts"})


@dataclass(frozen=True, slots=True)
class Changes:
    """What one save proposes, all or nothing."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Name -> Python value."""
    reset: tuple[str, ...] = ()
    expected: Mapping[str, int] = field(default_factory=dict)
    """Name -> the index that had set what was shown, 0 for a default."""
    request_id: str = ""
    comment: str = ""
    apply_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def names(self) -> list[str]:
        return sorted([*self.values, *self.reset])


class SettingsForm(CommentForm):
    """`settings` are those that may be changed here, `stored` the values in force."""

    shown = ShownField()
    conflicts = ShownField(required=False)
    """Of each setting that somebody else changed too: what the page had shown before."""
    apply_at = moment_field(_("Apply at"), _("Leave empty to apply it now."))
    expires_at = moment_field(
        _("Expires at"), _("Then what was in force before comes back, unless changed meanwhile.")
    )

    def __init__(
        self,
        settings: Mapping[str, Setting[Any]],
        stored: Mapping[str, Value],
        data: QueryDict | None = None,
    ) -> None:
        super().__init__(data)
        self.posted = QueryDict() if data is None else data
        self.settings = settings
        self.stored = stored
        carried = self._carried(data, "shown") if data is not None else self.present()
        self.is_outdated = carried is None or not carried.keys() <= settings.keys()
        """Whether what the page itself carries is wrong: of another release, or made by hand."""
        self.seen = self._known(carried or {})
        if self.is_outdated:  # what was typed stays, over what is in force now
            typed = {name for name in settings if VALUE + name in self.posted}
            self.seen = {name: each for name, each in self.present().items() if name in typed} | (
                self.seen
            )
        self.conflicting = self._known(self._carried(data, "conflicts") or {}) if data else {}
        for name in self.seen:
            self._add(name, settings[name])

    def present(self) -> dict[str, Shown]:
        """What a page shows that is made now."""
        return {name: shown_of(each, self.stored.get(name)) for name, each in self.settings.items()}

    def _known(self, shown: Mapping[str, Shown]) -> dict[str, Shown]:
        return {name: each for name, each in shown.items() if name in self.settings}

    def _carried(self, data: QueryDict, name: str) -> dict[str, Shown] | None:
        try:
            return ShownField(required=False).to_python(data.get(name))
        except ValidationError:
            return None

    def _add(self, name: str, setting: Setting[Any]) -> None:
        seen = self.seen[name]
        self.fields[VALUE + name] = field_of(name, setting)
        if not setting.is_secret:
            self.initial[VALUE + name] = value_of(setting, seen.text)
        if seen.index or name in self.conflicting:
            self.fields[RESET + name] = forms.BooleanField(
                required=False, label=_("Back to the default")
            )
        if name in self.conflicting:
            self.fields[CHOICE + name] = forms.ChoiceField(
                choices=[(THEIRS, _("Theirs")), (MINE, _("Yours"))],
                widget=forms.RadioSelect,
                error_messages={"required": _("Choose one of the two.")},
            )

    # -- what was changed

    def clean(self) -> dict[str, Any]:
        """Judge only what was changed: what an upgrade made invalid must not block the others."""
        for name in self.seen:
            if VALUE + name in self.errors and not self._is_edited(name):
                del self.errors[VALUE + name]
        self._check_moments()
        return super().clean() or self.cleaned_data

    def _check_moments(self) -> None:
        apply_at = self.cleaned_data.get("apply_at")
        expires_at = self.cleaned_data.get("expires_at")
        now = timezone.now()
        if apply_at and apply_at <= now:
            self.add_error("apply_at", _("This is in the past. Leave it empty to apply it now."))
        if expires_at and expires_at <= (apply_at or now):
            self.add_error("expires_at", _("It has to expire later than it applies."))

    def ask_for_choices(self) -> None:
        """In the editor, where they are not made yet: a missing choice is no error there."""
        for name in self.conflicting:
            self.errors.pop(CHOICE + name, None)

    @property
    def is_undecided(self) -> bool:
        """Whether a choice between theirs and yours is missing."""
        return any(CHOICE + name in self.errors for name in self.conflicting)

    def changes(self) -> Changes:
        """What was changed by hand; only after is_valid()."""
        reset = tuple(name for name in self.seen if self._is_reset(name))
        values = {
            name: self.cleaned_data[VALUE + name] for name in self.seen if self._is_edited(name)
        }
        expected = {name: self.seen[name].index for name in [*values, *reset]}
        apply_at = self.cleaned_data["apply_at"]
        expires_at = self.cleaned_data["expires_at"]
        content = [(name, self.settings[name].to_json(values[name])) for name in sorted(values)]
        return Changes(
            values,
            reset,
            expected,
            self.request_id(
                content, sorted(reset), sorted(expected.items()), str(apply_at), str(expires_at)
            ),
            self.cleaned_data["comment"],
            apply_at,
            expires_at,
        )

    def wishes(self) -> Changes:
        """What was changed as if every conflict were decided for yours; for display only."""
        reset = tuple(name for name in self.seen if self.cleaned_data.get(RESET + name))
        values = {
            name: self.cleaned_data[VALUE + name]
            for name in self.seen
            if name not in reset and VALUE + name in self.cleaned_data
            if name in self.conflicting or VALUE + name in self.changed_data
        }
        return Changes(values, reset)

    def _is_reset(self, name: str) -> bool:
        return bool(self.cleaned_data.get(RESET + name)) and not self._is_given_up(name)

    def _is_edited(self, name: str) -> bool:
        if VALUE + name not in self.changed_data or self._is_given_up(name):
            return False
        return not self.cleaned_data.get(RESET + name)

    def _is_given_up(self, name: str) -> bool:
        return self.cleaned_data.get(CHOICE + name) == THEIRS

    # -- from page to page

    def carries(self) -> dict[str, str]:
        """The fields of a page that the person does not see."""
        nonce = self.cleaned_data.get("nonce") if self.is_bound else None
        return {
            "nonce": str(nonce or self.initial["nonce"]),
            "shown": dump_shown(self.seen),
            "conflicts": dump_shown(self.conflicting),
        }

    def typed(self, *, with_choices: bool) -> Iterator[tuple[str, str]]:
        """Everything else, for the next page to carry along."""
        left_out = ("_",) if with_choices else ("_", CHOICE)
        for name, values in self.posted.lists():
            if name not in NOT_TYPED and not name.startswith(left_out):
                for value in values:
                    yield name, value

    def after_conflict(self, names: Collection[str]) -> SettingsForm:
        """The same, typed over what is in force now; it asks for a choice about these names."""
        present = self.present()
        data = self.posted.copy()
        data["shown"] = dump_shown(
            {name: present[name] if name in names else each for name, each in self.seen.items()}
        )
        before = {name: each for name, each in self.seen.items() if name in names}
        data["conflicts"] = dump_shown({**self.conflicting, **before})
        for name in names:
            data.pop(CHOICE + name, None)
        form = SettingsForm(self.settings, self.stored, data)
        form.full_clean()
        return form
