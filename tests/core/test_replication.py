"""Replication as the paper states it: Raft §5.3 and figure 2, both ends of AppendEntries."""

from contextlib import suppress
from dataclasses import replace

import pytest

from raft_config.core.effects import (
    Accepted,
    Append,
    Apply,
    LeaderChanged,
    Send,
)
from raft_config.core.events import Propose, Tick
from raft_config.core.messages import AppendEntries
from raft_config.core.state import Follower
from raft_config.core.turn import Turn
from raft_config.exceptions import InvariantViolatedError

from .build import (
    HEARTBEAT,
    NEXT_DEADLINE,
    NOW,
    RETRY,
    SETTINGS,
    TIMEOUT,
    append_entries,
    entries,
    entry,
    follower,
    leader,
    messages_to,
    of_type,
    refusal,
    reply,
    send,
    success,
)


def propose(*commands, version=1):
    return Propose(tuple(commands), version)


# -- §5.3: the leader's end


def test_leader_appends_a_command_and_sends_it_to_each_of_the_others():
    """It appends the command to its log, then issues AppendEntries in parallel (§5.3)."""
    node = leader(term=2, log="1 2", commit=2)
    new = entry(3, 2, b"x")
    assert node.step(propose(b"x")) == [
        Append((new,)),
        Accepted(3, 2),
        send("b", AppendEntries(2, 2, 2, (new,), 2)),
        send("c", AppendEntries(2, 2, 2, (new,), 2)),
    ]


def test_commands_of_one_proposal_stand_together_and_in_order():
    node = leader(term=2, log="1 2")
    effects = node.step(propose(b"x", b"y"))
    assert effects[:2] == [Append((entry(3, 2, b"x"), entry(4, 2, b"y"))), Accepted(3, 2)]


def test_leader_never_replaces_or_deletes_an_entry_of_its_own():
    """Leader Append-Only (§5.3, figure 3)."""
    node = leader(term=2, log="1 2", commit=1)
    before = node.storage.log.kept[:]
    for command in (b"x", b"y"):
        node.step(propose(command))
        node.receive("b", refusal(2, prev=2))
    assert node.storage.log.kept[:2] == before
    turn = Turn(node.state, node.view, SETTINGS, NOW, 0.0)
    with pytest.raises(InvariantViolatedError, match="Entry 1 would replace"):
        turn.append(entries("2"))


def test_commands_that_arrive_while_a_batch_is_on_its_way_go_together_in_the_next():
    node = leader(term=2, log="1 2", voters="ab")
    node.step(propose(b"x"))
    assert of_type(node.step(propose(b"y")), Send) == []
    assert of_type(node.step(propose(b"z")), Send) == []
    (message,) = messages_to(node.receive("b", success(2, 3, prev=2)), "b")
    assert [each.command for each in message.entries] == [b"y", b"z"]
    assert (message.prev_log_index, message.leader_commit) == (3, 3)


def test_heartbeat_does_not_wait_for_the_answer_to_a_batch_and_carries_no_entries():
    node = leader(term=2, log="1 2", match={"b": 1})
    first = messages_to(node.step(Tick(), now=NOW + HEARTBEAT), "b")
    second = messages_to(node.step(Tick(), now=NOW + 2 * HEARTBEAT), "b")
    assert first == [append_entries(2, prev=(1, 1), terms="2")]
    assert second == [append_entries(2, prev=(1, 1))]


def test_lost_batch_is_sent_again_until_it_is_stored():
    """If followers crash or packets are lost, the leader retries indefinitely (§5.3)."""
    node = leader(term=2, log="1 2", match={"b": 1}, commit=1)
    batch = append_entries(2, prev=(1, 1), terms="2", commit=1)
    assert messages_to(node.step(Tick(), now=NOW + HEARTBEAT), "b") == [batch]
    node.receive("c", success(2, 1), now=NOW + 0.3)
    node.receive("b", success(2, 1), now=NOW + 0.3)
    assert messages_to(node.step(Tick(), now=NOW + HEARTBEAT + RETRY), "b") == [batch]


def test_silent_peer_is_only_probed_and_gets_entries_again_once_it_answers():
    node = leader(term=2, log="1 2 2", match={"b": 3, "c": 1}, commit=3)
    node.receive("b", success(2, 3), now=NOW + TIMEOUT)
    effects = node.step(Tick(), now=NOW + TIMEOUT)
    assert set(messages_to(effects, "c")) == {append_entries(2, prev=(1, 1), commit=3)}
    effects = node.receive("c", success(2, 1))
    assert messages_to(effects, "c") == [append_entries(2, prev=(1, 1), terms="2 2", commit=3)]


def test_batch_is_bounded_by_entries():
    settings = replace(SETTINGS, max_batch_entries=2)
    node = leader(term=2, log="2 2 2 2 2", match={"b": 1, "c": 5}, commit=5, settings=settings)
    (message,) = messages_to(node.receive("b", success(2, 1)), "b")
    assert [each.index for each in message.entries] == [2, 3]


def test_batch_is_bounded_by_bytes_but_holds_at_least_one_entry():
    """An entry weighs its command and 64 bytes."""
    settings = replace(SETTINGS, max_batch_bytes=400, max_command_bytes=300)
    every = [
        entry(1, 2),
        *(entry(index, 2, b"x" * 136) for index in (2, 3)),
        entry(4, 2, b"x" * 300),
    ]
    every.append(entry(5, 2, b"x" * 300))
    node = leader(
        term=2, log="2 2 2 2 2", every=every, match={"b": 1, "c": 5}, commit=5, settings=settings
    )
    sizes = []
    for match in (1, 3, 4):
        (message,) = messages_to(node.receive("b", success(2, match)), "b")
        sizes.append([each.index for each in message.entries])
    assert sizes == [[2, 3], [4], [5]]


def test_batch_of_what_was_just_proposed_is_bounded_too():
    settings = replace(SETTINGS, max_batch_entries=3, max_batch_bytes=400, max_command_bytes=300)
    node = leader(term=2, log="2", voters="ab", commit=0, settings=settings)
    (message,) = messages_to(node.step(propose(b"x" * 136, b"x" * 136, b"x" * 136)), "b")
    assert [each.index for each in message.entries] == [2, 3]


def test_batch_that_begins_in_the_stored_log_never_skips_an_entry():
    node = leader(term=2, log="2 2 2", voters="ab", match={"b": 1})
    (message,) = messages_to(node.step(propose(b"x")), "b")
    found = [each.index for each in message.entries]
    assert found == list(range(2, 2 + len(found)))
    assert found[:2] == [2, 3]


# -- §5.3: what the leader learns from answers


def test_success_moves_match_index_and_next_index():
    """If successful: update nextIndex and matchIndex for follower (figure 2)."""
    node = leader(term=2, log="1 2 2", match={"b": 1})
    node.receive("b", success(2, 3, prev=1))
    progress = node.role.progress["b"]
    assert (progress.match_index, progress.next_index, progress.awaiting_deadline) == (3, 4, 0.0)


def test_doubled_and_reordered_replies_never_move_match_index_back():
    node = leader(term=2, log="1 2 2 2")
    for match in (2, 4, 2, 4, 0):
        node.receive("b", success(2, match))
    assert (node.role.progress["b"].match_index, node.role.progress["b"].next_index) == (4, 5)


def test_refusal_moves_next_index_back_and_tries_again_at_once():
    """After a rejection, the leader decrements nextIndex and retries (§5.3)."""
    node = leader(term=2, log="1 1 1 2")
    effects = node.receive("b", refusal(2, prev=4, hint=(2, 1)))
    assert messages_to(effects, "b") == [append_entries(2, prev=(2, 1), terms="1 2")]


def test_late_refusal_of_another_request_moves_nothing():
    node = leader(term=2, log="1 1 1 2", match={"b": 2})
    before = node.role.progress["b"]
    node.receive("b", refusal(2, prev=4, hint=(1, 1)))
    assert node.role.progress["b"].next_index == before.next_index


def test_doubled_refusal_never_moves_next_index_below_what_is_known_to_match():
    node = leader(term=2, log="1 1 1 2", match={"b": 4})
    node.receive("b", refusal(2, prev=4, hint=(0, 0)))
    assert node.role.progress["b"].next_index == 5


def test_answer_of_an_earlier_term_of_office_counts_for_nothing():
    node = leader(term=4, log="1 2 4", commit=0)
    before = node.state
    assert of_type(node.receive("b", success(2, 3)), Send) == []
    assert node.state is before


def test_answer_to_a_leader_that_is_none_any_more_counts_for_nothing():
    node = follower(term=2, log="1 2")
    before = node.state
    assert node.receive("b", success(2, 2)) == []
    assert node.state is before


def test_stranger_is_not_counted():
    node = leader(term=2, log="1 2")
    before = node.state
    assert node.receive("x", success(2, 2)) == []
    assert node.state is before


def test_acknowledgement_of_what_the_leader_does_not_have_stops_it():
    node = leader(term=2, log="1 2")
    with pytest.raises(InvariantViolatedError, match="acknowledged index 3"):
        node.receive("b", success(2, 3))


def test_leader_tells_followers_of_a_new_commit_at_once():
    node = leader(term=2, log="1 2", match={"c": 2})
    node.storage.state = replace(node.state, commit_index=0)
    effects = node.receive("b", success(2, 2))
    assert effects == [
        send("b", append_entries(2, prev=(2, 2), commit=2)),
        send("c", append_entries(2, prev=(2, 2), commit=2)),
        Apply(2),
    ]
    assert of_type(node.receive("b", success(2, 2)), Send) == []


def test_heartbeat_beside_a_batch_does_not_count_as_telling_of_its_commit():
    """Its receiver commits no further than what it shows to agree; the rest would come late."""
    node = leader(term=2, log="1 2 2", match={"b": 2, "c": 2}, commit=2)
    (batch,) = messages_to(node.step(Tick(), now=NOW + HEARTBEAT), "b")
    assert len(batch.entries) == 1
    node.receive("c", success(2, 3, prev=2))
    (beside,) = messages_to(node.step(Tick(), now=NOW + 2 * HEARTBEAT), "b")
    assert (beside.prev_log_index, beside.entries, beside.leader_commit) == (2, (), 3)
    news = messages_to(node.receive("b", success(2, 3, prev=2)), "b")
    assert news == [append_entries(2, prev=(3, 2), commit=3)]


# -- §5.3, figure 2: the follower's end

LOG = "1 1 2"


def test_heartbeat_restarts_the_election_timer_and_names_the_leader():
    node = follower(term=2, log=LOG)
    assert node.receive("b", append_entries(2, prev=(3, 2)), now=NOW + 0.5) == [
        reply("b", success(2, 3, prev=3)),
        LeaderChanged("b", 2),
    ]
    assert node.role == Follower(NEXT_DEADLINE + 0.5, "b", NOW + 0.5)


def test_leader_of_an_older_term_is_refused_and_told_the_term():
    """1. Reply false if term < currentTerm (figure 2): a delayed message of a deposed leader."""
    node = follower(term=3, log=LOG, leader_id="c")
    before = node.state
    (answer,) = messages_to(node.receive("b", append_entries(2, prev=(3, 2), terms="2")), "b")
    assert (answer.term, answer.success) == (3, False)
    assert node.state is before
    assert node.terms == LOG


def test_entries_are_refused_where_the_log_ends_before_them():
    """2. Reply false if log doesn't contain an entry at prevLogIndex (figure 2)."""
    node = follower(term=2, log=LOG)
    effects = node.receive("b", append_entries(2, prev=(5, 2), terms="2"))
    assert effects[0] == reply("b", refusal(2, prev=5, hint=(3, 2)))
    assert node.terms == LOG


def test_entries_are_refused_where_the_log_holds_another_term_before_them():
    """2. ... whose term matches prevLogTerm (figure 2)."""
    node = follower(term=4, log="1 1 3")
    effects = node.receive("b", append_entries(4, prev=(3, 2), terms="4"))
    assert effects[0] == reply("b", refusal(4, prev=3, hint=(2, 1)))
    assert node.terms == "1 1 3"


def test_conflicting_entries_are_replaced_with_all_that_follow():
    """3. Delete an entry that conflicts with a new one, and all that follow (figure 2)."""
    node = follower(term=3, log="1 1 2 2 2", commit=2)
    effects = node.receive("b", append_entries(3, prev=(2, 1), terms="3"))
    assert effects[:2] == [Append(entries("3", 3)), reply("b", success(3, 3, prev=2))]
    assert node.terms == "1 1 3"
    assert (node.state.last_log_index, node.state.last_log_term) == (3, 3)


def test_only_entries_not_already_in_the_log_are_appended():
    """4. Append any new entries not already in the log (figure 2)."""
    node = follower(term=2, log=LOG)
    effects = node.receive("b", append_entries(2, prev=(1, 1), terms="1 2 2"))
    assert of_type(effects, Append) == [Append(entries("2", 4))]


def test_follower_keeps_entries_after_a_late_shorter_append():
    """What was acknowledged may be committed; only a conflict may cut the log (§5.3)."""
    node = follower(term=2, log="1 1 2 2")
    effects = node.receive("b", append_entries(2, prev=(1, 1), terms="1"))
    assert effects[0] == reply("b", success(2, 2, prev=1))
    assert node.terms == "1 1 2 2"


def test_append_that_arrives_twice_is_answered_twice_and_stored_once():
    """Raft RPCs are idempotent (§5.5)."""
    node = follower(term=2, log=LOG, leader_id="b")
    message = append_entries(2, prev=(3, 2), terms="2", commit=3)
    first, second = node.receive("b", message), node.receive("b", message)
    assert messages_to(first, "b") == messages_to(second, "b") == [success(2, 4, prev=3)]
    assert of_type(second, Append) == []


def test_commit_index_follows_the_leader_up_to_the_last_new_entry():
    """5. commitIndex = min(leaderCommit, index of last new entry) (figure 2)."""
    node = follower(term=2, log="1")
    effects = node.receive("b", append_entries(2, prev=(1, 1), terms="2 2", commit=2))
    assert node.state.commit_index == 2
    assert of_type(effects, Apply) == [Apply(2)]


def test_commit_index_never_passes_what_the_message_shows_to_agree():
    """The index of the last *new* entry: what follows in our log may be of another leader."""
    node = follower(term=4, log="1 1 3 3")
    node.receive("b", append_entries(4, prev=(2, 1), commit=4))
    assert node.state.commit_index == 2


def test_commit_index_never_falls():
    node = follower(term=2, log="1 1 2", commit=3)
    node.receive("b", append_entries(2, prev=(3, 2), commit=1))
    assert node.state.commit_index == 3


def test_entries_before_commit_index_agree_without_a_look():
    """Leader Completeness (§5.4.3): a late message must not fail on what is compacted here."""
    node = follower(term=2, log="1 1 2", commit=3, compacted=3)
    effects = node.receive("b", append_entries(2, prev=(0, 0), terms="1 1 2 2", commit=3))
    assert effects[:2] == [Append(entries("2", 4)), reply("b", success(2, 4))]


@pytest.mark.parametrize("index", [4, 9])
def test_entries_that_do_not_follow_on_the_one_before_are_never_stored(index):
    """Log Matching (§5.3) rests on consecutive entries; a peer that sends others is broken."""
    node = follower(term=2, log="1 1")
    broken = replace(append_entries(2, prev=(2, 1)), entries=(entry(index, 2),))
    with suppress(InvariantViolatedError):
        node.receive("b", broken)
    assert (node.state.last_log_index, node.terms) == (2, "1 1")


def test_follower_never_replaces_a_committed_entry():
    node = follower(term=9, log="1 1 2", commit=3)
    node.receive("b", append_entries(9, prev=(2, 1), terms="9"))
    assert node.terms == "1 1 2"


def test_hint_skips_a_whole_term():
    """The protocol can be optimized to reduce rejected AppendEntries (§5.3)."""
    node = follower(term=4, log="1 2 2 2 2 2")
    effects = node.receive("b", append_entries(4, prev=(6, 1), terms="4"))
    assert messages_to(effects, "b") == [refusal(4, prev=6, hint=(1, 1))]


def test_second_leader_of_a_term_stops_the_node():
    """Election Safety (figure 3): it cannot be; if it is, nothing may be built on it."""
    node = leader(term=2, log="1 2")
    with pytest.raises(InvariantViolatedError, match="lead term 2"):
        node.receive("b", append_entries(2, prev=(2, 2)))


def test_steps_repeat_byte_for_byte():
    """The same state, event, time and jitter give the same result (DESIGN §4)."""
    results = []
    for _ in range(2):
        node = leader(term=2, log="1 2 2", match={"b": 1})
        results.append((repr(node.step(propose(b"x"))), repr(node.state)))
    assert results[0] == results[1]
