"""A node in the database beside its double in memory, and the statements it takes."""

from __future__ import annotations

import random
from contextlib import contextmanager

from django.db import connection

from raft_config.core import Member, NodeState, RaftSettings, initial_configuration, new_node
from raft_config.core.corridor import perform
from raft_config.core.effects import Reply, Send
from raft_config.core.events import (
    AddLearner,
    AllowLeadership,
    ChangeAddress,
    Propose,
    Read,
    Receive,
    Remove,
    TakeSnapshot,
    Tick,
    TransferLeadership,
)
from raft_config.core.state import Leader
from raft_config.exceptions import UnavailableError
from raft_config.memory import MemoryNode, MemoryStorage
from raft_config.models import LogEntry, Node
from raft_config.state_machine import (
    CancelSchedule,
    Command,
    FireSchedule,
    Note,
    encode_command,
)
from raft_config.storage import DatabaseStorage
from raft_config.storage.machine import HASHES, hash_of

IS_SQLITE = connection.vendor == "sqlite"

SMALL = RaftSettings(
    heartbeat_interval_seconds=0.1,
    election_timeout_seconds=0.5,
    append_retry_seconds=0.2,
    max_batch_entries=3,
    snapshot_entries=8,
    trailing_entries=3,
    snapshot_chunk_bytes=2000,
    max_apply_entries=4,
)
"""Limits that a short run reaches."""


def put(name, text="1", request_id=None, **more):
    return encode_command(Command(request_id or f"{name}={text}", {name: text}, **more))


def random_command(dice, index, pending=(), names="XYZ"):
    """Any kind of command, for the entry at about `index`; it may name what is pending."""
    request_id, note = f"r{dice.randrange(index + 1)}", Note(index / 4, "ü", "api", "a", "why")
    schedule_id = dice.choice([*pending, index, 1])
    kind = dice.random()
    if kind < 0.25:
        return FireSchedule.of(schedule_id, index / 2)
    if kind < 0.3:
        return CancelSchedule(request_id, schedule_id, note)
    first, second, third = dice.sample(names, 3)
    expires_at = index / 2 + dice.randrange(1, 30) if dice.random() < 0.3 else None
    return Command(
        request_id,
        {first: str(index), second: '"ü"'},
        () if expires_at is not None or dice.random() < 0.5 else (third,),
        {first: dice.randrange(index)} if dice.random() < 0.1 else {},
        note,
        apply_at=index / 2 if dice.random() < 0.2 else None,
        expires_at=expires_at,
    )


def state_of(node_id="a", voters="abc", **values) -> NodeState:
    fresh = new_node(node_id, initial_configuration(map(Member, voters)), incarnation="i")
    return NodeState(
        **{**{name: getattr(fresh, name) for name in NodeState.__dataclass_fields__}, **values}
    )


def storage_of(state, entries=()) -> DatabaseStorage:
    """The database of a node in this state, with these entries in its log."""
    storage = DatabaseStorage("default", lambda: state)
    Node.objects.all().delete()
    LogEntry.objects.all().delete()
    with statements():
        storage.perform(AllowLeadership(state.may_lead), **AT, likely_durable=True)
    if entries:
        storage.log.append(entries, replacing=False)
    assert storage.load() == state
    return storage


AT = {"settings": SMALL, "now": 100.0, "jitter": 0.5}


# -- statements


class Statements(list):
    """What was executed, as "UPDATE node"; what only frames a transaction stands in `frame`."""

    def __init__(self):
        super().__init__()
        self.frame = []
        self.texts = []

    def __call__(self, execute, sql, params, many, context):
        words = sql.replace('"', " ").split()
        self.texts.append(sql)
        if words[0] in ("BEGIN", "PRAGMA", "SET"):
            self.frame.append(sql)
        else:
            table = next(word for word in words if word.startswith("raft_config_"))
            self.append(f"{words[0]} {table.removeprefix('raft_config_').split('.')[0]}")
        return execute(sql, params, many, context)


@contextmanager
def statements():
    found = Statements()
    with connection.execute_wrapper(found):
        yield found


@contextmanager
def at_commit(call):
    """Do something right before each COMMIT (or after, if `call` commits by itself)."""
    original = connection._commit

    def commit():
        call()
        return original()

    connection._commit = commit
    try:
        yield
    finally:
        del connection._commit


# -- a node in memory whose every event is taken through the database, too


def log_content(log):
    """All that a log view tells, of a memory log or a database's."""
    base = log.base if hasattr(log, "base") else (log.base_index, log.base_term)
    snapshot = log.snapshot
    return (
        base,
        tuple(log.entries(base[0] + 1, max_entries=10_000, max_bytes=1 << 40)),
        snapshot,
        log.snapshot_chunk(0, snapshot.size_bytes + 1) if snapshot else b"",
    )


def machine_content(storage):
    """Values and answers: what a snapshot would hold."""
    if isinstance(storage, MemoryStorage):
        return storage.machine.snapshot()
    return storage._machine.snapshot()


def assert_equal_storage(memory: MemoryStorage, database: DatabaseStorage) -> None:
    found = database.load()
    differing = {
        name: (getattr(found, name), getattr(memory.state, name))
        for name in NodeState.__dataclass_fields__
        if getattr(found, name) != getattr(memory.state, name)
    }
    assert not differing, f"(database, memory): {differing}"
    assert log_content(database.log) == log_content(memory.log)
    assert machine_content(database) == machine_content(memory)
    told = (found.last_applied, hash_of(database.values()) % HASHES)
    assert database.applied_hash() == told
    if isinstance(found.role, Leader):
        assert list(found.role.progress) == list(memory.state.role.progress)


class ShadowedNode(MemoryNode):
    """A memory node that records its events, and calls `shadow` with each."""

    shadow = None

    def handle(self, event):
        jitter = self.jitter()
        now = self.network.now
        before = self.state
        effects = perform(self.storage, event, settings=self.settings, now=now, jitter=jitter)
        if self.shadow is not None:
            self.shadow(event, now, jitter, before, effects)
        self._send(effects)
        return effects


class Chaos:
    """A network that loses, doubles and reorders; its dice decide what happens next."""

    def __init__(self, seed, node_ids="abc", settings=SMALL):
        self.dice = random.Random(seed)
        self.now = 0.0
        self.under_way = []
        self.counter = 0
        self.nodes = {
            node_id: ShadowedNode(
                node_id,
                self,
                members=list(node_ids),
                settings=settings,
                incarnation=f"i{node_id}",
                jitter=self.dice.random,
            )
            for node_id in node_ids
        }

    def send(self, envelope):
        self.under_way.append(envelope)

    def forward(self, *_):
        raise UnavailableError("not here")

    def deliver(self):
        """A message arrives, mostly in order; some are lost, some arrive twice."""
        place = 0 if self.dice.random() < 0.8 else self.dice.randrange(len(self.under_way))
        envelope = self.under_way.pop(place)
        fate = self.dice.random()
        if fate < 0.04:
            self.under_way.insert(self.dice.randrange(len(self.under_way) + 1), envelope)
        if fate < 0.94 and envelope.recipient in self.nodes:
            self.nodes[envelope.recipient].handle(Receive(envelope))

    def step(self):
        node = self.dice.choice(list(self.nodes.values()))
        leading = [each for each in self.nodes.values() if each.is_leader] or [node]
        if self.under_way and self.dice.random() < 0.75:
            self.deliver()
        elif self.dice.random() < 0.6:
            self.now += self.dice.choice([0.01, 0.05, 0.1])
            for each in list(self.nodes.values()):
                each.handle(Tick())
        else:
            self.dice.choice(leading).handle(self._demand(leading[0].storage.machine.scheduled))
        if self.dice.random() < 0.004:
            self.now += 1.0  # everybody's patience ends

    def _demand(self, pending):
        self.counter += 1
        other = self.dice.choice("abc")
        command = random_command(self.dice, self.counter, pending)
        several = tuple(
            encode_command(each) for each in [command, Command(f"s{self.counter}", {"X": '"ü"'})]
        )
        return self.dice.choices(
            [
                Propose((encode_command(command),)),
                Propose(several),
                Read(f"read{self.counter}"),
                TakeSnapshot(),
                TransferLeadership(other),
                AllowLeadership(allowed=self.dice.random() < 0.8),
                ChangeAddress(other, f"http://{other}{self.counter}"),
                AddLearner("d", "http://d", promote=False),
                Remove("d"),
            ],
            [20, 8, 4, 2, 1, 1, 1, 1, 1],
        )[0]


def sent(effects):
    return [each.envelope for each in effects if isinstance(each, (Send, Reply))]
