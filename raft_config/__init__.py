"""Live settings for Django that every node of a cluster agrees on, through Raft.

from raft_config import config
config.SITE_NAME
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .live import config
    from .schema import Setting, Settings

__version__ = "0.1.0"

__all__ = ["Setting", "Settings", "__version__", "config"]

_NEEDS_DJANGO = {"Setting": ".schema", "Settings": ".schema", "config": ".live"}


def __getattr__(name: str) -> Any:
    # Late, so that the core can be imported without Django.
    if name not in _NEEDS_DJANGO:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_NEEDS_DJANGO[name], __name__), name)
