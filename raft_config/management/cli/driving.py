"""What the commands share that drive a node, `raft_node` and `raft_tick`."""

from __future__ import annotations

from contextlib import suppress

from django.core.management.base import CommandError
from django.db import DatabaseError

from ...checks.live import check_tables_are_our_own
from ...conf import get_config


def refuse_tables_of_another_node() -> None:
    """Raise CommandError instead of voting in another node's name; no command but `migrate` asks.

    A database that cannot be asked now is asked by the driver until it can.
    """
    with suppress(DatabaseError):
        for found in check_tables_are_our_own(databases=[get_config().database]):
            raise CommandError(f"{found.msg} {found.hint}")
