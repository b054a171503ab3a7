"""One step in the making: the state so far and the effects so far.

Seen from outside a step is a pure function; inside, the rules work on one `Turn`, so that each
of them sees what those before it did (an entry appended in this turn can be sent in it). What may
*not* live here: rules of the paper. `Turn` only keeps the state consistent with the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..exceptions import InvariantViolatedError
from .configuration import Configuration
from .effects import Append, Effect, Reply, Send
from .log import Entry, LogView
from .messages import Envelope, Message, Request, Response
from .settings import RaftSettings
from .state import Leader, NodeState, Progress, Role

NO_INDEX = -1


class Turn:
    """What one step works on. It is thrown away when the step ends."""

    __slots__ = (
        "appended",
        "effects",
        "jitter",
        "log",
        "now",
        "request",
        "settings",
        "state",
        "tail_index",
        "tail_term",
    )

    def __init__(
        self, state: NodeState, log: LogView, settings: RaftSettings, now: float, jitter: float
    ) -> None:
        self.state = state
        self.log = log
        self.settings = settings
        self.now = now
        self.jitter = jitter
        self.request: Envelope | None = None
        """What is being answered, if this turn began with a peer's request."""
        self.effects: list[Effect] = []
        self.appended: tuple[Entry, ...] = ()
        self.tail_index = state.last_log_index
        self.tail_term = state.last_log_term
        """Where the stored log ended, and still does unless `append` replaces it."""

    # -- the state

    def update(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)

    def set_role(self, role: Role) -> None:
        """Change the role, or what is known in it."""
        self.state = replace(self.state, role=role)

    @property
    def leader(self) -> Leader:
        """The role of a node that is known to lead."""
        role = self.state.role
        if not isinstance(role, Leader):
            raise InvariantViolatedError(
                f"Node {self.state.node_id} acted as leader without being it."
            )
        return role

    def set_progress(self, node_id: str, progress: Progress) -> None:
        """Change what the leader knows of one peer."""
        role = self.leader
        self.set_role(replace(role, progress={**role.progress, node_id: progress}))

    # -- time: for liveness only

    def is_running(self, deadline: float, length: float) -> bool:
        """Whether a wait of at most `length` seconds goes on.

        A deadline further away than its own length was set by a clock that has since been put
        back; it must not postpone anything.
        """
        return self.now < deadline <= self.now + length

    def is_recent(self, instant: float | None) -> bool:
        """Whether that was less than an election timeout ago.

        A clock put back by less than that makes no difference; by more, the instant is unknown.
        """
        if instant is None:
            return False
        return abs(self.now - instant) < self.settings.election_timeout_seconds

    def next_election_deadline(self) -> float:
        """A randomised timeout from now (Raft §5.2): once to twice the least one."""
        return self.now + self.settings.election_timeout_seconds * (1 + self.jitter)

    # -- the log, as it will be once this turn is stored

    def term_at(self, index: int) -> int | None:
        """The term of the entry at `index`; None when compacted away or past the end."""
        if index == self.state.last_log_index:
            return self.state.last_log_term
        if index > self.state.last_log_index:
            return None
        if self.appended and index >= self.appended[0].index:
            return self.appended[index - self.appended[0].index].term
        if index == self.tail_index:
            return self.tail_term
        return self.log.term_at(index)

    def entries_from(self, start: int) -> tuple[Entry, ...]:
        """The next batch from `start`, within the limits on entries and bytes."""
        if start > self.state.last_log_index:
            return ()
        most = self.settings.max_batch_entries
        if not self.appended or start < self.appended[0].index:
            found = self.log.entries(
                start, max_entries=most, max_bytes=self.settings.max_batch_bytes
            )
            if self.appended:
                found = [entry for entry in found if entry.index < self.appended[0].index]
            return tuple(found)
        pending = self.appended[start - self.appended[0].index :]
        return within_bounds(pending, most, self.settings.max_batch_bytes)

    def append(self, entries: Sequence[Entry]) -> None:
        """Store entries after what they follow on; whatever stood at or after them is replaced."""
        first = entries[0].index
        own_last = self.appended[-1].index if self.appended else 0
        if first <= max(self.state.commit_index, own_last):
            raise InvariantViolatedError(
                f"Entry {first} would replace one that stands (commit_index is "
                f"{self.state.commit_index}, just appended: {own_last})."
            )
        if first > self.state.last_log_index + 1:
            raise InvariantViolatedError(
                f"Entry {first} does not follow on the last one, {self.state.last_log_index}."
            )
        configuration = self.state.configuration
        previous = self.state.previous_configuration
        if configuration.index >= first:
            configuration = previous
        for entry in entries:
            if entry.configuration is not None:
                previous, configuration = configuration, entry.configuration
        if first <= self.tail_index:
            self.tail_index = NO_INDEX
        self.appended = (*self.appended, *entries)
        self.effects.append(Append(tuple(entries)))
        self.update(
            last_log_index=entries[-1].index,
            last_log_term=entries[-1].term,
            configuration=configuration,
            previous_configuration=previous,
        )

    def configuration_at(self, index: int) -> Configuration | None:
        """The configuration as of `index`, or None if that is older than the two kept."""
        for configuration in (self.state.configuration, self.state.previous_configuration):
            if configuration.index <= index:
                return configuration
        return None

    # -- the peers

    def peers(self) -> list[str]:
        """Every other member of the configuration that counts."""
        return [each for each in self.state.configuration.by_id if each != self.state.node_id]

    def send(self, recipient: str, message: Request) -> None:
        """Ask a peer, as the members know it, once this turn is stored."""
        member = self.state.configuration.by_id.get(recipient)
        incarnation = member.incarnation if member else ""
        self.effects.append(Send(self._envelope(recipient, incarnation, message)))

    def reply(self, message: Response) -> None:
        """Answer the request, once this turn is stored.

        The answer goes to whoever asked, by its own word: what we know of the members may be old.
        """
        if self.request is None:
            raise InvariantViolatedError("There is no request to answer.")
        recipient, incarnation = self.request.sender, self.request.sender_incarnation
        self.effects.append(Reply(self._envelope(recipient, incarnation, message)))

    def _envelope(self, recipient: str, incarnation: str, message: Message) -> Envelope:
        return Envelope(
            sender=self.state.node_id,
            sender_incarnation=self.state.incarnation,
            recipient=recipient,
            recipient_incarnation=incarnation,
            version=self.state.version,
            message=message,
            generation=self._generation(),
        )

    def _generation(self) -> str:
        if self.request is not None and self.state.configuration.is_unknown:
            return self.request.generation
        return self.state.configuration.generation


def within_bounds(entries: Sequence[Entry], max_entries: int, max_bytes: int) -> tuple[Entry, ...]:
    """The longest prefix within both bounds, but at least one entry if there is one."""
    size = 0
    for count, entry in enumerate(entries[:max_entries]):
        size += entry.size_bytes
        if size > max_bytes and count > 0:
            return tuple(entries[:count])
    return tuple(entries[:max_entries])
