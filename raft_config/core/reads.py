"""Linearizable reads without the log: ReadIndex (thesis §6.4).

The leader notes an index, then proves by a round of heartbeats, begun after the read arrived,
that it still leads; what is applied through that index answers the read.

The index is the *last* one of the leader's log, not commit_index: that may be lost by a power cut
while leadership is not, so it could stand below a write that was already acknowledged. The last
index never does; and as the log of a leader holds its own no-op, reaching it includes the first
commit of the term that the thesis asks for.

Reads are counted, because the process that waits for one may not be the one that steps the answer
which completes its round: it looks at `Leader.confirmed_reads`.
"""

from __future__ import annotations

from dataclasses import replace

from .effects import ReadConfirmed, Refusal, Refused
from .events import Read
from .replication import send_heartbeats
from .state import Leader, PendingRead
from .turn import Turn


def request_read(turn: Turn, event: Read) -> None:
    """Begin a round for this read; it never joins one that is under way."""
    role = turn.state.role
    if not isinstance(role, Leader):
        turn.effects.append(Refused(Refusal.NOT_LEADER, turn.state.leader_id))
        return
    if len(role.reads) >= turn.settings.max_pending_reads:
        turn.effects.append(Refused(Refusal.OVERLOADED, turn.state.node_id))
        return
    itself = frozenset({turn.state.node_id})
    read = PendingRead(event.read_id, turn.state.last_log_index, acknowledged_by=itself)
    turn.set_role(replace(role, reads=(*role.reads, read)))
    send_heartbeats(turn)
    _confirm(turn)


def acknowledge_read(turn: Turn, sender: str, read_id: str) -> None:
    """A peer answered the round of this read: it also counts for the reads that began before."""
    role = turn.leader
    read_ids = [read.read_id for read in role.reads]
    if read_id not in read_ids:
        return
    covered = read_ids.index(read_id) + 1
    acknowledged = tuple(
        replace(read, acknowledged_by=read.acknowledged_by | {sender})
        for read in role.reads[:covered]
    )
    turn.set_role(replace(role, reads=acknowledged + role.reads[covered:]))
    _confirm(turn)


def _confirm(turn: Turn) -> None:
    role = turn.leader
    configuration = turn.state.configuration
    # Whoever has answered the round of a read has answered those before it: they come in order.
    confirmed = [read for read in role.reads if configuration.is_majority(read.acknowledged_by)]
    if not confirmed:
        return
    turn.effects.extend(ReadConfirmed(read.read_id, read.index) for read in confirmed)
    count = len(confirmed)
    role = replace(role, reads=role.reads[count:], confirmed_reads=role.confirmed_reads + count)
    turn.set_role(role)
