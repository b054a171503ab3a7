"""Values before and after: for people in one line each, for scripts as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...live import config
from ...schema import MASK, SchemaError, Setting, declared, display_text, resolve
from ...schema.strict import parse_json
from .terminal import as_json, in_line

NOT_SET = gettext_lazy("(not set)")


@dataclass(frozen=True, slots=True)
class Shown:
    """A value in both forms."""

    line: str
    json: Any


Differences = Mapping[str, tuple[Shown | None, Shown | None]]
"""By name what was before and what is after; None: not set."""


def shown(setting: Setting, value: Any) -> Shown:
    """A value of a declared setting."""
    return Shown(in_line(setting, value), as_json(setting, value))


def shown_text(name: str, text: str | None) -> Shown | None:
    """A stored text, also under a name that is not declared, or of a type that is not."""
    if text is None:
        return None
    setting = declared().get(name)
    try:
        if setting is not None:
            return shown(setting, setting.decode_given(text))
        told = display_text(name, text)
        return Shown(told, MASK if told == MASK else parse_json(text)["value"])
    except (SchemaError, TypeError, KeyError):
        told = display_text(name, text)
        return Shown(told, told)


def stored_texts() -> Mapping[str, str]:
    """What the cluster has set here now, by the present names of the settings."""
    with config.pinned() as loaded:
        return resolve({name: value.text for name, value in loaded.stored.items()})


def difference_lines(differences: Differences) -> list[str]:
    """NAME: before -> after."""
    return [
        f"{name}: {before.line if before else NOT_SET} -> {after.line if after else NOT_SET}"
        for name, (before, after) in differences.items()
    ]


def difference_data(differences: Differences) -> dict[str, dict[str, Any]]:
    """{name: {"from": before, "to": after}}; a key is missing where nothing is set."""
    return {name: pair_data("from", "to", *pair) for name, pair in differences.items()}


def left_alone(names: Iterable[str]) -> list[str]:
    """What is told of names that another release, or a spelling mistake, has brought."""
    return [_("%s: declared by no setting here, left alone") % name for name in names]


def pair_data(old: str, new: str, before: Shown | None, after: Shown | None) -> dict[str, Any]:
    """Both values under these keys."""
    return {key: each.json for key, each in ((old, before), (new, after)) if each is not None}
