"""Checks of the declared settings, and of what this process has for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004
from django.core.exceptions import ValidationError

from .. import schema
from ..conf import name_of
from ..exceptions import ConfigurationError
from .base import TAG, valid_config


def _declared() -> Mapping[str, schema.Setting]:
    """The settings; none if something is wrong with them, which E005 tells."""
    if valid_config() is None or schema.problems():
        return {}
    return schema.declared()


@register(TAG)
def check_settings(**_: Any) -> list[CheckMessage]:
    """E005: a setting declared twice, without a type, or with a default that is not valid."""
    if valid_config() is None:
        return []
    hint = "Declare it like Setting(20, help_text='...'), or (20, '...', int)."
    return [Error(str(error), hint=hint, id="raft_config.E005") for error in schema.problems()]


@register(TAG)
def check_secrets_can_be_kept(**_: Any) -> list[CheckMessage]:
    """E019: a secret that this node could neither read nor write."""
    secrets = [
        name
        for name, setting in _declared().items()
        if setting.is_secret and not setting.is_from_environment
    ]
    problem = schema.obstacle() if secrets else ""
    if not problem:
        return []
    return [
        Error(
            f"{', '.join(secrets)}: a secret {problem}",
            hint="Secrets are encrypted in the log and at rest. One that each node takes from its "
            "own environment instead has env='...'.",
            id="raft_config.E019",
        )
    ]


@register(TAG)
def check_environment(**_: Any) -> list[CheckMessage]:
    """E024: a variable that cannot be read as the type that is declared."""
    return [
        Error(
            f"The environment variable {setting.env} is no value for the setting {name}: {problem}",
            hint="Correct the variable, or remove it: then what the cluster stores is in force.",
            id="raft_config.E024",
        )
        for name, setting in _declared().items()
        for problem in _environment_problems(setting)
    ]


def _environment_problems(setting: schema.Setting) -> list[str]:
    if not setting.is_set_in_environment:
        return []
    try:
        setting.environment_value()
    except ValidationError as error:
        return list(error.messages)
    return []


@register(TAG)
def check_listeners(**_: Any) -> list[CheckMessage]:
    """E025: on_change that would fail only when the setting changes."""
    hint = "Give a callable, or the dotted path to one ('shop.prices.forget')."
    return [
        Error(str(error), hint=hint, id="raft_config.E025")
        for name in _declared()
        for error in _listener_problems(name)
    ]


def _listener_problems(name: str) -> Iterator[ConfigurationError]:
    try:
        schema.listeners(name)
    except ConfigurationError as error:
        yield error


@register(TAG)
def check_clean(**_: Any) -> list[CheckMessage]:
    """E026: CLEAN that would fail only at the first write."""
    try:
        schema.project_clean()
    except ConfigurationError as error:
        if valid_config() is None:
            return []
        hint = "Give a callable, or the dotted path to one ('shop.settings.clean')."
        return [Error(str(error), hint=hint, id="raft_config.E026")]
    return []


@register(TAG)
def check_fieldsets(**_: Any) -> list[CheckMessage]:
    """W027: settings that FIELDSETS forget."""
    config = valid_config()
    if config is None or not config.fieldsets:
        return []
    left = [name for name, setting in _declared().items() if not setting.group]
    if not left:
        return []
    return [
        Warning(
            f"{name_of('FIELDSETS')} leave out {', '.join(left)}.",
            hint="Name them in a group there, or give each its group='...'.",
            id="raft_config.W027",
        )
    ]
