"""Snapshots and compaction (Raft §7, figure 13), both ends of InstallSnapshot.

A snapshot travels in chunks. The receiver says which byte it wants next, so a lost chunk costs
one chunk, and a new leader that holds the same snapshot (same place, same digest) goes on where
the old one stopped. What may *not* live here: its bytes, which are the state machine's affair.
"""

from __future__ import annotations

from dataclasses import replace

from ..exceptions import InvariantViolatedError
from .commit import follow_commit_index
from .effects import Compact, Restore, StoreChunk
from .events import Applied
from .messages import InstallSnapshot, InstallSnapshotResponse
from .roles import accept_leader
from .state import IncomingSnapshot, Leader, Progress, SnapshotTransfer
from .turn import Turn

# -- compaction


def note_applied(turn: Turn, event: Applied) -> None:
    """Move last_applied, and compact the log when enough has been applied since the last time."""
    state = turn.state
    if not state.last_applied <= event.index <= state.commit_index:
        raise InvariantViolatedError(
            f"Applied through {event.index}, outside {state.last_applied}..{state.commit_index}."
        )
    applied_bytes = state.unsnapshotted_bytes + event.size_bytes
    turn.update(last_applied=event.index, unsnapshotted_bytes=applied_bytes)
    due = (
        event.index - state.snapshot_index >= turn.settings.snapshot_entries
        or applied_bytes >= turn.settings.snapshot_bytes
    )
    if due and not _sends_snapshot(turn):
        take_snapshot(turn)


def take_snapshot(turn: Turn) -> None:
    """Compact the log up to what is applied, but keep a tail for followers that lag a little."""
    state = turn.state
    index = state.last_applied
    configuration, term = turn.configuration_at(index), turn.term_at(index)
    if index <= state.snapshot_index or configuration is None or term is None:
        return
    keep_from = max(1, index - turn.settings.trailing_entries + 1)
    turn.effects.append(Compact(index, term, configuration, keep_from))
    turn.update(snapshot_index=index, unsnapshotted_bytes=0)


def _sends_snapshot(turn: Turn) -> bool:
    """Whether a live peer is receiving the present snapshot, which a new one would take away."""
    role = turn.state.role
    return isinstance(role, Leader) and any(
        progress.snapshot is not None and turn.is_recent(progress.contact_at)
        for progress in role.progress.values()
    )


# -- the leader's end


def send_chunk(turn: Turn, peer: str, progress: Progress) -> None:
    """Send the next chunk to a peer that needs entries which are compacted away here."""
    meta = turn.log.snapshot
    if meta is None:
        raise InvariantViolatedError("The log is compacted, but there is no snapshot.")
    transfer = progress.snapshot
    if transfer is None or transfer.meta != meta:
        transfer = SnapshotTransfer(meta)
    data = turn.log.snapshot_chunk(transfer.offset, turn.settings.snapshot_chunk_bytes)
    turn.send(peer, InstallSnapshot(turn.state.current_term, meta, transfer.offset, data))
    deadline = turn.now + turn.settings.append_retry_seconds
    turn.set_progress(peer, replace(progress, snapshot=transfer, awaiting_deadline=deadline))


def handle_install_snapshot_response(
    turn: Turn, sender: str, message: InstallSnapshotResponse
) -> None:
    """Go on at the byte the peer wants, or with the log behind the snapshot."""
    progress = replace(turn.leader.progress[sender], contact_at=turn.now)
    transfer = progress.snapshot
    if message.installed:
        match_index = max(progress.match_index, message.last_included_index)
        next_index = max(progress.next_index, match_index + 1)
        progress = replace(
            progress,
            match_index=match_index,
            next_index=next_index,
            snapshot=None,
            awaiting_deadline=0.0,
        )
    elif transfer is not None and message.digest == transfer.meta.digest:
        transfer = replace(transfer, offset=message.next_offset)
        progress = replace(progress, snapshot=transfer, awaiting_deadline=0.0)
    turn.set_progress(sender, progress)


# -- the follower's end


def handle_install_snapshot(turn: Turn, sender: str, message: InstallSnapshot) -> None:
    """Store a chunk; once the snapshot is whole, it replaces log and values (figure 13)."""
    if not accept_leader(turn, sender, message.term):
        _answer(turn, message, next_offset=0)
        return
    meta = message.meta
    if _is_known(turn, message):
        # Rule 6: what follows in our log agrees, and is kept. An old snapshot changes nothing.
        follow_commit_index(turn, meta.last_included_index)
        _drop_incoming(turn)
        _answer(turn, message, next_offset=meta.size_bytes, installed=True)
        return
    incoming = turn.state.incoming
    if incoming is None or incoming.meta != meta:
        incoming = IncomingSnapshot(meta)
    if message.offset == incoming.offset:
        turn.effects.append(StoreChunk(message.offset, message.data))
        incoming = replace(incoming, offset=message.offset + len(message.data))
        if message.done:
            _install(turn, message)
            _answer(turn, message, next_offset=meta.size_bytes, installed=True)
            return
    turn.update(incoming=incoming)
    _answer(turn, message, next_offset=incoming.offset)


def _drop_incoming(turn: Turn) -> None:
    """Forget a snapshot under way that brings nothing any more; a newer one goes on."""
    incoming = turn.state.incoming
    if incoming and incoming.meta.last_included_index <= turn.state.commit_index:
        turn.update(incoming=None)


def _is_known(turn: Turn, message: InstallSnapshot) -> bool:
    meta = message.meta
    if meta.last_included_index <= turn.state.commit_index:
        return True
    return turn.term_at(meta.last_included_index) == meta.last_included_term


def _install(turn: Turn, message: InstallSnapshot) -> None:
    """Rules 7 and 8: discard the whole log, take values and members from the snapshot."""
    meta = message.meta
    turn.effects.append(Restore(meta))
    turn.update(
        last_log_index=meta.last_included_index,
        last_log_term=meta.last_included_term,
        commit_index=meta.last_included_index,
        last_applied=meta.last_included_index,
        configuration=meta.configuration,
        previous_configuration=meta.configuration,
        snapshot_index=meta.last_included_index,
        unsnapshotted_bytes=0,
        incoming=None,
    )


def _answer(
    turn: Turn,
    message: InstallSnapshot,
    *,
    next_offset: int,
    installed: bool = False,
) -> None:
    turn.reply(
        InstallSnapshotResponse(
            term=turn.state.current_term,
            last_included_index=message.meta.last_included_index,
            digest=message.meta.digest,
            next_offset=next_offset,
            installed=installed,
        ),
    )
