"""All faults by name: each module enters its own."""

from . import clocks, databases, flushes, networks, operating, processes
from .registry import FAULTS, Fault

__all__ = [
    "FAULTS",
    "Fault",
    "clocks",
    "databases",
    "flushes",
    "networks",
    "operating",
    "processes",
]
