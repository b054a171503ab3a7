"""Every declared setting by name: those of RAFT_CONFIG["SETTINGS"], and those of the apps."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.functional import Promise

from ..conf import RaftConfig, get_config, name_of
from ..exceptions import ConfigurationError
from .classes import Settings, attributes, bind, place_of, registry
from .constance import fieldset_problems, groups_of, named_field
from .setting import Setting
from .strict import SchemaError

MAX_NAME_LENGTH: Final = 255
RESERVED_NAMES: Final = frozenset(
    {"acompare_and_set", "all", "aread", "areset", "as_dict", "aset", "aupdate"}
    | {"compare_and_set", "get", "get_many", "is_overlaid", "latest", "meta", "offer"}
    | {"pinned", "read", "reset", "set", "source", "update", "withdraw"}
)
"""Names that `config` needs for itself."""

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def declared() -> Mapping[str, Setting]:
    """The declared settings, in order, defaults cleaned. Raises ConfigurationError.

    The same object until RAFT_CONFIG changes or another class is declared. Do not change a default
    that is a list or dict: all readers share it.
    """
    return _declared(get_config(), registry.classes)


@lru_cache(maxsize=1)
def _declared(config: RaftConfig, classes: tuple[type[Settings], ...]) -> Mapping[str, Setting]:
    found, errors = _read(config, classes)
    if errors:
        raise errors[0]
    return MappingProxyType(found)


def _default_of(name: str) -> Any:
    return declared()[name].default


bind(_default_of)  # until the reader is loaded


def groups() -> dict[str, list[str]]:
    """The names of the settings by group, in the order of FIELDSETS and of their declaration.

    Those without a group are in "".
    """
    settings = declared()
    first = [name for name in groups_of(get_config()) if name in settings]
    found: dict[str, list[str]] = {}
    for name in [*first, *(name for name in settings if name not in first)]:
        found.setdefault(settings[name].group, []).append(name)
    return found


def problems() -> list[ConfigurationError]:
    """Everything that is wrong with the declarations, for the system checks."""
    return _read(get_config(), registry.classes)[1]


def _read(
    config: RaftConfig, classes: tuple[type[Settings], ...]
) -> tuple[dict[str, Setting], list[ConfigurationError]]:
    found: dict[str, Setting] = {}
    places: dict[str, str] = {}
    errors: list[ConfigurationError] = []
    grouped = groups_of(config)
    for place, name, declaration in _declarations(config, classes):
        try:
            _check_name(name, places)
            setting = _as_setting(declaration, config).in_group(grouped.get(name, ""))
            found[name] = _with_clean_default(setting)
            places[name] = place
        except SchemaError as error:  # noqa: PERF203 -- each one's fault is told
            errors.append(ConfigurationError(place, f"{error}."))
    errors += _renaming_problems(found, places)
    errors += fieldset_problems(config, places)
    return found, errors


def _declarations(
    config: RaftConfig, classes: tuple[type[Settings], ...]
) -> Iterator[tuple[str, str, object]]:
    """Place, name and declaration of each."""
    for name, declaration in config.settings.items():
        yield f"{name_of('SETTINGS')}[{name!r}]", name, declaration
    for owner in classes:
        for attribute, each in attributes(owner).items():
            yield f"{place_of(owner)}.{attribute}", each.name, each.setting


def _renaming_problems(
    found: Mapping[str, Setting], places: Mapping[str, str]
) -> Iterator[ConfigurationError]:
    for name, setting in found.items():
        for former in setting.renamed_from:
            if former in found:
                problem = f"is renamed from {former}, which {places[former]} still declares."
                yield ConfigurationError(places[name], problem)


def _check_name(name: str, places: Mapping[str, str]) -> None:
    if name in places:
        raise SchemaError(f"declares {name}, which {places[name]} declares too")
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise SchemaError("must be named like a Python attribute, without a leading underscore")
    if len(name) > MAX_NAME_LENGTH:
        raise SchemaError(f"has a name of more than {MAX_NAME_LENGTH} characters")
    if name in RESERVED_NAMES:
        raise SchemaError("has a name that `config` needs for itself; write it in upper case")


def _as_setting(declaration: object, config: RaftConfig) -> Setting:
    match declaration:
        case Setting():
            setting = declaration
        case (_,) | (_, _) | (_, _, _) if isinstance(declaration, tuple):
            setting = Setting(*declaration)
        case _:
            raise SchemaError("must be Setting(...) or a tuple (default, help_text, type)")
    if isinstance(setting.type, str) and setting.type in config.fields:
        return replace(setting, type=named_field(setting.type, config.fields[setting.type]))
    return setting


def _with_clean_default(setting: Setting) -> Setting:
    kind = setting.kind  # first: with a default of None, cleaning would not ask for it
    if setting.env and not _VARIABLE.fullmatch(setting.env):
        raise SchemaError(f"has env={setting.env!r}, which is no name of an environment variable")
    if setting.secret and setting.public:
        raise SchemaError("is secret and public")
    # A translation stays lazy: each request reads it in its own language.
    if isinstance(setting.default, Promise) and kind.stored == "text":
        return setting
    try:
        return replace(setting, default=setting.clean(setting.default))
    except ValidationError as error:
        problem = " ".join(error.messages).rstrip(".")
        raise SchemaError(f"has a default that is not valid: {problem}") from error
