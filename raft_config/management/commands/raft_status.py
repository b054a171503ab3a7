"""`manage.py raft_status`: the cluster as this node sees it, for people and for scripts."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from ... import status
from ...status import ClusterStatus, Health, MemberStatus

WATCH_SECONDS = 1.0
EXIT_CODES = {Health.HEALTHY: 0, Health.DEGRADED: 1, Health.NO_QUORUM: 3}


class Command(BaseCommand):
    """Exits with 0 when all is well, 1 when degraded, 3 when no change can be made."""

    help = "Show the cluster as this node sees it. Exit code: 0 healthy, 1 degraded, 3 no quorum."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="for scripts")
        parser.add_argument("--watch", action="store_true", help="again every second, until Ctrl-C")

    def handle(self, *_: Any, **options: Any) -> None:
        while True:
            found = status.read()
            self.stdout.write(as_json(found) if options["json"] else as_text(found))
            if not options["watch"]:
                break
            try:
                time.sleep(WATCH_SECONDS)
            except KeyboardInterrupt:
                break
        if EXIT_CODES[found.health]:
            sys.exit(EXIT_CODES[found.health])


def as_json(found: ClusterStatus) -> str:
    """One line."""
    return json.dumps({**asdict(found), "health": found.health.value})


def as_text(found: ClusterStatus) -> str:
    """A few lines and a table."""
    lines = [
        f"Node {found.node_id} is {found.role} in term {found.term}. {found.quorum}",
        (
            f"Log: last {found.last_log_index}, committed {found.commit_index}, "
            f"applied {found.last_applied}, snapshot {found.snapshot_index}"
        ),
    ]
    if found.halted_by:
        lines.append(f"Nothing more is applied here: {found.halted_by}")
    lines.append(f"{'member':16} {'role':10} {'stored':>8} {'lag':>6} {'heard':>8}  address")
    lines += [_row(member) for member in found.members]
    return "\n".join(lines)


def _row(member: MemberStatus) -> str:
    role = "leader" if member.is_leader else "voter" if member.is_voter else "learner"
    heard = "" if member.last_contact_seconds is None else f"{member.last_contact_seconds:.1f} s"
    stored = "" if member.match_index is None else str(member.match_index)
    lag = "" if member.lag_entries is None else str(member.lag_entries)
    mark = "*" if member.is_self else " "
    name = mark + member.node_id
    return f"{name:16} {role:10} {stored:>8} {lag:>6} {heard:>8}  {member.address}"
