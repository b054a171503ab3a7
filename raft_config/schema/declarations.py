"""RAFT_CONFIG["SETTINGS"] as `Setting` objects, by name."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.functional import Promise

from ..conf import RaftConfig, get_config, name_of
from ..exceptions import ConfigurationError
from .setting import Setting
from .strict import SchemaError

MAX_NAME_LENGTH: Final = 255
RESERVED_NAMES: Final = frozenset(
    {"all", "as_dict", "compare_and_set", "get", "get_many", "meta"}
    | {"pinned", "read", "reset", "set", "update"}
)
"""Names that `config` needs for itself."""


def declared() -> Mapping[str, Setting]:
    """The declared settings, in order, defaults cleaned. Raises ConfigurationError.

    Do not change a default that is a list or dict: all readers share it.
    """
    return _declared(get_config())


@lru_cache(maxsize=1)
def _declared(config: RaftConfig) -> Mapping[str, Setting]:
    found, errors = _read(config.settings)
    if errors:
        raise errors[0]
    return MappingProxyType(found)


def groups() -> dict[str, list[str]]:
    """The names of the settings by group, in the order of their declaration; "" for no group."""
    found: dict[str, list[str]] = {}
    for name, setting in declared().items():
        found.setdefault(setting.group, []).append(name)
    return found


def problems() -> list[ConfigurationError]:
    """Everything that is wrong with SETTINGS, for the system checks."""
    return _read(get_config().settings)[1]


def _read(given: Mapping[str, object]) -> tuple[dict[str, Setting], list[ConfigurationError]]:
    found: dict[str, Setting] = {}
    errors: list[ConfigurationError] = []
    for name, declaration in given.items():
        try:
            _check_name(name)
            found[name] = _with_clean_default(_as_setting(declaration))
        except SchemaError as error:  # noqa: PERF203 -- each name's fault is told
            errors.append(ConfigurationError(f"{name_of('SETTINGS')}[{name!r}]", f"{error}."))
    return found, errors


def _check_name(name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise SchemaError("must be named like a Python attribute, without a leading underscore")
    if len(name) > MAX_NAME_LENGTH:
        raise SchemaError(f"has a name of more than {MAX_NAME_LENGTH} characters")
    if name in RESERVED_NAMES:
        raise SchemaError("has a name that `config` needs for itself; write it in upper case")


def _as_setting(declaration: object) -> Setting:
    if isinstance(declaration, Setting):
        return declaration
    if isinstance(declaration, tuple) and 1 <= len(declaration) <= len(("default", "help", "type")):
        return Setting(*declaration)
    raise SchemaError("must be Setting(...) or a tuple (default, help_text, type)")


def _with_clean_default(setting: Setting) -> Setting:
    kind = setting.kind  # first: with a default of None, cleaning would not ask for it
    # A translation stays lazy: each request reads it in its own language.
    if isinstance(setting.default, Promise) and kind.stored == "text":
        return setting
    try:
        return replace(setting, default=setting.clean(setting.default))
    except ValidationError as error:
        problem = " ".join(error.messages).rstrip(".")
        raise SchemaError(f"has a default that is not valid: {problem}") from error
