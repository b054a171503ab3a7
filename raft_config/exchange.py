"""Settings as a file: to keep, to compare, or to bring to another cluster.

    {"format": 1, "cluster_id": "shop", "index": 42, "secrets": false,
     "settings": {"MAX_ITEMS": {"type": "int", "value": 30}}}

Each value is written as it is stored, with the type it was stored as; what is not set is not in
the file, so that the defaults of the code that reads it apply. Secrets are left out unless they are
asked for, and are then as encrypted as they are stored: only a cluster with the same
ENCRYPTION_KEYS can read them.

A file is planned whole before anything is proposed: one value that cannot be taken refuses all of
it, and what is planned is proposed as one entry.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.exceptions import ValidationError

from .conf import get_config
from .exceptions import InvalidCommandError, InvalidImportError
from .schema import SchemaError, Setting, declared
from .schema.strict import parse_json, require_json
from .state_machine import Value
from .storage import stored_settings

FORMAT: Final = 1

_KEYS: Final = frozenset({"format", "cluster_id", "index", "secrets", "settings"})
_NEEDED: Final = frozenset({"format", "settings"})


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import would do: `values` and `reset` are for `propose`, cleaned already."""

    values: Mapping[str, Any]
    reset: tuple[str, ...] = ()
    """Set here and not in the file; only with `prune`."""
    unchanged: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """In the file and not declared here: left alone."""
    expected: Mapping[str, int] = field(default_factory=dict)
    """The index that set each name of `values` and `reset` when this was planned, 0 for none:
    proposed with it, the import is refused if somebody changes one of them meanwhile."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to propose."""
        return not (self.values or self.reset)


def export(names: Iterable[str] | None = None, *, with_secrets: bool = False) -> dict[str, Any]:
    """What is set on this node, of all settings or of `names`. Raises InvalidCommandError."""
    settings = declared()
    chosen = set(settings if names is None else names)
    for name in sorted(chosen - settings.keys()):
        raise InvalidCommandError(f"There is no setting {name}, so it cannot be exported.")
    index, stored = stored_settings(get_config().database)
    return {
        "format": FORMAT,
        "cluster_id": get_config().cluster_id,
        "index": index,
        "secrets": with_secrets,
        "settings": {
            name: parse_json(stored[name].text)
            for name in sorted(chosen & stored.keys())
            if with_secrets or not _is_secret(settings[name])
        },
    }


def to_text(data: Mapping[str, Any]) -> str:
    """The file: the same settings give the same bytes, one setting a few lines, fit for a diff."""
    return json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def from_text(text: str) -> Any:
    """The content of a file, for `plan_import`. Raises InvalidImportError."""
    try:
        return parse_json(text)
    except SchemaError as error:
        raise InvalidImportError({"": f"the file {error}"}) from error


def plan_import(data: object, *, prune: bool = False) -> ImportPlan:
    """What importing `data` would change here, checked whole. Raises InvalidImportError.

    `prune` resets what is set here and not in the file; secrets only if the file has secrets.
    """
    given = _settings_in(data)
    settings = declared()
    _, stored = stored_settings(get_config().database)
    read = _read({name: raw for name, raw in given.items() if name in settings}, settings)
    unchanged = {name for name in read if _is_stored(settings[name], read[name], stored.get(name))}
    values = {name: value for name, value in read.items() if name not in unchanged}
    reset = _unnamed(given, settings, stored, has_secrets=_has_secrets(data)) if prune else ()
    return ImportPlan(
        values=values,
        reset=reset,
        unchanged=tuple(sorted(unchanged)),
        unknown=tuple(sorted(given.keys() - settings.keys())),
        expected={
            name: stored[name].index if name in stored else 0 for name in sorted({*values, *reset})
        },
    )


def _settings_in(data: object) -> Mapping[str, object]:
    """The file's settings, if it is a file of ours."""
    try:
        require_json(data)
    except SchemaError as error:
        raise InvalidImportError({"": f"the file {error}"}) from error
    if not isinstance(data, dict) or not data.keys() >= _NEEDED:
        raise InvalidImportError({"": "the file is not one that raft_config exports"})
    # True is 1 to Python.
    if type(data["format"]) is not int or data["format"] != FORMAT:
        raise InvalidImportError(
            {"": f"the file has the format {data['format']!r}, and this release reads {FORMAT}"}
        )
    for key in sorted(data.keys() - _KEYS):
        raise InvalidImportError({"": f"the file has a key {key!r}, which means nothing"})
    if not isinstance(data["settings"], dict):
        raise InvalidImportError({"": "the file's settings must be an object"})
    return data["settings"]


def _has_secrets(data: Any) -> bool:
    return data.get("secrets") is True


def _read(given: Mapping[str, object], settings: Mapping[str, Setting]) -> dict[str, Any]:
    """The values, as validated as any that is typed in."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, raw in given.items():
        try:
            # The same text on every Python; what cannot be one is refused by `decode`.
            values[name] = settings[name].clean(settings[name].decode(json.dumps(raw)))
        except (SchemaError, ValidationError) as error:  # noqa: PERF203 -- each fault is told
            # A message may repeat the value.
            problems[name] = "is not valid" if _is_secret(settings[name]) else _told(error)
    if problems:
        raise InvalidImportError(problems)
    return values


def _told(error: SchemaError | ValidationError) -> str:
    return str(error) if isinstance(error, SchemaError) else " ".join(error.messages)


def _is_stored(setting: Setting, value: Any, stored: Value | None) -> bool:
    if stored is None:
        return False
    try:
        # To Python, [1] == [True]. And two texts of one secret are never equal.
        return repr(setting.decode(stored.text)) == repr(value)
    except SchemaError:
        return False


def _unnamed(
    given: Collection[str],
    settings: Mapping[str, Setting],
    stored: Collection[str],
    *,
    has_secrets: bool,
) -> tuple[str, ...]:
    return tuple(
        name
        for name, setting in sorted(settings.items())
        if name in stored and name not in given and (has_secrets or not _is_secret(setting))
    )


def _is_secret(setting: Setting) -> bool:
    return bool(getattr(setting, "is_secret", False))
