"""Declared settings.

In here, from the ground up:

strict        JSON that every node reads alike
fields        form fields of our own
kinds         the types: stored as, taken from, edited with
setting       `Setting`: clean, encode, decode, formfield
declarations  RAFT_CONFIG["SETTINGS"] by name
display       values as people see them
"""

from .declarations import declared, groups, problems
from .display import MASK, display, display_text
from .kinds import KINDS, Kind
from .setting import Setting
from .strict import SchemaError

__all__ = [
    "KINDS",
    "MASK",
    "Kind",
    "SchemaError",
    "Setting",
    "declared",
    "display",
    "display_text",
    "groups",
    "problems",
]
