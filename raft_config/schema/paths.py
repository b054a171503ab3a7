"""Callables of the project, given themselves or as dotted paths: imported when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string

from ..exceptions import ConfigurationError


def load_callable(given: object, place: str) -> Callable[..., Any]:
    """The callable; `place` is where the project wrote it. Raises ConfigurationError."""
    found = given
    if isinstance(given, str):
        try:
            found = import_string(given)
        except ImportError as error:
            problem = f"names {given!r}, which cannot be imported: {error}."
            raise ConfigurationError(place, problem) from error
    if not callable(found):
        raise ConfigurationError(place, f"is {found!r}, which cannot be called.")
    return found
