"""`manage.py raft_status`: the cluster as it is now, for people and for scripts.

Any node tells the same: who is up is asked of the leader, the rest of each member itself. Whoever
does not answer is told with what this node knows of it.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from django.utils.translation import gettext as _

from ... import picture
from ...exceptions import noop
from ...picture import Picture, Seen
from ...status import Health
from ..cli.operating import OperatorCommand
from ..cli.terminal import Exit, Terminal

WATCH_SECONDS: Final = 1.0
ROW: Final = "{:16} {:10} {:>8} {:>6} {:6} {}"
EXIT_CODES: Final[Mapping[Health, Exit]] = {
    Health.HEALTHY: Exit.DONE,
    Health.DEGRADED: Exit.REFUSED,
    Health.NO_QUORUM: Exit.TRY_AGAIN,
}


class Command(OperatorCommand):
    """Exits with 0 when all is well, 1 when degraded, 3 when no change can be made."""

    help = noop("Show the cluster, from any node. Exit code: 0 healthy, 1 degraded, 3 no quorum.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--watch", action="store_true", help=_("again every second, until Ctrl-C")
        )

    def run(self, terminal: Terminal, options: Namespace) -> Exit:
        while True:
            found = picture.look()
            terminal.answer(as_data(found), as_lines(found))
            if not options.watch:
                break
            try:
                time.sleep(WATCH_SECONDS)
            except KeyboardInterrupt:
                break
        return EXIT_CODES[found.health]


def as_data(found: Picture) -> dict[str, Any]:
    """What this node knows, with what the others said put in its place."""
    return {
        **asdict(found.here),
        "leader_id": found.leader_id,
        "health": found.health.value,
        "quorum": found.headline,
        "warnings": list(found.warnings),
        "members": [_member(each, found.leader_id) for each in found.nodes],
    }


def _member(seen: Seen, leader_id: str | None) -> dict[str, Any]:
    return {
        **asdict(seen.member),
        "is_leader": seen.node_id == leader_id,
        "is_up": seen.is_up,
        "answers": seen.facts is not None,
        "problem": seen.problem,
        "last_log_index": seen.facts.last_log_index if seen.facts else None,
        "last_applied": seen.facts.last_applied if seen.facts else None,
    }


def as_lines(found: Picture) -> list[str]:
    """A few lines, a table, and what there is to be mended."""
    here = found.here
    role = _("Node %(node)s is %(role)s in term %(term)d.") % {
        "node": here.node_id,
        "role": here.role,
        "term": here.term,
    }
    log = _(
        "Log: last %(last)d, committed %(committed)d, applied %(applied)d, snapshot %(snapshot)d"
    ) % {
        "last": here.last_log_index,
        "committed": here.commit_index,
        "applied": here.last_applied,
        "snapshot": here.snapshot_index,
    }
    heading = _("member"), _("role"), _("stored"), _("behind"), _("state"), _("address")
    lines = [f"{role} {found.headline}", log, ROW.format(*heading)]
    lines += [_row(each, found.leader_id) for each in found.nodes]
    return lines + [f"! {each}" for each in found.warnings]


def _row(seen: Seen, leader_id: str | None) -> str:
    member = seen.member
    kind = _("voter") if member.is_voter else _("learner")
    role = _("leader") if seen.node_id == leader_id else kind
    known = seen.facts.last_log_index if seen.facts else member.match_index
    name = ("*" if member.is_self else " ") + seen.node_id
    stored, behind = ("" if each is None else str(each) for each in (known, seen.lag_entries))
    state = _("up") if seen.is_up else _("down")
    return ROW.format(name, role, stored, behind, state, member.address)
