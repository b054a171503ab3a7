"""A node at work, which writes down what it promises at the moment when the promise goes out.

    python -m tests.power.child work --folder FOLDER --steps 200 --seed 1 [--mutant NAME]

Run below `shim.c`, the promises stand in one journal with the writes to the database, in order. As
follower it takes entries, conflicting ones, snapshots and requests for votes of made-up leaders; as
leader it is asked for changes. After each event a digest of all its tables is written down, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path

from django.db import DatabaseError, close_old_connections, connections

from raft_config.core import messages
from raft_config.core.events import ChangeAddress, Propose, TakeSnapshot
from raft_config.core.log import Entry, SnapshotMeta
from raft_config.core.messages import Envelope
from raft_config.memory import MemoryStateMachine
from raft_config.operations.findings import Level
from raft_config.operations.verify import check
from raft_config.state_machine import Command, encode_command
from raft_config.storage.transaction import digest_of

from .desk import elect, make_node
from .mutants import MUTANTS
from .picture import RecordedStorage, look
from .recording import BROKEN, FULL, SYNCS, WRITES, Fault

NAMES = "VWXYZ"
WRITE_SECONDS = 30.0
CHUNK_BYTES = 600
UNSEEN_SHARE = 0.1
MOST_BEATS = 40
"""Without a promise, until a checkpoint comes."""


class Diary:
    """Lines of JSON, each written at once."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = os.open(folder / "promises", flags, 0o666)

    def write(self, **line: object) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def sent(self, envelope: Envelope) -> None:
        """A request goes out to a peer."""
        message = envelope.message
        self.write(term=message.term)
        if isinstance(message, messages.RequestVote):
            self.write(vote="a", term=message.term)
        if isinstance(message, messages.AppendEntries) and message.entries:
            self.stored(message.term, message.entries[-1].index, message.entries[-1].term)

    def stored(self, term: int, index: int, entry_term: int) -> None:
        """In `term`, the log goes up to this entry."""
        self.write(stored=[index, entry_term], term=term)

    def replied(self, asked: messages.Message, reply: Envelope) -> None:
        """A reply goes out to whoever sent us that."""
        message = reply.message
        self.write(term=message.term)
        if isinstance(message, messages.RequestVoteResponse) and message.vote_granted:
            self.write(vote=reply.recipient, term=message.term)
        if isinstance(message, messages.AppendEntriesResponse) and message.success:
            last = asked.entries[-1].term if asked.entries else asked.prev_log_term
            self.stored(message.term, message.match_index, last)
        if isinstance(message, messages.InstallSnapshotResponse) and message.installed:
            self.stored(message.term, asked.meta.last_included_index, asked.meta.last_included_term)


def put(name: str, number: int) -> bytes:
    return encode_command(Command(f"{name}{number}", {name: str(number)}))


class Worker:
    """Does one thing after the other, as its dice say."""

    def __init__(self, diary: Diary, seed: int, *, failing: float = 0.0) -> None:
        self.failing = failing
        """How often the disk fails."""
        self.dice = random.Random(seed)
        self.diary = diary
        self.number = 0
        self.node = make_node(diary.sent)
        self.node.storage = RecordedStorage("default", self.node._first_state, diary)

    def work(self, steps: int) -> None:
        self._heartbeat(1, "b")
        for _ in range(steps):
            leads = self.node.state.is_leader
            acts = (
                [self.write, self.write, self.compact, self.beat, self.move, self.deposed]
                if leads
                else [self.follow, self.follow, self.overrule, self.vote, self.catch_up, self.lead]
            )
            weights = [6, 6, 1, 3, 1, 1] if leads else [6, 6, 2, 2, 1, 1]
            (act,) = self.dice.choices([*acts, self.reconnect], [*weights, 0.3])
            if self.dice.random() < self.failing:
                self._fail(act)
            elif self.failing and self.dice.random() < UNSEEN_SHARE:
                self._try(self.fail_unseen)
            elif self.failing:
                self._try(act)
            else:
                act()

    def _fail(self, act: Callable[[], None]) -> None:
        """The disk fails meanwhile, and is well again afterwards; the node must be, too."""
        which = self.dice.choice([WRITES, SYNCS, WRITES | SYNCS])
        count = self.dice.choice([1, 3, 1 << 62])
        fault = Fault(
            which, self.dice.choice([FULL, BROKEN]), first=self.dice.randrange(12), count=count
        )
        with fault:
            self._try(act)
        if fault.happened:
            self.diary.write(fault=[which, fault.calls])
        close_old_connections()  # as after each request
        self.node.courier.forget()
        wrong = [each.text for each in check(look()) if each.level is Level.ERROR]
        assert not wrong, wrong

    def _try(self, act: Callable[[], None]) -> None:
        """It may fail also later: each descriptor is told of a flush that failed on another one."""
        try:
            act()
        except DatabaseError as error:
            self.diary.write(failed=str(error))
            self.node.courier.forget()

    def fail_unseen(self) -> None:
        """A flush fails that belongs to no commit: nobody is told; then something is promised."""
        state = self.node.state
        leads = state.is_leader
        with Fault(SYNCS, BROKEN, first=0, count=1) as fault:
            for _ in range(MOST_BEATS):
                if fault.look():
                    break
                if leads:
                    self.beat()
                else:
                    self._heartbeat(state.current_term, state.leader_id or "b")
        if fault.happened:
            self.diary.write(fault=[SYNCS, fault.calls])
        self.write() if leads else self.follow()

    # -- as leader

    def write(self) -> None:
        """Acknowledged when `propose` returns."""
        commands, said = [], {}
        for _ in range(self.dice.choice([1, 1, 1, 2, 5])):
            self.number += 1
            name = self.dice.choice(NAMES)
            commands.append(put(name, self.number))
            said[name] = self.number
        self.node.propose(commands, timeout_seconds=WRITE_SECONDS)
        self.diary.write(written=said)

    def compact(self) -> None:
        self.node.take(TakeSnapshot())

    def beat(self) -> None:
        self.node.clock.skipped += 0.3
        self.node.tick()
        self.node.courier.answer()

    def move(self) -> None:
        """A member's entry in the log."""
        self.number += 1
        change = ChangeAddress(self.dice.choice("bc"), f"http://moved{self.number}.test/raft")
        self.node.change_members(change, timeout_seconds=WRITE_SECONDS)

    def deposed(self) -> None:
        """Another leads, at times while proposals of ours are under way."""
        if self.dice.random() < 0.5:
            self.number += 1
            self.node.take(Propose((put("lost", self.number),)))
        self.node.courier.forget()
        self._heartbeat(self.node.state.current_term + 1, self.dice.choice("bc"))

    # -- as follower

    def _receive(self, message: messages.Request, sender: str) -> messages.Message:
        node = self.node
        envelope = Envelope(sender, f"life of {sender}", "a", node.incarnation, 1, message)
        reply = node.receive(envelope)
        self.diary.replied(message, reply)
        return reply.message

    def _heartbeat(self, term: int, leader: str) -> None:
        state = self.node.state
        last = (state.last_log_index, state.last_log_term)
        self._receive(messages.AppendEntries(term, *last, (), state.commit_index), leader)

    def _entries(self, index: int, term: int) -> tuple[Entry, ...]:
        count = self.dice.choice([1, 1, 2, 4])
        self.number += count
        first = self.number - count + 1
        return tuple(
            Entry(index + each, term, put(self.dice.choice(NAMES), first + each))
            for each in range(count)
        )

    def follow(self) -> None:
        """Entries at the end of the log, and the commit of some."""
        state = self.node.state
        leader = state.leader_id or self.dice.choice("bc")
        last = (state.last_log_index, state.last_log_term)
        entries = self._entries(state.last_log_index + 1, state.current_term)
        commit = self.dice.randint(state.commit_index, entries[-1].index)
        self._receive(messages.AppendEntries(state.current_term, *last, entries, commit), leader)

    def overrule(self) -> None:
        """A later leader, which does not have all that is not committed yet."""
        state = self.node.state
        previous = self.dice.randint(state.commit_index, state.last_log_index)
        previous_term = self.node.storage.log.term_at(previous)
        term = state.current_term + 1
        entries = self._entries(previous + 1, term)
        self._receive(
            messages.AppendEntries(term, previous, previous_term, entries, state.commit_index),
            self.dice.choice("bc"),
        )

    def vote(self) -> None:
        state = self.node.state
        last = (state.last_log_index, state.last_log_term)
        request = messages.RequestVote(state.current_term + 1, *last, transfer=True)
        self._receive(request, self.dice.choice("bc"))

    def catch_up(self) -> None:
        """A snapshot from further on than the log goes, in parts."""
        state, data = self.node.storage.snapshot()
        if state.last_applied != state.commit_index:
            return
        machine = MemoryStateMachine()
        machine.restore(data)
        last = state.last_log_index + 3
        for index in range(state.last_applied + 1, last + 1):
            self.number += 1
            machine.apply(index, put(self.dice.choice(NAMES), self.number))
        data = machine.snapshot()
        term = state.current_term
        meta = SnapshotMeta(last, term, state.configuration, len(data), digest_of(data))
        leader = state.leader_id or "b"
        for offset in range(0, len(data), CHUNK_BYTES):
            part = data[offset : offset + CHUNK_BYTES]
            self._receive(messages.InstallSnapshot(term, meta, offset, part), leader)

    def lead(self) -> None:
        elect(self.node)

    def reconnect(self) -> None:
        """As a process that ends: the last connection closed writes SQLite's file out."""
        connections.close_all()


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--failing", type=float, default=0.0)
    parser.add_argument("--mutant", choices=MUTANTS)
    options = parser.parse_args(arguments)
    worker = Worker(Diary(options.folder), options.seed, failing=options.failing)
    if options.mutant:
        MUTANTS[options.mutant](worker.node)
    worker.work(options.steps)
