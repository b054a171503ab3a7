"""Live settings for Django that every node of a cluster agrees on, through Raft.

from raft_config import config
config.SITE_NAME
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .live import config

__version__ = "0.1.0"

__all__ = ["__version__", "config"]


def __getattr__(name: str) -> Any:
    # Late, so that the core can be imported without Django.
    if name == "config":
        from .live import config  # noqa: PLC0415 - needs Django

        return config
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
