"""Declared settings.

In here, from the ground up:

strict        JSON that every node reads alike
masking       what is said of a secret
encryption    secrets in the log and at rest
fields        form fields of our own
kinds         the types: stored as, taken from, edited with
registry      them by name and Python type, with those that projects add
form_fields   any form field as a type
codec         clean, encode, decode, formfield
setting       `Setting`: what is declared
classes       `Settings`: those that apps declare, in their raft_settings.py
constance     what a django-constance project has already
declarations  all of them by name
in_force      environment, renamed names, values that must fit together
stubs         for type checkers
display       values as people see them
"""

from .classes import Settings, autodiscover, bind
from .declarations import RESERVED_NAMES, declared, groups, problems
from .display import display, display_text
from .encryption import needs_reencryption, obstacle
from .in_force import (
    clean_together,
    environment_values,
    listeners,
    project_clean,
    resolve,
    stored_name_of,
)
from .kinds import Kind
from .masking import MASK
from .registry import KINDS, register_kind
from .setting import Setting
from .strict import SchemaError
from .stubs import stubs

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
    "needs_reencryption",
    "obstacle",
    "problems",
    "project_clean",
    "register_kind",
    "resolve",
    "stored_name_of",
    "stubs",
]
