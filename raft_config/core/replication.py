"""Replication of the log (Raft §5.3), both ends of AppendEntries.

A peer has one batch on its way at a time; what is proposed meanwhile goes together in the next
one. A heartbeat does not wait for that. What may *not* live here: when an index is committed
(`commit`), and how a snapshot travels (`snapshot`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..exceptions import InvariantViolatedError
from .commit import follow_commit_index
from .effects import Accepted, Refusal, Refused
from .events import Propose
from .log import Entry
from .messages import AppendEntries, AppendEntriesResponse
from .roles import accept_leader
from .snapshot import send_chunk
from .state import Leader, Progress
from .turn import Turn


def propose(turn: Turn, event: Propose) -> None:
    """Append commands as leader, or say why not; what is refused is certainly not stored."""
    refusal = _refusal_of(turn, event)
    if refusal is not None:
        turn.effects.append(Refused(refusal, turn.state.leader_id))
        return
    state = turn.state
    first = state.last_log_index + 1
    turn.append(
        [
            Entry(index=first + offset, term=state.current_term, command=command)
            for offset, command in enumerate(event.commands)
        ]
    )
    turn.effects.append(Accepted(first, state.current_term))


def _refusal_of(turn: Turn, event: Propose) -> Refusal | None:
    state, limits = turn.state, turn.settings
    if not isinstance(state.role, Leader):
        return Refusal.NOT_LEADER
    if state.role.transfer is not None:
        return Refusal.TRANSFERRING
    if event.version > state.configuration.agreed_version:
        return Refusal.UNSUPPORTED
    if any(len(command) > limits.max_command_bytes for command in event.commands):
        return Refusal.TOO_LARGE
    waiting = state.last_log_index - state.commit_index
    if waiting + len(event.commands) > limits.max_uncommitted_entries:
        return Refusal.OVERLOADED
    return None if event.commands else Refusal.EMPTY


# -- the leader's end


def replicate(turn: Turn) -> None:
    """Send each peer what it lacks: entries, or the news of a commit."""
    state = turn.state
    for peer, progress in turn.leader.progress.items():
        lacks_entries = progress.next_index <= state.last_log_index
        is_due = lacks_entries or progress.sent_commit < state.commit_index
        if is_due and _is_ready(turn, progress):
            _send_append(turn, peer, progress)


def send_heartbeats(turn: Turn) -> None:
    """Tell every peer that this leader is there, and resend what was not answered in time."""
    if not turn.leader.progress:
        return
    for peer, progress in turn.leader.progress.items():
        _send_append(turn, peer, progress)
    interval = turn.settings.heartbeat_interval_seconds
    turn.set_role(replace(turn.leader, heartbeat_deadline=turn.now + interval))


def _is_ready(turn: Turn, progress: Progress) -> bool:
    """Whether to send entries or a chunk: none is on its way, and somebody is there to read."""
    retry = turn.settings.append_retry_seconds
    awaits_answer = turn.is_running(progress.awaiting_deadline, retry)
    return turn.is_recent(progress.contact_at) and not awaits_answer


def _send_append(turn: Turn, peer: str, progress: Progress) -> None:
    """Send what comes next to a peer that is ready for it, to any other just a heartbeat."""
    is_ready = _is_ready(turn, progress)
    prev_log_index = progress.next_index - 1
    prev_log_term = turn.term_at(prev_log_index)
    if prev_log_term is None and is_ready:
        send_chunk(turn, peer, progress)
        return
    if prev_log_term is None:
        # What precedes is compacted here. Index 0 matches every log, and promises nothing.
        prev_log_index, prev_log_term = 0, 0
    state, role = turn.state, turn.leader
    entries = turn.entries_from(progress.next_index) if is_ready else ()
    turn.send(
        peer,
        AppendEntries(
            term=state.current_term,
            prev_log_index=prev_log_index,
            prev_log_term=prev_log_term,
            entries=entries,
            leader_commit=state.commit_index,
            read_id=role.reads[-1].read_id if role.reads else "",
        ),
    )
    # A peer commits no further than the message vouches for its log; the rest is news to come.
    told = min(state.commit_index, prev_log_index + len(entries))
    if entries:
        deadline = turn.now + turn.settings.append_retry_seconds
        progress = replace(progress, awaiting_deadline=deadline, snapshot=None)
    turn.set_progress(peer, replace(progress, sent_commit=max(progress.sent_commit, told)))


def handle_append_entries_response(turn: Turn, sender: str, message: AppendEntriesResponse) -> None:
    """Learn how far a peer's log agrees: match_index rises, next_index finds its place (§5.3)."""
    progress = turn.leader.progress[sender]
    if message.match_index > turn.state.last_log_index:
        raise InvariantViolatedError(
            f"Node {sender} acknowledged index {message.match_index}, "
            f"past the leader's last, {turn.state.last_log_index}."
        )
    match_index, next_index = progress.match_index, progress.next_index
    if message.success:
        match_index = max(match_index, message.match_index)
        next_index = max(next_index, match_index + 1)
    elif message.prev_log_index == next_index - 1:  # else: a late refusal, of another request
        agreed, _ = _floor_of_term(turn, message.hint_index, message.hint_term)
        next_index = max(match_index, min(agreed, message.hint_index, next_index - 2)) + 1
    has_moved = (match_index, next_index) != (progress.match_index, progress.next_index)
    turn.set_progress(
        sender,
        replace(
            progress,
            match_index=match_index,
            next_index=next_index,
            contact_at=turn.now,
            awaiting_deadline=0.0 if has_moved else progress.awaiting_deadline,
        ),
    )


# -- the follower's end


def handle_append_entries(turn: Turn, sender: str, message: AppendEntries) -> None:
    """Store what follows on our log, and say how far it now agrees with the leader's (§5.3)."""
    if not accept_leader(turn, sender, message.term):
        turn.reply(_refusal(turn, message))
        return
    prev_log_index = message.prev_log_index
    if not _agrees_at(turn, prev_log_index, message.prev_log_term):
        turn.reply(_refusal(turn, message))
        return
    new_entries = _without_known(turn, message.entries)
    if new_entries:
        turn.append(new_entries)
    # What we hold past the leader's last entry is not known to agree: it must not be committed.
    last_new_index = prev_log_index + len(message.entries)
    follow_commit_index(turn, min(message.leader_commit, last_new_index))
    turn.reply(
        AppendEntriesResponse(
            term=turn.state.current_term,
            success=True,
            # The leader holds all that is committed here, even what it did not send.
            match_index=max(last_new_index, turn.state.commit_index),
            prev_log_index=message.prev_log_index,
            read_id=message.read_id,
        ),
    )


def _agrees_at(turn: Turn, index: int, term: int) -> bool:
    # What is committed here is in every later leader's log (Leader Completeness, §5.4.3).
    return index <= turn.state.commit_index or turn.term_at(index) == term


def _without_known(turn: Turn, entries: Sequence[Entry]) -> Sequence[Entry]:
    """What is left from the first entry that we lack, or hold with another term.

    A late, shorter AppendEntries must not cut entries already acknowledged (§5.3).
    """
    for position, entry in enumerate(entries):
        is_known = entry.index <= turn.state.commit_index or turn.term_at(entry.index) == entry.term
        if not is_known:
            return entries[position:]
    return ()


def _refusal(turn: Turn, message: AppendEntries) -> AppendEntriesResponse:
    hint_index, hint_term = _floor_of_term(turn, message.prev_log_index, message.prev_log_term)
    return AppendEntriesResponse(
        term=turn.state.current_term,
        success=False,
        prev_log_index=message.prev_log_index,
        hint_index=hint_index,
        hint_term=hint_term,
    )


def _floor_of_term(turn: Turn, index: int, term: int) -> tuple[int, int]:
    """The last place at or below `index` that could agree with a log of entries up to `term`."""
    state = turn.state
    if state.last_log_index <= index and state.last_log_term <= term:
        return state.last_log_index, state.last_log_term
    return turn.log.floor_of_term(min(index, state.last_log_index), term)
