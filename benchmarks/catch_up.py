"""What a newcomer costs until it has what the leader has: by its log, or by a snapshot.

One process, no sockets: a leader in memory, and a newcomer on SQLite as each real node is; every
message goes through the JSON that the nodes speak. Ten times as much should take ten times as long.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .both import set_up

AT_ONCE = 200
"""Commands that are proposed together, and settings that one command changes."""


def main() -> None:
    """Print a row for each size; the last column compares it with the one before."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--settings", type=int, nargs="*", default=[1000, 10_000, 100_000])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder), {})
        print("| a newcomer takes in | seconds of processor | for each | beside the row before |")
        print("|---|---|---|---|")
        rows((f"{count:,} entries by the log", count, entries(count)) for count in options.log)
        rows(
            (f"{count:,} settings by a snapshot", count, settings(count))
            for count in options.settings
        )


def rows(sizes: Iterator[tuple[str, int, Iterator[bytes]]]) -> None:
    """Measure each."""
    before = None
    for name, count, commands in sizes:
        seconds = caught_up(commands, by_snapshot="snapshot" in name)
        ratio = f"{seconds / before:.1f} times" if before else "-"
        print(f"| {name} | {seconds:.2f} | {1e6 * seconds / count:.0f} µs | {ratio} |", flush=True)
        before = seconds


def entries(count: int) -> Iterator[bytes]:
    """So many changes of the same few settings."""
    from raft_config.schema.strict import typed_text  # noqa: PLC0415 - needs Django set up
    from raft_config.state_machine import Command, encode_command  # noqa: PLC0415

    for number in range(count):
        change = {f"NAME_{number % 50}": typed_text("str", f"{number:0100d}")}
        yield encode_command(Command(f"request {number}", change))


def settings(count: int) -> Iterator[bytes]:
    """Changes that set so many of them."""
    from raft_config.schema.strict import typed_text  # noqa: PLC0415 - needs Django set up
    from raft_config.state_machine import Command, encode_command  # noqa: PLC0415

    text = typed_text("str", "0" * 100)
    for start in range(0, count, AT_ONCE):
        names = [f"NAME_{number}" for number in range(start, min(count, start + AT_ONCE))]
        yield encode_command(Command(f"request {start}", dict.fromkeys(names, text)))


def caught_up(commands: Iterator[bytes], *, by_snapshot: bool) -> float:
    """The processor time that both ends take until a newcomer has applied all of it."""
    from raft_config.core import RaftSettings  # noqa: PLC0415 - needs Django set up
    from raft_config.core.events import AddLearner, TakeSnapshot  # noqa: PLC0415
    from raft_config.memory import MemoryNetwork, MemoryNode  # noqa: PLC0415

    network = MemoryNetwork()
    never = 1 << 40
    timing = RaftSettings(snapshot_entries=never, snapshot_bytes=never, trailing_entries=0)
    leader = network.add(MemoryNode("n0", network, members=["n0"], settings=timing))
    network.run_until(lambda: leader.is_leader)
    while some := [each for each, _ in zip(commands, range(AT_ONCE), strict=False)]:
        leader.propose(*some)
    if by_snapshot:
        leader.handle(TakeSnapshot())
    newcomer = Newcomer(network, timing)
    network.nodes["new"] = newcomer  # type: ignore[assignment]  # as far as the network asks
    begun = time.process_time()
    leader.change_members(AddLearner("new", incarnation="its life", promote=False))
    network.run_until(lambda: newcomer.applied == leader.state.last_applied, at_most_seconds=never)
    return time.process_time() - begun


class Newcomer:
    """A node on this process's database, new and empty."""

    node_id = "new"

    def __init__(self, network: Any, timing: Any) -> None:
        from raft_config import models  # noqa: PLC0415
        from raft_config.core.configuration import Configuration  # noqa: PLC0415
        from raft_config.core.state import new_node  # noqa: PLC0415
        from raft_config.storage import DatabaseStorage  # noqa: PLC0415

        names = ("LogEntry", "Node", "StoredValue", "Change", "AnsweredRequest", "Member")
        for name in (*names, "Snapshot", "SnapshotChunk", "ScheduledChange"):
            getattr(models, name).objects.all().delete()
        first = new_node("new", Configuration(), incarnation="its life")
        self.storage = DatabaseStorage("default", lambda: first)
        self.network, self.timing = network, timing
        self.applied = 0

    def tick(self) -> None:
        """It waits for the leader."""

    def receive(self, envelope: Any) -> None:
        """Take a message in as a node does, and answer."""
        from raft_config.core.effects import Reply  # noqa: PLC0415
        from raft_config.core.events import Receive  # noqa: PLC0415
        from raft_config.storage.durability import is_likely_durable  # noqa: PLC0415
        from raft_config.transport.wire import decode_envelope, encode_envelope  # noqa: PLC0415

        event = Receive(decode_envelope(encode_envelope(envelope)))
        _, after, effects = self.storage.perform(
            event,
            settings=self.timing,
            now=self.network.now,
            jitter=0.5,
            likely_durable=is_likely_durable(event),
        )
        self.applied = after.last_applied
        for effect in effects:
            if isinstance(effect, Reply):
                self.network.send(decode_envelope(encode_envelope(effect.envelope)))


if __name__ == "__main__":
    main()
