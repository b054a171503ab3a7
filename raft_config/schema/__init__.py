"""Declared settings.

In here, from the ground up:

strict        JSON that every node reads alike
fields        form fields of our own
kinds         the types: stored as, taken from, edited with
setting       `Setting`: clean, encode, decode, formfield
classes       `Settings`: those that apps declare, in their raft_settings.py
declarations  all of them by name
in_force      environment, renamed names, values that must fit together
display       values as people see them
"""

from .classes import Settings, autodiscover, bind
from .declarations import RESERVED_NAMES, declared, groups, problems
from .display import MASK, display, display_text
from .in_force import clean_together, environment_values, listeners, resolve, stored_name_of
from .kinds import KINDS, Kind
from .setting import Setting
from .strict import SchemaError

__all__ = [
    "KINDS",
    "MASK",
    "RESERVED_NAMES",
    "Kind",
    "SchemaError",
    "Setting",
    "Settings",
    "autodiscover",
    "bind",
    "clean_together",
    "declared",
    "display",
    "display_text",
    "environment_values",
    "groups",
    "listeners",
    "problems",
    "resolve",
    "stored_name_of",
]
