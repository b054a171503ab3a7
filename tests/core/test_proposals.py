"""What a leader refuses to put into its log, and says so."""

from dataclasses import replace

import pytest

from raft_config.core.effects import (
    Accepted,
    Refusal,
    Refused,
)
from raft_config.core.events import Propose, TransferLeadership

from .build import (
    SETTINGS,
    follower,
    leader,
    of_type,
    success,
)


def propose(*commands, version=1):
    return Propose(tuple(commands), version)


# -- limits on what is proposed

SMALL = replace(SETTINGS, max_uncommitted_entries=3, max_command_bytes=4)

REFUSALS = [
    (follower(leader_id="b"), propose(b"x"), Refusal.NOT_LEADER, "b"),
    (follower(), propose(b"x"), Refusal.NOT_LEADER, None),
    (leader(term=2, log="1 2"), propose(), Refusal.EMPTY, "a"),
    (leader(term=2, log="1 2"), propose(b"x", version=2), Refusal.UNSUPPORTED, "a"),
    (leader(term=2, log="1 2", settings=SMALL), propose(b"x", b"xxxxx"), Refusal.TOO_LARGE, "a"),
    (leader(term=2, log="1 2", settings=SMALL), propose(b"x", b"y"), Refusal.OVERLOADED, "a"),
]


@pytest.mark.parametrize(("node", "event", "why", "leader_id"), REFUSALS)
def test_proposal_that_is_refused_stores_and_sends_nothing(node, event, why, leader_id):
    before = node.state
    assert node.step(event) == [Refused(why, leader_id)]
    assert node.state is before


def test_proposal_at_each_limit_is_accepted():
    node = leader(term=2, log="1 2", settings=SMALL)
    assert of_type(node.step(propose(b"xxxx")), Accepted) == [Accepted(3, 2)]


def test_proposal_during_a_transfer_is_refused():
    node = leader(term=2, log="1 2")
    node.step(TransferLeadership("b"))
    assert of_type(node.step(propose(b"x")), Refused) == [Refused(Refusal.TRANSFERRING, "a")]


def test_leader_without_a_majority_does_not_let_its_log_grow():
    settings = replace(SETTINGS, max_uncommitted_entries=10)
    node = leader(term=2, log="2", commit=1, settings=settings)
    results = [bool(of_type(node.step(propose(b"x")), Accepted)) for _ in range(12)]
    assert results == [True] * 10 + [False] * 2
    node.receive("b", success(2, 2))
    assert of_type(node.step(propose(b"x")), Accepted) != []
