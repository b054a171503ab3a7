"""Scheduled changes are made when their time has come: by the leader, once, and by no other."""

import time

import pytest
from django.test import override_settings

from raft_config.exceptions import InvalidCommandError
from raft_config.firing import Firing
from raft_config.history import changes, scheduled
from raft_config.models import LogEntry
from raft_config.state_machine import CancelSchedule, Command, FireSchedule, encode_command
from raft_config.storage import database

from .peers import SECRETS, URLS, Clock, Peers, elect, eventually, make_node
from .storage.helpers import statements

COMMANDS = [encode_command(FireSchedule.of(schedule_id, 10.0)) for schedule_id in (3, 4, 5)]


class Pending(list):
    """Scheduled changes: when each is due, and its id. Counts how often it was asked for them."""

    asked = 0

    def __call__(self, limit):
        self.asked += 1
        return self[:limit]


def due(firing, now=10.0, last_applied=7, term=1):
    return firing.due(now, last_applied=last_applied, term=term)


# -- what a process of the leader proposes


def test_what_is_due_is_proposed_and_the_rest_is_not():
    firing = Firing(Pending([(9.0, 3), (10.0, 4), (10.1, 5)]))
    assert due(firing) == tuple(COMMANDS[:2])


def test_nothing_is_asked_again_while_nothing_was_applied():
    pending = Pending()
    firing = Firing(pending)
    for now in (10.0, 11.0, 12.0):
        assert due(firing, now) == ()
    assert pending.asked == 1
    due(firing, last_applied=8)
    assert pending.asked == 2


def test_clock_alone_makes_it_due_later():
    firing = Firing(Pending([(10.0, 3)]))
    assert due(firing, now=9.9) == ()
    assert due(firing, now=10.0) == (COMMANDS[0],)


def test_nothing_is_proposed_twice_while_it_is_under_way_in_the_same_term():
    firing = Firing(Pending([(10.0, 3)]))
    assert due(firing)
    firing.note_proposed(1, 8)
    assert due(firing) == ()
    assert due(firing, last_applied=8) == (COMMANDS[0],), "it was not that entry: again"


def test_later_term_does_not_wait_for_an_entry_that_may_be_lost():
    firing = Firing(Pending([(10.0, 3)]))
    firing.note_proposed(1, 8)
    assert due(firing, term=3) == (COMMANDS[0],)


def test_no_more_are_proposed_at_once_than_a_leader_may_have_under_way():
    firing = Firing(Pending([(9.0, 3), (9.0, 4), (9.0, 5)]), at_once=2)
    assert due(firing) == tuple(COMMANDS[:2])


def test_every_leader_proposes_it_under_the_same_request_id():
    assert FireSchedule.of(3, 10.0).request_id == FireSchedule.of(3, 99.0).request_id == "fire-3"


# -- a node at work


@pytest.fixture
def peers():
    return Peers()


@pytest.fixture
def make(request, transactional_db, tmp_path, peers):
    """Makes nodes, alone or among peers."""

    def make(**config):
        config |= {"NODE_ID": "a", "VERSION_FILE": tmp_path / "version"}
        override = override_settings(RAFT_CONFIG=config)
        override.enable()
        node = make_node(peers, clock=Clock())
        request.addfinalizer(override.disable)
        request.addfinalizer(node.close)
        return node

    return make


@pytest.fixture
def alone(make):
    return make()


@pytest.fixture
def leader(make):
    node = make(PEERS=URLS, SECRETS=SECRETS)
    elect(node)
    return node


def propose(node, command):
    return node.propose([encode_command(command)], timeout_seconds=5.0).index


def texts(node):
    return {name: value.text for name, value in node.storage.values().items()}


def soon():
    return time.time() + 60


def test_leader_makes_a_change_when_its_time_has_come_and_not_before(leader):
    propose(leader, Command("r", {"X": "1"}, apply_at=soon()))
    leader.tick()
    assert texts(leader) == {}
    leader.clock.skipped += 61  # so long without an answer, it may have to be elected again
    eventually(lambda: leader.tick() and texts(leader) == {"X": "1"})
    assert scheduled() == []
    assert changes()[0].note.origin == "schedule"


def test_temporary_change_is_put_back(leader):
    propose(leader, Command("r", {"X": "1"}))
    propose(leader, Command("s", {"X": "2"}, expires_at=soon()))
    assert texts(leader) == {"X": "2"}
    leader.clock.skipped += 61  # so long without an answer, it may have to be elected again
    eventually(lambda: leader.tick() and texts(leader) == {"X": "1"})
    assert changes()[0].note.origin == "expiry"


def test_follower_proposes_nothing_whatever_is_due(leader, peers, request):
    propose(leader, Command("r", {"X": "1"}, apply_at=soon()))
    peers.down |= {"b", "c"}
    leader.clock.skipped += 61
    eventually(lambda: leader.tick() and not leader.state.is_leader)
    other_process = make_node(peers, clock=leader.clock)
    request.addfinalizer(other_process.close)
    follower = leader.state
    with statements() as found:
        other_process.fire_due(follower)
    assert found == []


def test_ticks_do_not_pile_up_proposals_that_no_majority_takes(leader, peers):
    propose(leader, Command("r", {"X": "1"}, apply_at=time.time() + 0.5))
    last = leader.state.last_log_index
    peers.down |= {"b", "c"}
    leader.clock.skipped += 0.5
    for _ in range(20):
        leader.tick()
    assert LogEntry.objects.filter(index__gt=last).count() <= 1


def test_cancelled_change_is_never_made(leader):
    schedule_id = propose(leader, Command("r", {"X": "1"}, apply_at=soon()))
    propose(leader, CancelSchedule("s", schedule_id))
    leader.clock.skipped += 61
    last = leader.state.last_log_index
    leader.tick()
    assert leader.state.last_log_index == last


def test_idle_ticks_of_a_leader_ask_the_row_and_nothing_else(leader):
    propose(leader, Command("r", {"X": "1"}, apply_at=soon()))
    leader.tick()
    with statements() as found:
        leader.tick()
    assert "SELECT scheduledchange" not in found


def test_cluster_of_one_makes_what_is_due_with_the_next_command(alone):
    propose(alone, Command("r", {"X": "1"}, apply_at=soon()))
    alone.clock.skipped += 61
    propose(alone, Command("s", {"Y": "1"}))
    assert texts(alone) == {"X": "1", "Y": "1"}
    assert [change.name for change in changes()] == ["Y", "X"]


def test_more_scheduled_changes_than_are_kept_are_refused_with_advice(alone, monkeypatch):
    monkeypatch.setattr(database, "MAX_SCHEDULED", 2)
    propose(alone, Command("r", {"X": "1"}, apply_at=soon()))
    propose(alone, Command("s", {"X": "1"}, expires_at=soon()))
    with pytest.raises(InvalidCommandError, match="Cancel some"):
        propose(alone, Command("t", {"X": "2"}, apply_at=soon()))
    propose(alone, Command("u", {"X": "3"}))
