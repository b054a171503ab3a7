"""The types of `config.NAME` for type checkers and editors, as the text of a .pyi file."""

from __future__ import annotations

from collections.abc import Iterator

from .declarations import declared
from .fields import choice_keys
from .registry import type_of_kind
from .setting import Setting

_HEADER = '''\
"""Made by `manage.py raft_config stubs`. Declare settings, and make it again; do not edit it."""
'''


def stubs() -> str:
    """A stub for a module that only says `from raft_config import config`.

    There, `config` is known to have each declared setting, with the type of its values.
    """
    settings = declared()
    types = {name: _annotation(setting) for name, setting in settings.items()}
    modules = {each.rpartition(".")[0] for each in types.values() if "." in each}
    imports = [f"import {module}" for module in sorted(modules)]
    lines = [_HEADER, *imports, "from typing import Any", "", "from raft_config.live import Config"]
    lines += ["", "class Declared(Config):"]
    for name, setting in settings.items():
        lines += _lines(name, types[name], str(setting.help_text))
    if not settings:
        lines.append("    ...")
    return "\n".join([*lines, "", "config: Declared", ""])


def _lines(name: str, annotation: str, help_text: str) -> Iterator[str]:
    yield f"    {name}: {annotation}"
    if help_text:
        yield f"    {help_text!r}"


def _annotation(setting: Setting) -> str:
    found = _of_values(setting)
    nullable = setting.nullable and found != "Any"
    return f"{found} | None" if nullable else found


def _of_values(setting: Setting) -> str:
    if setting.kind_name == "choices":
        keys = {type(key) for key in choice_keys(setting.choices)}
        return f"list[{keys.pop().__name__ if len(keys) == 1 else 'Any'}]"
    python_type = type_of_kind(setting.kind_name)
    if python_type is None or "<locals>" in python_type.__qualname__:
        return "Any"
    if python_type in _GENERIC:
        return _GENERIC[python_type]
    if python_type.__module__ == "builtins":
        return python_type.__name__
    return f"{python_type.__module__}.{python_type.__qualname__}"


_GENERIC: dict[type, str] = {list: "list[Any]", dict: "dict[str, Any]"}
