"""Bugs to plant into the node at work: each must be seen after some power cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import connections

from raft_config import node as nodes
from raft_config.core.effects import Reply, Send
from raft_config.core.events import Receive
from raft_config.node import Node
from raft_config.storage import database, durability, transaction


def relax_the_database(_node: Node) -> None:
    """SQLite as it is widely tuned, WAL with NORMAL; PostgreSQL with synchronous_commit=off."""
    options = connections.databases["default"]["OPTIONS"]
    if connections["default"].vendor == "postgresql":
        options["options"] = "-c synchronous_commit=off"
    else:
        options["init_command"] = options["init_command"].replace("FULL", "NORMAL")
        execute = durability._execute
        durability._execute = lambda alias, text: execute(alias, text.replace("FULL", "NORMAL"))
    connections.close_all()


def send_before_the_commit(node: Node) -> None:
    """What a step promises goes out while its transaction is still open."""
    perform = database.corridor.perform

    def perform_and_send(storage, event, **options):
        effects = perform(storage, event, **options)
        for each in effects:
            if isinstance(each, Send):
                node.courier.post(each.envelope, "")
            elif isinstance(each, Reply) and isinstance(event, Receive):
                node.storage.diary.replied(event.envelope.message, each.envelope)
        return [each for each in effects if not isinstance(each, Send)]

    database.corridor = type("corridor", (), {"perform": staticmethod(perform_and_send)})


def forget_what_must_be_durable(_node: Node) -> None:
    """Every step counts as one that a crash may take back."""
    nodes.is_likely_durable = lambda _event: False
    transaction.must_be_durable = lambda *_: False
    transaction.Transaction._need_flush = lambda _self: None


def take_votes_for_derived(_node: Node) -> None:
    """Only of entries it is known that promises rest on them, not of terms and votes."""
    must_be_durable = transaction.must_be_durable
    nodes.is_likely_durable = lambda _event: False
    transaction.must_be_durable = lambda before, after, effects: (
        after.current_term == before.current_term and must_be_durable(before, after, effects)
    )


def trust_every_flush(node: Node) -> None:
    """What SQLite does not tell of is not asked for, when the disk fails."""
    node.storage._flushes.make_good = lambda: None


MUTANTS: Mapping[str, Callable[[Node], None]] = {
    each.__name__: each
    for each in (
        relax_the_database,
        send_before_the_commit,
        forget_what_must_be_durable,
        take_votes_for_derived,
        trust_every_flush,
    )
}
