"""Which value is in force: of the environment, of what is stored under which name, or the default.

Nothing here reads what is stored: it is handed in, as texts by name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from inspect import getattr_static
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from ..conf import get_config, name_of
from .classes import Settings, attributes, registry
from .declarations import declared
from .paths import load_callable

logger = logging.getLogger("raft_config")


def stored_name_of(name: str, texts: Mapping[str, object]) -> str | None:
    """The name that it is stored under: its own, or a former one. None if it is not set."""
    return next((each for each in (name, *declared()[name].renamed_from) if each in texts), None)


def resolve(texts: Mapping[str, str]) -> dict[str, str]:
    """Of all that is stored, the text of each declared setting that is set."""
    found = {name: stored_name_of(name, texts) for name in declared()}
    return {name: texts[stored] for name, stored in found.items() if stored is not None}


def environment_values() -> dict[str, Any]:
    """The values that the environment of this process decides. They win over what is stored.

    One that cannot be read is left out, and told once; the checks tell it as well.
    """
    found = {}
    for name, setting in declared().items():
        if not setting.is_set_in_environment:
            continue
        try:
            found[name] = setting.environment_value()
        except ValidationError as error:
            _warn_once(name, setting.env, " ".join(error.messages))
    return found


_told: Final[set[tuple[str, str]]] = set()


def _warn_once(name: str, variable: str, problem: str) -> None:
    if (name, problem) not in _told:
        _told.add((name, problem))
        logger.warning(
            "The environment variable %s is not used for the setting %s, which keeps its stored "
            "value or default: %s",
            *(variable, name, problem),
        )


def listeners(name: str) -> list[Callable[..., Any]]:
    """Who hears of each change of the setting. Raises ConfigurationError."""
    place = f"on_change of {name}"
    return [load_callable(each, place) for each in declared()[name].on_change]


def clean_together(changed: Mapping[str, Any], in_force: Callable[[], Mapping[str, Any]]) -> None:
    """Ask the project whether the values fit together. Raises ValidationError, by name.

    `changed` are the new values, the default for what is reset; `in_force` gives those of all
    settings now, which are loaded only where somebody looks at them. RAFT_CONFIG["CLEAN"] is asked
    always, the `clean` of a class when a setting of it changes.
    """
    checks = list(_checks(changed))
    values = {**in_force(), **changed} if checks else {}
    errors: dict[str, list[ValidationError]] = {}
    for check in checks:
        try:
            check(values)
        except ValidationError as error:  # noqa: PERF203 -- all of them are told at once
            for name, found in _by_name(error).items():
                errors.setdefault(name, []).extend(found)
    if errors:
        raise ValidationError(errors)


def _checks(changed: Mapping[str, Any]) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    if (check := project_clean()) is not None:
        yield check
    for owner in registry.classes:
        judges = getattr_static(owner, "clean") is not getattr_static(Settings, "clean")
        if judges and _is_concerned(owner, changed):
            yield owner.clean


def project_clean() -> Callable[..., Any] | None:
    """RAFT_CONFIG["CLEAN"], imported. Raises ConfigurationError."""
    given = get_config().clean
    return None if given is None else load_callable(given, name_of("CLEAN"))


def _is_concerned(owner: type[Settings], changed: Mapping[str, Any]) -> bool:
    return any(each.name in changed for each in attributes(owner).values())


def _by_name(error: ValidationError) -> Mapping[str, list[ValidationError]]:
    if hasattr(error, "error_dict"):
        return dict(error.error_dict)
    return {NON_FIELD_ERRORS: error.error_list}
