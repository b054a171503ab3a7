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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from .conf import get_config
from .exceptions import InvalidCommandError, InvalidImportError, noop
from .language import told
from .loading import latest
from .schema import SchemaError, Setting, clean_together, declared, stored_name_of
from .schema.encryption import STORED as ENCRYPTED
from .schema.strict import parse_json, require_json
from .state_machine import Value
from .storage import stored_settings
from .storage.renewal import Told, nobody

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
    from_environment: tuple[str, ...] = ()
    """Decided by the environment of this node: left alone, whatever the file says."""
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
        raise InvalidCommandError(
            noop("There is no setting %(name)s, so it cannot be exported."), name=name
        )
    index, stored = _stored()
    texts = {name: parse_json(stored[name].text) for name in sorted(chosen & stored.keys())}
    return {
        "format": FORMAT,
        "cluster_id": get_config().cluster_id,
        "index": index,
        "secrets": with_secrets,
        "settings": {
            name: text
            for name, text in texts.items()
            if with_secrets or not (settings[name].is_secret or text["type"] == ENCRYPTED)
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
        raise InvalidImportError({"": _("the file %s") % told(error)}) from error


def plan_import(data: object, *, prune: bool = False, heard: Told = nobody) -> ImportPlan:
    """What importing `data` would change here, checked whole. Raises InvalidImportError.

    `prune` resets what is set here and not in the file; secrets only if the file has secrets.
    `heard` is told how many values are checked, and how many there are.
    """
    settings = declared()
    given = _by_present_name(_settings_in(data), settings)
    _index, stored = _stored()
    fixed = {name for name, setting in settings.items() if setting.is_from_environment}
    wanted = {name: given[name] for name in settings if name in given.keys() - fixed}
    read = _read(wanted, settings, heard)
    unchanged = {name for name in read if _is_stored(settings[name], read[name], stored.get(name))}
    values = {name: read[name] for name in settings if name in read.keys() - unchanged}
    unnamed = [name for name in settings if name in stored.keys() - given.keys() - fixed]
    reset = tuple(
        name for name in unnamed if prune and (_has_secrets(data) or not settings[name].is_secret)
    )
    _check_together(values, reset)
    return ImportPlan(
        values=values,
        reset=reset,
        unchanged=tuple(sorted(unchanged)),
        unknown=tuple(sorted(given.keys() - settings.keys())),
        from_environment=tuple(sorted(given.keys() & fixed)),
        expected={name: stored[name].index if name in stored else 0 for name in (*values, *reset)},
    )


def _stored() -> tuple[int, dict[str, Value]]:
    """What is set, by the present name of each setting, as after the index."""
    index, stored = stored_settings(get_config().database)
    found = {name: stored_name_of(name, stored) for name in declared()}
    return index, {name: stored[under] for name, under in found.items() if under is not None}


def _by_present_name(
    given: Mapping[str, object], settings: Mapping[str, Setting]
) -> dict[str, object]:
    """A file of an older release may say former names; the present one counts if it says both."""
    present = {old: name for name, each in settings.items() for old in each.renamed_from}
    former = {present[name]: raw for name, raw in given.items() if name in present}
    return former | {name: raw for name, raw in given.items() if name not in present}


def _settings_in(data: object) -> Mapping[str, object]:
    """The file's settings, if it is a file of ours."""
    try:
        require_json(data)
    except SchemaError as error:
        raise InvalidImportError({"": _("the file %s") % told(error)}) from error
    if not isinstance(data, dict) or not data.keys() >= _NEEDED:
        raise InvalidImportError({"": _("the file is not one that raft_config exports")})
    # True is 1 to Python.
    if type(data["format"]) is not int or data["format"] != FORMAT:
        problem = _("the file has the format %(found)r, and this release reads %(known)d")
        raise InvalidImportError({"": problem % {"found": data["format"], "known": FORMAT}})
    for key in sorted(data.keys() - _KEYS):
        raise InvalidImportError({"": _("the file has a key %r, which means nothing") % key})
    if not isinstance(data["settings"], dict):
        raise InvalidImportError({"": _("the file's settings must be an object")})
    return data["settings"]


def _has_secrets(data: Any) -> bool:
    return data.get("secrets") is True


def _read(
    given: Mapping[str, object], settings: Mapping[str, Setting], heard: Told
) -> dict[str, Any]:
    """The values, as validated as any that is typed in."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for count, (name, raw) in enumerate(given.items()):
        heard(count, len(given))
        try:
            # The same text on every Python; what cannot be one is refused by `decode_given`.
            values[name] = settings[name].clean(settings[name].decode_given(json.dumps(raw)))
        except (SchemaError, ValidationError) as error:
            # A message may repeat the value.
            problems[name] = _("is not valid") if settings[name].is_secret else _told(error)
    if problems:
        raise InvalidImportError(problems)
    return values


def _told(error: SchemaError | ValidationError) -> str:
    return told(error) if isinstance(error, SchemaError) else " ".join(error.messages)


def _is_stored(setting: Setting, value: Any, stored: Value | None) -> bool:
    if stored is None:
        return False
    try:
        # To Python, [1] == [True]. And two texts of one secret are never equal.
        return repr(setting.decode(stored.text)) == repr(value)
    except SchemaError:
        return False


def _check_together(values: Mapping[str, Any], reset: Iterable[str]) -> None:
    """What is proposed is asked the same; here, so that whoever looks at the plan is told."""
    defaults = {name: declared()[name].default for name in reset}
    if not (values or defaults):
        return
    try:
        clean_together({**defaults, **values}, lambda: latest().values)
    except ValidationError as error:
        raise InvalidImportError(
            {
                name if name in declared() else "": " ".join(messages)
                for name, messages in error.message_dict.items()
            }
        ) from error
