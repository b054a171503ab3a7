"""InstallSnapshot: Raft §7 and figure 13, both ends."""

from dataclasses import replace

import pytest

from raft_config.core.configuration import initial_configuration
from raft_config.core.effects import (
    Append,
    Apply,
    LeaderChanged,
    MembershipChanged,
    Restore,
    StoreChunk,
)
from raft_config.core.events import Tick
from raft_config.core.messages import AppendEntries, InstallSnapshot, InstallSnapshotResponse
from raft_config.core.state import IncomingSnapshot, SnapshotTransfer
from raft_config.exceptions import InvariantViolatedError

from .build import (
    HEARTBEAT,
    NOW,
    RETRY,
    SETTINGS,
    append_entries,
    entries,
    follower,
    leader,
    members,
    messages_to,
    of_type,
    reply,
    snapshot_meta,
    talk,
)
from .cluster import QUICK, cluster, elect, others, settle, values, write

DATA = b'[[1, "x"], [2, "y"]]'
CHUNKS = replace(SETTINGS, snapshot_chunk_bytes=8)
META = snapshot_meta(5, 3, DATA, members("abc", index=4))


def chunk(offset, size=8, *, term=3, meta=META, data=DATA):
    return InstallSnapshot(term, meta, offset, data[offset : offset + size])


def answer(term, next_offset, *, installed=False, meta=META):
    return InstallSnapshotResponse(
        term, meta.last_included_index, meta.digest, next_offset, installed
    )


# -- the leader's end of InstallSnapshot


def compacted_leader(**more):
    values = {"commit": 3, "compacted": 3, "match": {"c": 4}, "settings": CHUNKS, "snapshot": DATA}
    node = leader(term=3, log="1 1 2 3", **{**values, **more})
    progress = node.role.progress
    progress["b"] = replace(progress["b"], next_index=2)
    return node


def test_leader_sends_a_snapshot_when_it_has_discarded_the_next_entry():
    """When the leader has already discarded the next log entry it needs to send (§7)."""
    node = compacted_leader()
    meta = node.storage.log.snapshot
    effects = node.step(Tick())
    assert messages_to(effects, "b") == [InstallSnapshot(3, meta, 0, DATA[:8])]
    assert node.role.progress["b"].snapshot == SnapshotTransfer(meta)


def test_leader_goes_on_at_the_byte_the_peer_wants():
    node = compacted_leader()
    meta = node.storage.log.snapshot
    node.step(Tick())
    sent = messages_to(node.receive("b", answer(3, 8, meta=meta)), "b")
    assert sent == [InstallSnapshot(3, meta, 8, DATA[8:16])]
    sent = messages_to(node.receive("b", answer(3, 16, meta=meta)), "b")
    assert sent == [InstallSnapshot(3, meta, 16, DATA[16:])]
    assert sent[0].done


def test_leader_that_learns_of_bytes_stored_under_another_leader_skips_them():
    node = compacted_leader()
    meta = node.storage.log.snapshot
    node.step(Tick())
    (sent,) = messages_to(node.receive("b", answer(3, 16, meta=meta)), "b")
    assert sent.offset == 16


def test_lost_chunk_is_sent_again():
    node = compacted_leader()
    first = messages_to(node.step(Tick()), "b")
    assert messages_to(node.step(Tick(), now=NOW + RETRY - 0.01), "b", InstallSnapshot) == []
    assert messages_to(node.step(Tick(), now=NOW + RETRY), "b") == first


def test_silent_peer_is_probed_without_reading_the_snapshot_for_it():
    """A node that is down for a day must not cost a chunk each half second."""
    node = compacted_leader()
    silent = replace(node.role.progress["b"], contact_at=NOW - 5)
    role = replace(node.role, progress={**node.role.progress, "b": silent})
    node.storage.state = replace(node.state, role=role)
    effects = node.step(Tick(), now=NOW + HEARTBEAT)
    assert messages_to(effects, "b") == [AppendEntries(3, 0, 0, (), 3)]
    assert node.view.calls["snapshot_chunk"] == 0


def test_heartbeat_goes_on_while_a_chunk_is_on_its_way():
    node = compacted_leader()
    node.step(Tick())
    sent = messages_to(node.step(Tick(), now=NOW + HEARTBEAT), "b")
    assert sent == [AppendEntries(3, 0, 0, (), 4)]


def test_leader_goes_on_with_the_log_behind_an_installed_snapshot():
    node = compacted_leader()
    meta = node.storage.log.snapshot
    node.step(Tick())
    effects = node.receive("b", answer(3, len(DATA), installed=True, meta=meta))
    assert messages_to(effects, "b") == [append_entries(3, prev=(3, 2), terms="3", commit=4)]
    progress = node.role.progress["b"]
    assert (progress.match_index, progress.next_index, progress.snapshot) == (3, 4, None)


def test_late_answer_about_a_snapshot_never_moves_match_index_back():
    node = leader(term=3, log="1 1 2 3", commit=4, match={"b": 4})
    node.receive("b", answer(3, 0, installed=True, meta=snapshot_meta(2, 1, b"")))
    assert (node.role.progress["b"].match_index, node.role.progress["b"].next_index) == (4, 5)


def test_answer_about_another_snapshot_is_contact_and_nothing_more():
    node = compacted_leader()
    node.step(Tick())
    before = node.role.progress["b"]
    effects = node.receive("b", answer(3, 16, meta=snapshot_meta(3, 2, b"other")), now=NOW + 0.1)
    assert node.role.progress["b"] == replace(before, contact_at=NOW + 0.1, version=1)
    assert messages_to(effects, "b") == []


def test_newer_snapshot_starts_from_its_first_byte():
    node = compacted_leader()
    node.step(Tick())
    newer = snapshot_meta(4, 3, b"n" * 20)
    node.storage.log.store_snapshot(newer, b"n" * 20, 5)
    effects = node.receive("b", answer(3, 8, meta=snapshot_meta(3, 2, DATA)))
    assert messages_to(effects, "b") == [InstallSnapshot(3, newer, 0, b"n" * 8)]


def test_answer_to_a_snapshot_of_an_earlier_term_counts_for_nothing():
    node = compacted_leader()
    before = node.state.role.progress["b"]
    node.receive("b", answer(2, 8, installed=True))
    assert node.role.progress["b"].match_index == before.match_index


def test_answer_about_a_snapshot_to_a_node_that_does_not_lead_counts_for_nothing():
    node = follower(term=3, log="1 1")
    before = node.state
    assert node.receive("b", answer(3, 8)) == []
    assert node.state is before


def test_log_compacted_without_a_snapshot_stops_the_leader():
    node = compacted_leader()
    node.storage.log._snapshot = None
    with pytest.raises(InvariantViolatedError, match="no snapshot"):
        node.step(Tick())


# -- the follower's end, by the rules of figure 13


def receiving(offset=0, **more):
    """A follower with an older log, which holds `offset` bytes already."""
    node = follower(**{"term": 3, "log": "1 1", "commit": 1, "leader_id": "b", **more})
    if offset:
        node.storage.state = replace(node.state, incoming=IncomingSnapshot(META, offset))
        node.storage._chunks = DATA[:offset]
    return node


def test_rule_1_snapshot_of_an_older_term_is_refused():
    node = receiving(term=4)
    before = node.state
    assert node.receive("b", chunk(0)) == [reply("b", answer(4, 0))]
    assert node.state is before


def test_rules_2_and_3_first_chunk_begins_a_new_snapshot():
    node = receiving()
    assert node.receive("b", chunk(0)) == [StoreChunk(0, DATA[:8]), reply("b", answer(3, 8))]
    assert node.state.incoming == IncomingSnapshot(META, 8)


def test_chunk_restarts_the_election_timer_as_a_heartbeat_does():
    """The leader's chunks give its followers a sign of life (§7)."""
    node = receiving(leader_id=None)
    effects = node.receive("b", chunk(0), now=NOW + 0.5)
    assert node.role.heard_at == NOW + 0.5
    assert LeaderChanged("b", 3) in effects


def test_rule_4_follower_waits_for_more_chunks():
    node = receiving(offset=8)
    assert node.receive("b", chunk(8)) == [StoreChunk(8, DATA[8:16]), reply("b", answer(3, 16))]
    assert (node.state.last_log_index, node.terms) == (2, "1 1")


@pytest.mark.parametrize("offset", [0, 16])
def test_chunk_that_does_not_follow_is_answered_with_the_byte_wanted(offset):
    """Lost, doubled, or of a new leader that starts again: nothing is stored twice."""
    node = receiving(offset=8)
    assert node.receive("b", chunk(offset)) == [reply("b", answer(3, 8))]
    assert node.state.incoming == IncomingSnapshot(META, 8)


def test_new_leader_with_the_same_snapshot_goes_on_where_the_old_one_stopped():
    node = receiving(offset=8)
    node.receive("c", chunk(0, term=4))
    effects = node.receive("c", chunk(8, term=4))
    assert StoreChunk(8, DATA[8:16]) in effects


def test_rule_5_another_snapshot_takes_the_place_of_an_unfinished_one():
    other = snapshot_meta(6, 3, b"another snapshot")
    node = receiving(offset=8)
    effects = node.receive("b", chunk(0, meta=other, data=b"another snapshot"))
    assert effects[0] == StoreChunk(0, b"another ")
    assert node.state.incoming == IncomingSnapshot(other, 8)


def test_rule_6_log_that_holds_the_snapshots_last_entry_keeps_what_follows():
    node = receiving(log="1 1 2 2 3 3 3", commit=1)
    effects = node.receive("b", chunk(0))
    assert effects == [reply("b", answer(3, len(DATA), installed=True)), Apply(5)]
    assert (node.terms, node.state.commit_index) == ("1 1 2 2 3 3 3", 5)


@pytest.mark.parametrize("log", ["1 1", "1 1 1 1 1 1 1"], ids=["too short", "in conflict"])
def test_rules_7_and_8_snapshot_takes_the_place_of_log_values_and_members(log):
    node = receiving(log=log, offset=16)
    effects = node.receive("b", chunk(16))
    assert effects == [
        StoreChunk(16, DATA[16:]),
        Restore(META),
        reply("b", answer(3, len(DATA), installed=True)),
        MembershipChanged(META.configuration),
    ]
    state = node.state
    assert (state.last_log_index, state.last_log_term) == (5, 3)
    assert (state.commit_index, state.last_applied, state.snapshot_index) == (5, 5, 5)
    assert (state.configuration, state.previous_configuration) == (META.configuration,) * 2
    assert (state.incoming, node.terms) == (None, "")
    assert node.storage.machine.applied == [[1, "x"], [2, "y"]]


def test_follower_takes_the_entries_behind_an_installed_snapshot():
    node = receiving(offset=16)
    node.receive("b", chunk(16))
    effects = node.receive("b", append_entries(3, prev=(5, 3), terms="3"))
    assert of_type(effects, Append) == [Append(entries("3", 6))]


def test_empty_snapshot_is_whole_with_its_only_chunk():
    node = receiving()
    meta = snapshot_meta(5, 3, b"", initial_configuration([]))
    effects = node.receive("b", InstallSnapshot(3, meta, 0, b""))
    assert Restore(meta) in effects


def test_snapshot_older_than_what_is_committed_changes_nothing():
    node = receiving(log="1 1 2 2 3 3", commit=6)
    before = node.state
    effects = node.receive("b", chunk(0))
    assert effects == [reply("b", answer(3, len(DATA), installed=True))]
    assert replace(node.state, role=before.role) == before


def test_snapshot_older_than_the_own_one_changes_nothing():
    """Its last entry is compacted here, so that the log cannot tell; commit_index can."""
    node = receiving(log="1 1 2 2 3 3 3", commit=7, compacted=6, snapshot=b"[]")
    before = node.state
    effects = node.receive("b", chunk(0))
    assert effects == [reply("b", answer(3, len(DATA), installed=True))]
    assert replace(node.state, role=before.role) == before
    assert (node.state.last_log_index, node.terms) == (7, "3")


def test_snapshot_under_way_is_given_up_once_the_log_has_overtaken_it():
    node = receiving(log="1 1 2 2 3 3", commit=6, offset=8)
    node.receive("b", chunk(8))
    assert node.state.incoming is None


def test_old_snapshot_that_arrives_late_does_not_end_the_newer_one_under_way():
    """Retained snapshots and retransmissions are harmless (§7)."""
    node = receiving(offset=8, commit=2)
    late = snapshot_meta(2, 1, b"old")
    node.receive("b", InstallSnapshot(3, late, 0, b"old"))
    assert node.state.incoming == IncomingSnapshot(META, 8)


def test_leader_that_gets_a_snapshot_of_its_own_term_is_stopped():
    """As with AppendEntries: a term has one leader at most (figure 3)."""
    node = leader(term=3, log="1 1 3", commit=1)
    with pytest.raises(InvariantViolatedError):
        node.receive("b", chunk(0))


# -- both ends together


@pytest.mark.parametrize("lost", [None, 0, 1, 2, 3, 4, 5, 6])
def test_snapshot_arrives_whole_whichever_message_is_lost(lost):
    boss = compacted_leader(voters="ab")
    joining = follower(node_id="b", term=3, voters="ab", settings=CHUNKS)
    nodes = {"a": boss, "b": joining}
    talk(nodes, boss.step(Tick()), lost=lost)
    delivered = talk(nodes, boss.step(Tick(), now=NOW + RETRY))
    assert joining.state.commit_index == boss.state.commit_index == 4
    assert joining.storage.machine.applied == [[1, "x"], [2, "y"]]
    chunks = [each for each in delivered if isinstance(each.message, InstallSnapshot)]
    assert len(chunks) <= 3


def test_follower_far_behind_is_brought_up_by_a_snapshot_in_small_chunks():
    limits = replace(QUICK, snapshot_entries=20, trailing_entries=5, snapshot_chunk_bytes=64)
    network = cluster("abc", settings=limits)
    boss = elect(network)
    away = others(network, boss.node_id)[0]
    network.cut(away.node_id)
    for number in range(60):
        write(network, boss, f"N{number}", "1")
    assert boss.storage.log.base_index > away.state.last_log_index
    network.heal()
    settle(network)
    assert values(away) == values(boss) == {f"N{number}": "1" for number in range(60)}
    assert away.state.snapshot_index > 0


def test_leader_change_in_the_middle_of_a_snapshot_loses_none_of_it():
    limits = replace(QUICK, snapshot_entries=20, trailing_entries=0, snapshot_chunk_bytes=16)
    network = cluster("abc", settings=limits)
    boss = elect(network)
    heir, away = others(network, boss.node_id)
    network.cut(away.node_id)
    for number in range(20):
        write(network, boss, f"N{number}", "1")
    settle(network, among={boss.node_id, heir.node_id})
    assert boss.storage.log.snapshot == heir.storage.log.snapshot
    network.heal()
    network.run_until(lambda: away.state.incoming is not None and away.state.incoming.offset > 100)
    offset = away.state.incoming.offset
    network.cut(boss.node_id)
    elect(network, {heir.node_id, away.node_id})
    assert away.state.incoming is None or away.state.incoming.offset >= offset
    settle(network, among={heir.node_id, away.node_id})
    assert values(away) == values(heir)
