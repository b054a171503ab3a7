"""Values as people see them: what is shown is what can be typed, and never a secret."""

from __future__ import annotations

import datetime as dt
import json
from typing import Final

from django.utils import timezone
from django.utils.duration import duration_string
from django.utils.translation import gettext as _

from .declarations import declared
from .encryption import token_of
from .fields import choice_pairs
from .masking import MASK
from .setting import Setting
from .strict import SchemaError, parse_json

NOTHING: Final = "\N{EN DASH}"
MAX_UNREADABLE: Final = 200


def display(setting: Setting, value: object) -> str:
    """A value of the setting, in full."""
    if value is None:
        return NOTHING
    if setting.is_secret:
        return MASK
    if setting.choices:
        return _labels(setting, value)
    return _plain(value)


def display_text(name: str, text: str | None) -> str:
    """A stored text, also of a name that is not declared here, or of a type that is not.

    None stands for the default. What is stored encrypted stays masked, whoever can decrypt it.
    """
    if text is None:
        return NOTHING
    setting = declared().get(name)
    if token_of(text) is not None or (setting is not None and setting.is_secret):
        return MASK
    try:
        return _raw(text) if setting is None else display(setting, setting.decode(text))
    except SchemaError:
        return _raw(text)


def _raw(text: str) -> str:
    """What is stored, where no declaration says how to read it."""
    try:
        found = parse_json(text)
    except SchemaError:
        return text[:MAX_UNREADABLE]
    return _json(found["value"] if isinstance(found, dict) and "value" in found else found)


def _labels(setting: Setting, value: object) -> str:
    labels = {str(key): str(label) for key, label in choice_pairs(setting.choices)}
    keys = value if isinstance(value, list) else [value]
    return ", ".join(labels.get(str(key), str(key)) for key in keys) or _plain("")


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, dt.datetime) and timezone.is_aware(value):
        return timezone.localtime(value).isoformat(sep=" ")
    if isinstance(value, dt.timedelta):
        return duration_string(value)
    if isinstance(value, list | dict):
        return _json(value)
    return str(value) or "“”"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
