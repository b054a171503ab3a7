"""A change on its way to the leader: where it goes, how often, and what is certain when it fails.

What a change may be is tested with `config` (test_live); here a follower asks peers that answer as
each test says.
"""

import pytest
from django.core.exceptions import ValidationError
from django.db import InterfaceError, transaction
from django.test import override_settings

from raft_config import proposals
from raft_config.core.log import Entry
from raft_config.exceptions import (
    ConflictError,
    EntryLostError,
    InvalidCommandError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerUnavailableError,
    PeerUnreachableError,
    UnavailableError,
)
from raft_config.schema import Setting, declared
from raft_config.state_machine import decode_command
from raft_config.transport.strict import data

from .peers import SECRETS, URLS, Peers, adopt, append, elect, from_peer, make_node

pytestmark = pytest.mark.django_db(transaction=True)

LAST = 5
"""Where the leader's log ends that the follower hears of."""


@pytest.fixture(autouse=True)
def raft_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(proposals, "RETRY_SECONDS", 0.001)
    config = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "SETTINGS": {"LIMIT": Setting(10), "NAME": Setting("")},
        "WRITE_TIMEOUT_SECONDS": 20.0,
        "VERSION_FILE": tmp_path / "version",
    }
    with override_settings(RAFT_CONFIG=config):
        yield


@pytest.fixture
def node():
    made = adopt(make_node(Peers()))
    yield made
    made.close()


def follow(node, leader="b", term=1):
    """Hear this leader, and hold the first entries of its log."""
    log = [Entry(index, 1) for index in range(1, LAST + 1)]
    node.receive(from_peer(node, append(term, *log), leader))


class Leader:
    """Answers what it is asked with the next of these: an error, or None to store it."""

    def __init__(self, node, *answers, node_id="b", term=1):
        self.node = node
        self.node_id = node_id
        self.answers = list(answers)
        self.term = term
        self.commands = []
        node.transport.answers["propose"] = self.propose

    def propose(self, commands):
        (text,) = commands
        command = data(text)
        self.commands.append(command)
        if answer := self.answers.pop(0) if self.answers else None:
            raise answer
        entry = Entry(LAST + 1, self.term, command)
        # Its news of the commit comes before its answer, here.
        message = append(self.term, entry, previous=(LAST, 1), commit=LAST + 1)
        self.node.receive(from_peer(self.node, message, self.node_id))
        return {"index": LAST + 1, "term": self.term}


def values(node):
    return {
        name: declared()[name].decode(each.text) for name, each in node.storage.values().items()
    }


# -- where it goes


def test_leader_appends_its_own_change(node):
    elect(node)
    answer = proposals.propose({"LIMIT": 20})
    assert values(node) == {"LIMIT": 20}
    assert answer.index == node.state.last_applied
    assert node.transport.calls == []


def test_follower_asks_the_leader_once_and_returns_when_it_has_applied_it_itself(node):
    follow(node)
    leader = Leader(node)
    answer = proposals.propose({"LIMIT": 20}, user="kim", comment="more")
    assert values(node) == {"LIMIT": 20}
    assert answer.index == LAST + 1
    ((receiver, url, name, _),) = node.transport.calls
    assert (receiver, url, name) == ("b", URLS["b"], "propose")
    note = decode_command(leader.commands[0]).note
    assert (note.user, note.comment, note.node, note.origin) == ("kim", "more", "a", "python")


def test_follower_asks_the_leader_for_a_linearizable_read(node):
    follow(node)
    node.transport.answers["read_index"] = lambda: {"index": 7}
    assert proposals.read_index() == 7


def test_leader_proves_its_own_linearizable_read(node):
    elect(node)
    assert proposals.read_index() == node.state.last_log_index


def test_read_of_the_latest_value_waits_until_it_is_applied_here(node):
    follow(node)
    Leader(node)
    node.transport.answers["read_index"] = lambda: {"index": LAST + 1}
    proposals.propose({"LIMIT": 20})
    assert proposals.read_latest("LIMIT") == (20, LAST + 1)
    assert proposals.read_latest("NAME") == ("", 0)


def test_read_on_a_node_that_lags_is_unavailable(node):
    follow(node)
    node.transport.answers["read_index"] = lambda: {"index": 99}
    with pytest.raises(UnavailableError, match="lags behind"):
        proposals.read_latest("LIMIT", timeout_seconds=0.05)


# -- how often


RETRIED = [
    NotLeaderError("c", 2),
    NotLeaderError(None, 2),
    UnavailableError("busy"),
    EntryLostError(6, 1),
    OutcomeUnknownError("r"),
    PeerUnavailableError("broke off"),
    PeerUnreachableError("refused"),
]


@pytest.mark.parametrize("error", RETRIED, ids=lambda each: type(each).__name__)
def test_attempt_that_failed_is_made_again_under_the_same_request_id(node, error):
    follow(node)
    leader = Leader(node, error, error)
    proposals.propose({"LIMIT": 20}, request_id="once")
    assert len(leader.commands) == 3
    assert {decode_command(each).request_id for each in leader.commands} == {"once"}
    assert values(node) == {"LIMIT": 20}


def test_next_attempt_goes_to_the_leader_that_is_known_by_then(node):
    follow(node)

    def step_down(**_):
        node.receive(from_peer(node, append(2), "c"))
        Leader(node, node_id="c", term=2)
        raise NotLeaderError("c", 2)

    node.transport.answers["propose"] = step_down
    proposals.propose({"LIMIT": 20})
    assert [call[:2] for call in node.transport.calls] == [("b", URLS["b"]), ("c", URLS["c"])]
    assert values(node) == {"LIMIT": 20}


@pytest.mark.parametrize(
    "error", [InvalidCommandError("too large"), ConflictError(("LIMIT",))], ids=repr
)
def test_answer_that_is_final_is_not_asked_for_again(node, error):
    follow(node)
    leader = Leader(node, error)
    with pytest.raises(type(error)):
        proposals.propose({"LIMIT": 20})
    assert len(leader.commands) == 1


# -- what is certain at the end


def refuse(error):
    def answer(**_):
        raise error

    return answer


CERTAIN = [
    NotLeaderError("c", 2),
    UnavailableError("busy"),
    EntryLostError(6, 1),
    PeerUnreachableError("refused"),
]


@pytest.mark.parametrize("error", CERTAIN, ids=lambda each: type(each).__name__)
def test_failure_of_which_nothing_can_be_stored_is_told_as_it_is(node, error):
    follow(node)
    node.transport.answers["propose"] = refuse(error)
    with pytest.raises(type(error)) as caught:
        proposals.propose({"LIMIT": 20}, timeout_seconds=0.05)
    assert caught.value is error


@pytest.mark.parametrize("first", [OutcomeUnknownError("r"), PeerUnavailableError("broke off")])
def test_one_attempt_whose_outcome_is_unknown_makes_the_whole_unknown(node, first):
    follow(node)
    errors = [first]
    node.transport.answers["propose"] = lambda **_: refuse(
        errors.pop() if errors else NotLeaderError(None, 2)
    )()
    with pytest.raises(OutcomeUnknownError) as caught:
        proposals.propose({"LIMIT": 20}, request_id="mine", timeout_seconds=0.05)
    assert caught.value.request_id == "mine"


def test_read_whose_outcome_is_unknown_stored_nothing_and_says_what_failed(node):
    follow(node)
    node.transport.answers["read_index"] = refuse(PeerUnavailableError("broke off"))
    with pytest.raises(PeerUnavailableError, match="broke off"):
        proposals.read_index(timeout_seconds=0.05)


def test_without_a_leader_nothing_is_asked_and_nothing_is_stored(node):
    with pytest.raises(NotLeaderError, match="No leader is known"):
        proposals.propose({"LIMIT": 20}, timeout_seconds=0.05)
    assert node.transport.calls == []
    assert node.state.last_log_index == 0


def test_change_that_this_node_does_not_apply_in_time_is_of_unknown_outcome(node):
    """The leader has applied it; who asked here would not see it yet."""
    follow(node)
    node.transport.answers["propose"] = lambda **_: {"index": LAST + 1}
    with pytest.raises(OutcomeUnknownError) as caught:
        proposals.propose({"LIMIT": 20}, request_id="mine", timeout_seconds=0.05)
    assert caught.value.request_id == "mine"


def test_conflict_is_told_by_name_and_changes_nothing(node):
    elect(node)
    proposals.propose({"LIMIT": 20})
    with pytest.raises(ConflictError) as caught:
        proposals.propose({"LIMIT": 30, "NAME": "x"}, expected={"LIMIT": 0})
    assert caught.value.names == ("LIMIT",)
    assert values(node) == {"LIMIT": 20}


def test_retry_after_all_gets_the_first_answer(node):
    elect(node)
    first = proposals.propose({"LIMIT": 20}, request_id="once")
    proposals.propose({"LIMIT": 30})
    assert proposals.propose({"LIMIT": 20}, request_id="once") == first
    assert values(node) == {"LIMIT": 30}


# -- what never leaves this node


def test_wrong_value_is_refused_before_anybody_is_asked(node):
    follow(node)
    with pytest.raises(ValidationError) as caught:
        proposals.propose({"LIMIT": "many", "NAME": "x"})
    assert set(caught.value.error_dict) == {"LIMIT"}
    assert node.transport.calls == []


def test_change_within_atomic_is_refused(node):
    """It could not be rolled back with the rest."""
    follow(node)
    with transaction.atomic(), pytest.raises(InvalidCommandError, match="on_commit"):
        proposals.propose({"LIMIT": 20})
    assert node.transport.calls == []


def test_change_during_which_the_database_fails_may_be_stored(node, monkeypatch):
    """It fails after the commit here: to say that nothing was changed would be wrong."""
    elect(node)

    def fail(*_):
        raise InterfaceError("the connection is closed")

    monkeypatch.setattr(node, "wait_until_applied", fail)
    monkeypatch.setattr(proposals, "_submit_once", lambda *_: LAST)
    with pytest.raises(OutcomeUnknownError) as raised:
        proposals.propose({"LIMIT": 20}, request_id="again")
    assert raised.value.request_id == "again"
