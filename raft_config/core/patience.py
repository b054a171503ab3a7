"""What may wait a moment for company, because nobody waits for it.

To send or to step such a message late, or never, is what networks do to messages anyway: nothing
here can make a step unsafe. What a mistake would cost is time.
"""

from __future__ import annotations

from .messages import AppendEntries, AppendEntriesResponse, Message
from .state import NodeState


def may_be_sent_later(message: Message) -> bool:
    """Whether it is a heartbeat or the news of a commit, and no read waits for its answer."""
    return isinstance(message, AppendEntries) and not message.entries and not message.read_id


def takes_place_of(message: Message, earlier: Message) -> bool:
    """Whether a peer that receives the one learns nothing more from the other."""
    return (
        isinstance(message, AppendEntries)
        and isinstance(earlier, AppendEntries)
        and may_be_sent_later(earlier)
        and message.term == earlier.term
        and message.prev_log_index >= earlier.prev_log_index
        and message.leader_commit >= earlier.leader_commit
    )


def may_be_stepped_later(message: Message, state: NodeState) -> bool:
    """Whether a leader in this state learns from it just that one more peer has everything."""
    return (
        isinstance(message, AppendEntriesResponse)
        and state.is_leader
        and message.success
        and not message.read_id
        and message.term == state.current_term
        and message.match_index >= state.last_log_index == state.commit_index
    )
