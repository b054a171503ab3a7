"""`{% load raft_config %}`: settings in templates that are not given `config`."""

from __future__ import annotations

from typing import Any

from django import template

from ..live import config

register = template.Library()


@register.simple_tag
def setting(name: str, default: Any = "") -> Any:
    """`{% setting "SITE_NAME" "My site" %}`: the value, or the default for an undeclared name.

    With `as title` it goes into a variable. Like any value in a template, it is escaped.
    """
    return config.get(name, default)
