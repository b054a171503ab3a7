"""How bad a seed's world is: every probability and interval is drawn anew for each seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from raft_config.core.settings import RaftSettings


@dataclass(frozen=True, slots=True)
class Knobs:
    """Probabilities in 0..1, times in simulated seconds."""

    loss: float
    duplication: float
    long_delay: float
    """The share of messages that arrive seconds late, so long after newer ones."""
    delay_seconds: float
    longest_delay_seconds: float
    disk_delay_seconds: float
    tick_gap_seconds: float
    """The longest time between two ticks of a healthy node."""
    late_tick: float
    double_tick: float
    fault_interval_seconds: float
    crash_in_step: float
    """The chance that a step ends in a crash, before or after it is saved."""
    clock_faults: bool
    membership_changes: bool
    wipes: bool
    clients: int
    keys: int
    client_timeout_seconds: float
    leaves_minority_down: bool
    settings: RaftSettings


def draw_knobs(rng: random.Random) -> Knobs:
    """One world: often mild in most respects, and bad in some."""
    return Knobs(
        loss=rng.choice((0.0, 0.0, 0.02, 0.1, 0.3)),
        duplication=rng.choice((0.0, 0.0, 0.05, 0.2)),
        long_delay=rng.choice((0.0, 0.01, 0.05)),
        delay_seconds=rng.choice((0.002, 0.01, 0.05)),
        longest_delay_seconds=rng.choice((0.5, 3.0, 10.0)),
        disk_delay_seconds=rng.choice((0.0, 0.0, 0.02, 0.2)),
        tick_gap_seconds=rng.choice((0.1, 0.25, 0.5)),
        late_tick=rng.choice((0.0, 0.05, 0.2)),
        double_tick=rng.choice((0.0, 0.1)),
        fault_interval_seconds=rng.choice((0.3, 1.0, 3.0)),
        crash_in_step=rng.choice((0.0, 0.0, 0.002, 0.01)),
        clock_faults=rng.random() < 0.3,
        membership_changes=rng.random() < 0.5,
        wipes=rng.random() < 0.3,
        clients=rng.choice((1, 3, 6)),
        keys=rng.choice((1, 3)),
        client_timeout_seconds=rng.choice((0.5, 2.0, 8.0)),
        leaves_minority_down=rng.random() < 0.3,
        settings=draw_settings(rng),
    )


def draw_settings(rng: random.Random) -> RaftSettings:
    """Small limits, so that batches, chunks, caps and snapshots all happen within one run."""
    return RaftSettings(
        max_batch_entries=rng.choice((1, 3, 64)),
        max_batch_bytes=rng.choice((400, 65_536)),
        max_command_bytes=400,
        max_uncommitted_entries=rng.choice((5, 64)),
        max_apply_entries=rng.choice((1, 64)),
        max_pending_reads=rng.choice((2, 64)),
        snapshot_entries=rng.choice((5, 20, 100)),
        snapshot_bytes=rng.choice((1_000, 100_000)),
        trailing_entries=rng.choice((0, 3, 20)),
        snapshot_chunk_bytes=rng.choice((100, 1_000)),
    )
