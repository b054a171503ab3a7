"""Secrets are never shown: neither as values, nor within what is said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MASK: Final = "********"
"""Stands for every secret, whatever it is and however long."""


def without_value(error: ValidationError, value: object) -> ValidationError:
    """The same complaint; where it repeats anything of the value, only that there is one."""
    hidden = set(_leaves(value))
    told: list[Any] = [
        _("The value is not valid. It is a secret, so it is not repeated here.")
        if any(each in message for each in hidden)
        else message
        for message in error.messages
    ]
    return ValidationError(told, code="invalid")


def _leaves(value: object) -> Iterator[str]:
    """Whatever of the value could stand in a message."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(key)
            yield from _leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    elif value not in (None, ""):
        yield from (str(value), repr(value).strip("'\""))
