"""What a write and a heartbeat cost a leader as its log and its settings grow; one process, SQLite.

The processor time of the steps that a node takes through its database, without any message.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from .both import set_up

WRITES = 200
NOW = 1000.0


def main() -> None:
    """Print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--log", type=int, nargs="*", default=[100, 1000, 10_000, 100_000, 1_000_000]
    )
    parser.add_argument("--settings", type=int, nargs="*", default=[100, 1000, 10_000, 100_000])
    parser.add_argument("--voters", type=int, nargs="*", default=[1, 3, 5, 7])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder), {})
        print("| | write | heartbeat |\n|---|---|---|")
        for size in options.log:
            show(f"{size:,} entries in the log", entries=size)
        for size in options.settings:
            show(f"{size:,} settings stored", settings=size)
        for size in options.voters:
            show(f"{size} voters", voters=size)


def show(name: str, **sizes: int) -> None:
    """Measure one size."""
    leader = Leader(**sizes)
    write = milliseconds(leader.write)
    print(f"| {name} | {write:.2f} ms | {milliseconds(leader.heartbeat):.2f} ms |", flush=True)


def milliseconds(take: Callable[[], object]) -> float:
    """The processor time of one, over many."""
    for _ in range(20):
        take()
    begun = time.process_time()
    for _ in range(WRITES):
        take()
    return 1000 * (time.process_time() - begun) / WRITES


class Leader:
    """A leader with peers that answer everything; its tables are filled to a size."""

    def __init__(self, *, entries: int = 100, settings: int = 100, voters: int = 3) -> None:
        from raft_config import models  # noqa: PLC0415
        from raft_config.core import NodeState, RaftSettings  # noqa: PLC0415 - needs Django set up
        from raft_config.core.configuration import Member, initial_configuration  # noqa: PLC0415
        from raft_config.core.state import Leader as Leading  # noqa: PLC0415
        from raft_config.core.state import Progress  # noqa: PLC0415
        from raft_config.storage import DatabaseStorage  # noqa: PLC0415

        tables = ("LogEntry", "Node", "StoredValue", "Change", "AnsweredRequest", "Member")
        for name in tables:
            getattr(models, name).objects.all().delete()
        fill(
            models.LogEntry,
            ({"index": n, "term": 1, "command": b"x" * 200} for n in range(1, entries + 1)),
        )
        fill(
            models.StoredValue,
            ({"name": f"N{n}", "text": "1", "index": 1} for n in range(settings)),
        )
        names = [f"n{place}" for place in range(voters)]
        self.peers = names[1:]
        members = initial_configuration(Member(each, incarnation=f"i{each}") for each in names)
        known = Progress(entries + 1, entries, contact_at=NOW)
        state = NodeState(
            "n0",
            Leading(1, NOW + 1e9, dict.fromkeys(self.peers, known)),
            incarnation="in0",
            current_term=1,
            last_log_index=entries,
            last_log_term=1,
            commit_index=entries,
            last_applied=entries,
            configuration=members,
            previous_configuration=members,
        )
        self.storage = DatabaseStorage("default", lambda: state)
        # No snapshot meanwhile: that is a cost of its own.
        self.settings = RaftSettings(snapshot_entries=1 << 40, snapshot_bytes=1 << 40)
        self.last = entries
        self.now = NOW
        self.requests = count()

    def write(self) -> None:
        """Append a change, and take in every peer's answer."""
        from raft_config.core.events import Propose  # noqa: PLC0415
        from raft_config.core.messages import AppendEntriesResponse  # noqa: PLC0415
        from raft_config.state_machine import Command, encode_command  # noqa: PLC0415

        command = Command(f"request {next(self.requests)}", {"N0": str(self.last)})
        self.take([Propose((encode_command(command),))], durable=True)
        self.last += 1
        answer = AppendEntriesResponse(
            1, success=True, match_index=self.last, prev_log_index=self.last - 1
        )
        self.take([self.received(peer, answer) for peer in self.peers], durable=False)

    def heartbeat(self) -> None:
        """Take in every peer's answer to one."""
        from raft_config.core.events import Tick  # noqa: PLC0415
        from raft_config.core.messages import AppendEntriesResponse  # noqa: PLC0415

        answer = AppendEntriesResponse(
            1, success=True, match_index=self.last, prev_log_index=self.last
        )
        self.now += self.settings.heartbeat_interval_seconds * 1.01
        self.take([Tick()], durable=False)
        self.take([self.received(peer, answer) for peer in self.peers], durable=False)

    def received(self, peer: str, message: Any) -> Any:
        from raft_config.core.events import Receive  # noqa: PLC0415
        from raft_config.core.messages import Envelope  # noqa: PLC0415

        return Receive(Envelope(peer, f"i{peer}", "n0", "in0", 1, message))

    def take(self, events: Sequence[Any], *, durable: bool) -> None:
        self.storage.perform(
            *events, settings=self.settings, now=self.now, jitter=0.5, likely_durable=durable
        )


def fill(model: Any, rows: Any) -> None:
    """Store rows, some thousands at a time."""
    made = (model(**row) for row in rows)
    while some := [each for each, _ in zip(made, range(5000), strict=False)]:
        model.objects.bulk_create(some)


if __name__ == "__main__":
    main()
