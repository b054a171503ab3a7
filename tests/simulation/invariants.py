"""What must hold after every step, whatever happens (DESIGN §7; Raft figure 3).

Each check looks at one step of one node, before and after, against what the whole world has done
so far; so all of them together cost about as much as the step itself. What each node has on disk
is mirrored here from the effects, independently of the storage under test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raft_config.core.configuration import Configuration
from raft_config.core.effects import Append, Effect, ReadConfirmed, Restore
from raft_config.core.events import Event, Receive
from raft_config.core.log import Entry
from raft_config.core.messages import (
    AppendEntries,
    AppendEntriesResponse,
    Envelope,
    InstallSnapshotResponse,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)
from raft_config.core.state import Follower, Leader, NodeState, PreCandidate
from raft_config.memory import MemoryNode


class BrokenInvariantError(AssertionError):
    """The world has seen something that Raft promises never happens."""


def require(condition: bool, what: str, *facts: object) -> None:
    """Raise unless the condition holds."""
    if not condition:
        raise BrokenInvariantError(f"{what}: " + ", ".join(str(fact) for fact in facts))


class Invariants:
    """The memory of a whole world."""

    def __init__(self) -> None:
        self.leaders: dict[int, str] = {}
        self.votes: dict[tuple[str, str, int], str] = {}
        self.entries: dict[tuple[int, int], tuple[Entry, int]] = {}
        self.committed: dict[int, Entry] = {}
        self.commit_terms: dict[int, int] = {}
        """The term of the leader that committed an index, which may be above the entry's own."""
        self.last_committed = 0
        self.results: dict[int, Any] = {}
        self.terms: dict[str, list[int]] = {}
        """Per node the terms of its log by index, from 0; compacted ones included."""
        self.former_terms: dict[str, list[int]] = {}
        """The same of the database that a wiped node had; its acknowledgements were true."""

    def add_node(self, node: MemoryNode) -> None:
        """A node appears with an empty database."""
        self.former_terms[node.node_id] = self.terms.get(node.node_id, [])
        self.terms[node.node_id] = [0]

    def check(
        self,
        node: MemoryNode,
        event: Event,
        before: NodeState,
        effects: Sequence[Effect],
        disks: Mapping[str, MemoryNode],
    ) -> None:
        """Check one step that `node` has made and saved."""
        after = node.state
        self._check_vote(before, after)
        if before.is_leader or after.is_leader:
            self._check_leader(node, before, after)
        if effects:
            self._check_effects(node, before, after, effects)
        require(
            after.snapshot_index
            <= after.last_applied
            <= after.commit_index
            <= after.last_log_index,
            "Indexes out of order",
            after,
        )
        is_kept_back = after.drained or not after.may_lead
        require(
            isinstance(after.role, Follower) or not is_kept_back,
            "A node campaigns or leads that must not",
            after,
        )
        require(after.commit_index >= before.commit_index, "commit_index fell", before, after)
        if after.commit_index > before.commit_index:
            self._check_commit(node, before, after, disks)
        if after.last_applied > before.last_applied:
            self._check_results(node, before, after)
        if isinstance(event, Receive) and isinstance(event.envelope.message, RequestPreVote):
            same = (before.current_term, before.voted_for) == (after.current_term, after.voted_for)
            require(same, "A pre-vote changed a term or a vote", before, after)

    def check_crash(self, before: NodeState, after: NodeState) -> None:
        """What a promise rested on must have survived."""
        kept = ("current_term", "voted_for", "last_log_index", "last_log_term", "snapshot_index")
        for name in kept:
            was, now = getattr(before, name), getattr(after, name)
            require(was == now, f"A crash changed {name}", after.node_id, was, now)
        require(before.configuration == after.configuration, "A crash changed the members", after)

    def check_sent(self, node: MemoryNode, envelope: Envelope) -> None:
        """A message must not say more than what is durable where it comes from."""
        durable, message = node.storage.durable_state, envelope.message
        term = getattr(message, "term", 0)
        require(durable.current_term >= term, "Sent before its term was saved", envelope)
        if isinstance(message, RequestVoteResponse) and message.vote_granted:
            saved = (durable.current_term, durable.voted_for)
            require(saved == (term, envelope.recipient), "Sent before the vote was saved", envelope)
        elif isinstance(message, RequestVote):
            saved = (durable.current_term, durable.voted_for)
            require(saved == (term, node.node_id), "Sent before the own vote was saved", envelope)
        elif isinstance(message, AppendEntriesResponse) and message.success:
            stored = durable.last_log_index >= message.match_index
            require(stored, "Acknowledged before entries were saved", envelope)
        elif isinstance(message, AppendEntries) and message.entries:
            stored = durable.last_log_index >= message.entries[-1].index
            require(stored, "Sent before the entries were saved", envelope)
        elif isinstance(message, InstallSnapshotResponse) and message.installed:
            stored = durable.last_log_index >= message.last_included_index
            require(stored, "Acknowledged before the snapshot was saved", envelope)

    def check_acknowledged(self, index: int) -> None:
        """A client was told that its write is done."""
        require(index <= self.last_committed, "Acknowledged, but not committed", index)

    # -- one rule each

    def _check_vote(self, before: NodeState, after: NodeState) -> None:
        same = (after.current_term, after.voted_for) == (before.current_term, before.voted_for)
        if same and (isinstance(after.role, PreCandidate) or after.role is before.role):
            return
        require(after.current_term >= before.current_term, "The term fell", before, after)
        if after.voted_for is not None:
            key = (after.node_id, after.incarnation, after.current_term)
            first = self.votes.setdefault(key, after.voted_for)
            require(first == after.voted_for, "Two votes in one term", key, first, after.voted_for)

    def _check_leader(self, node: MemoryNode, before: NodeState, after: NodeState) -> None:
        if not after.is_leader:
            return
        leader = self.leaders.setdefault(after.current_term, node.node_id)
        require(
            leader == node.node_id, "Two leaders in term", after.current_term, leader, node.node_id
        )
        if not before.is_leader:
            self._check_completeness(node.node_id, after.current_term)

    def _check_completeness(self, node_id: str, term: int) -> None:
        """What was committed in a term is in the log of every leader of a later one (§5.4.3)."""
        index = self.last_committed
        while index and self.commit_terms[index] >= term:
            index -= 1  # the leader of an older term may show itself late
        terms = self.terms[node_id]
        has_all = not index or (index < len(terms) and terms[index] == self.committed[index].term)
        require(has_all, "A leader lacks a committed entry", node_id, term, index)

    def _check_effects(
        self, node: MemoryNode, before: NodeState, after: NodeState, effects: Sequence[Effect]
    ) -> None:
        for effect in effects:
            if isinstance(effect, Append):
                self._check_append(node, before, after, effect.entries)
            elif isinstance(effect, Restore):
                self._check_restore(node, before, effect)
            elif isinstance(effect, ReadConfirmed) and isinstance(after.role, Leader):
                # They are counted: so it must be the first ones that are taken off the list.
                waits = effect.read_id in {read.read_id for read in after.role.reads}
                require(not waits, "A read was confirmed before an earlier one", effect)

    def _check_append(
        self, node: MemoryNode, before: NodeState, after: NodeState, entries: Sequence[Entry]
    ) -> None:
        terms = self.terms[node.node_id]
        first = entries[0].index
        require(first <= len(terms), "A hole in the log", node.node_id, first, len(terms))
        if first < len(terms):
            require(first > before.commit_index, "Truncated what is committed", node.node_id, first)
            require(
                terms[first] != entries[0].term, "Truncated without a conflict", node.node_id, first
            )
            leads_on = before.is_leader and after.current_term == before.current_term
            require(not leads_on, "A leader overwrote its log", node.node_id, first)
            del terms[first:]
        for entry in entries:
            self._check_entry(entry, terms[-1])
            terms.append(entry.term)
            if entry.configuration is not None and isinstance(after.role, Leader):
                self._check_change(before, after, entry)

    def _check_entry(self, entry: Entry, prev_term: int) -> None:
        """Log Matching: an index and a term determine the entry, and by induction all before it."""
        key = (entry.index, entry.term)
        known = self.entries.setdefault(key, (entry, prev_term))
        if known[0] is not entry or known[1] != prev_term:
            require(known == (entry, prev_term), "Two entries at one index and term", known, entry)

    def _check_change(self, before: NodeState, after: NodeState, entry: Entry) -> None:
        if before.configuration.index == 0 or entry.configuration is None:
            return
        role = after.role
        assert isinstance(role, Leader)
        is_settled = max(before.configuration.index, role.first_index) <= after.commit_index
        require(is_settled, "A change of members before the last one was committed", after)
        changed = _voters(before.configuration) ^ _voters(entry.configuration)
        require(len(changed) <= 1, "Two voters changed at once", changed)

    def _check_restore(self, node: MemoryNode, before: NodeState, effect: Restore) -> None:
        meta = effect.meta
        index = meta.last_included_index
        require(index > before.commit_index, "An old snapshot was installed", node.node_id, meta)
        require(index <= self.last_committed, "A snapshot of what is not committed", meta)
        # By Log Matching what precedes a committed entry is the same everywhere.
        self.terms[node.node_id] = [0, *(self.committed[i].term for i in range(1, index + 1))]

    def _check_commit(
        self, node: MemoryNode, before: NodeState, after: NodeState, disks: Mapping[str, MemoryNode]
    ) -> None:
        terms = self.terms[node.node_id]
        for index in range(before.commit_index + 1, after.commit_index + 1):
            known = self.committed.get(index)
            if known is None:
                leads = before.is_leader or after.is_leader
                require(leads, "A follower committed what no leader did", after, index)
                self.committed[index] = self.entries[index, terms[index]][0]
                self.commit_terms[index] = (after if after.is_leader else before).current_term
            else:
                require(known.term == terms[index], "Two entries committed at", index, known, after)
        if after.commit_index > self.last_committed:
            self.last_committed = after.commit_index
            self._check_majority(before, after, disks)

    def _check_majority(
        self, before: NodeState, after: NodeState, disks: Mapping[str, MemoryNode]
    ) -> None:
        index, term = after.commit_index, after.current_term
        require(
            self.terms[after.node_id][index] == term, "Committed by counting an older term", after
        )
        holders = [
            node_id
            for node_id in disks
            for terms in (self.terms[node_id], self.former_terms[node_id])
            if index < len(terms) and terms[index] == term
        ]
        # A leader may append a new configuration in the very step that commits under the old one.
        is_stored = any(
            2 * len(voters.intersection(holders)) > len(voters)
            for voters in (_voters(before.configuration), _voters(after.configuration))
        )
        require(is_stored, "Committed without a majority", after, holders)

    def _check_results(self, node: MemoryNode, before: NodeState, after: NodeState) -> None:
        for index in range(before.last_applied + 1, after.last_applied + 1):
            if index in node.storage.results:
                result = node.storage.results[index]
                first = self.results.setdefault(index, result)
                require(
                    first == result, "Nodes applied differently", node.node_id, index, first, result
                )


def _voters(configuration: Configuration) -> set[str]:
    """Counted here, not taken from the code under test."""
    return {member.node_id for member in configuration.members if member.voter}
