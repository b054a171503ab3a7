"""What a write and a heartbeat cost a leader as its log and its settings grow; one process, SQLite.

The processor time of the steps that a node takes through its database, without any message.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from .both import set_up
from .plot import draw

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
    parser.add_argument("--learners", type=int, nargs="*", default=[0, 1, 10, 50])
    parser.add_argument("--plots", type=Path, help="where to put a picture of each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder), {})
        print("| | write | heartbeat |\n|---|---|---|")
        for kind, text in KINDS.items():
            found = {size: show(text.format(size), **{kind: size}) for size in vars(options)[kind]}
            if options.plots and found:
                plot(options.plots / f"growth-{kind}.svg", text.format(0).lstrip("0 "), found)


KINDS = {
    "log": "{:,} entries in the log",
    "settings": "{:,} settings stored",
    "voters": "{:,} voters",
    "learners": "{:,} learners beside 3 voters",
}
"""What grows, and how a row tells of it."""


def show(name: str, **sizes: int) -> tuple[float, float]:
    """Measure one size: a write and a heartbeat, in milliseconds."""
    leader = Leader(**sizes)
    found = milliseconds(leader.write), milliseconds(leader.heartbeat)
    print(f"| {name} | {found[0]:.2f} ms | {found[1]:.2f} ms |", flush=True)
    return found


def plot(path: Path, over: str, found: Mapping[int, tuple[float, float]]) -> None:
    """Draw both over the size."""
    lines = {
        name: [(size, times[place]) for size, times in found.items()]
        for place, name in enumerate(("write", "heartbeat"))
    }
    draw(path, f"Processor time at the leader, over {over}", lines, unit="ms")


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

    def __init__(
        self, *, log: int = 100, settings: int = 100, voters: int = 3, learners: int = 0
    ) -> None:
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
            ({"index": n, "term": 1, "command": b"x" * 200} for n in range(1, log + 1)),
        )
        fill(
            models.StoredValue,
            ({"name": f"N{n}", "text": "1", "index": 1} for n in range(settings)),
        )
        names = [f"n{place}" for place in range(voters + learners)]
        self.peers = names[1:]
        members = initial_configuration(
            Member(each, incarnation=f"i{each}", voter=place < voters, promote=False)
            for place, each in enumerate(names)
        )
        known = Progress(log + 1, log, contact_at=NOW)
        state = NodeState(
            "n0",
            Leading(1, NOW + 1e9, dict.fromkeys(self.peers, known)),
            incarnation="in0",
            current_term=1,
            last_log_index=log,
            last_log_term=1,
            commit_index=log,
            last_applied=log,
            configuration=members,
            previous_configuration=members,
        )
        self.storage = DatabaseStorage("default", lambda: state)
        # No snapshot meanwhile: that is a cost of its own.
        self.settings = RaftSettings(snapshot_entries=1 << 40, snapshot_bytes=1 << 40)
        self.last = log
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
