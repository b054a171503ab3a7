"""When the log is compacted, and what is kept (Raft §7)."""

from dataclasses import replace

import pytest

from raft_config.core.effects import (
    Apply,
    Compact,
)
from raft_config.core.events import Applied, TakeSnapshot
from raft_config.core.state import SnapshotTransfer

from .build import (
    NOW,
    RETRY,
    SETTINGS,
    TIMEOUT,
    follower,
    leader,
    members,
    of_type,
)

# -- when a snapshot is taken


def policy(**limits):
    return replace(SETTINGS, **{"trailing_entries": 0, **limits})


def test_snapshot_is_taken_after_so_many_applied_entries():
    node = follower(term=2, log="1 1 2 2", commit=3, applied=1, settings=policy(snapshot_entries=3))
    assert of_type(node.step(Applied(2)), Compact) == []
    effects = node.step(Applied(3))
    assert of_type(effects, Compact) == [Compact(3, 2, members(), 4)]
    assert (node.state.snapshot_index, node.terms) == (3, "2")


def test_snapshot_is_taken_after_so_many_applied_bytes():
    """Servers take a snapshot when the log reaches a fixed size in bytes (§7)."""
    node = follower(term=2, log="1 1 2", commit=3, applied=0, settings=policy(snapshot_bytes=100))
    assert of_type(node.step(Applied(1, size_bytes=60)), Compact) == []
    assert node.state.unsnapshotted_bytes == 60
    effects = node.step(Applied(2, size_bytes=40))
    assert of_type(effects, Compact) == [Compact(2, 1, members(), 3)]
    assert node.state.unsnapshotted_bytes == 0


def test_both_counters_start_again_after_a_snapshot():
    limits = policy(snapshot_entries=2, snapshot_bytes=100)
    node = follower(term=2, log="1 1 2 2", commit=4, applied=0, settings=limits)
    node.step(Applied(2, size_bytes=99))
    assert of_type(node.step(Applied(3, size_bytes=99)), Compact) == []
    assert of_type(node.step(Applied(4, size_bytes=0)), Compact) != []


def test_tail_of_the_log_is_kept_for_slow_followers():
    limits = policy(trailing_entries=2)
    node = follower(term=2, log="1 1 1 2 2", commit=4, settings=limits)
    assert node.step(TakeSnapshot()) == [Compact(4, 2, members(), 3)]
    assert node.terms == "1 2 2"
    assert node.storage.log.term_at(2) == 1


def test_tail_longer_than_the_log_keeps_all_of_it():
    node = follower(term=2, log="1 1", commit=2)
    assert node.step(TakeSnapshot()) == [Compact(2, 1, members(), 1)]
    assert node.terms == "1 1"


def test_snapshot_covers_only_what_is_applied():
    """Only committed entries are covered (§7)."""
    node = follower(term=2, log="1 1 2", commit=3, applied=2, settings=policy())
    assert node.step(TakeSnapshot()) == [Compact(2, 1, members(), 3), Apply(3)]


@pytest.mark.parametrize("applied", [0, 2])
def test_snapshot_that_would_hold_nothing_new_is_not_taken(applied):
    node = follower(term=2, log="1 1 2", commit=applied, compacted=applied)
    before = node.state
    assert node.step(TakeSnapshot()) == []
    assert node.state is before


def test_snapshot_holds_the_members_as_of_its_index():
    """The snapshot includes the latest configuration in the log as of its index (§7)."""
    old, new = members("abc", index=1), members("abcd", index=3)
    node = follower(
        term=1, log="1 1 1", commit=2, configuration=new, previous=old, settings=policy()
    )
    assert node.step(TakeSnapshot()) == [Compact(2, 1, old, 3)]


def test_snapshot_waits_when_the_members_of_its_index_are_not_known_any_more():
    newest, newer = members("abcde", index=5), members("abcd", index=4)
    node = follower(
        term=1, log="1 1 1 1 1", commit=5, applied=2, configuration=newest, previous=newer
    )
    assert of_type(node.step(TakeSnapshot()), Compact) == []


def sending(contact_at=NOW):
    """A leader that is sending its snapshot of index 2 to b, with a new one due at 4."""
    node = leader(
        term=2,
        log="1 1 2 2",
        commit=4,
        applied=3,
        compacted=2,
        match={"b": 0, "c": 4},
        settings=policy(snapshot_entries=2),
    )
    progress = node.role.progress
    meta = node.storage.log.snapshot
    progress["b"] = replace(
        progress["b"],
        snapshot=SnapshotTransfer(meta),
        awaiting_deadline=NOW + RETRY,
        contact_at=contact_at,
    )
    return node


def test_new_snapshot_waits_while_a_live_peer_is_receiving_the_present_one():
    assert of_type(sending().step(Applied(4)), Compact) == []


def test_new_snapshot_does_not_wait_for_a_peer_that_is_down():
    assert of_type(sending(contact_at=NOW - TIMEOUT).step(Applied(4)), Compact) != []
