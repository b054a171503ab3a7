"""The fixture `override_raft_config`; pytest finds it by itself once the package is installed.

def test_short_page(client, override_raft_config):
    override_raft_config(MAX_ITEMS=3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest


@pytest.fixture
def override_raft_config() -> Iterator[Callable[..., None]]:
    """A function: settings have these values from its call to the end of the test."""
    # Late: pytest loads its plugins before Django is set up.
    from .testing import override_config  # noqa: PLC0415

    with ExitStack() as overrides:

        def override(**values: Any) -> None:
            overrides.enter_context(override_config(**values))

        yield override
