"""Handing leadership over: thesis §3.10."""

import pytest

from raft_config.core.effects import (
    Accepted,
    LeaderChanged,
    Refusal,
    Refused,
    RoleChanged,
)
from raft_config.core.events import AllowLeadership, Propose, Remove, Tick, TransferLeadership
from raft_config.core.messages import RequestVote, TimeoutNow, TimeoutNowResponse
from raft_config.core.state import Transfer

from .build import (
    HEARTBEAT,
    NOW,
    RETRY,
    TIMEOUT,
    candidate,
    follower,
    leader,
    members,
    messages_to,
    of_type,
    pre_candidate,
    reply,
    send,
    success,
)
from .cluster import cluster, elect, others, settle, values, write


def boss(**more):
    return leader(**{"term": 2, "log": "1 2 2", "commit": 3, "match": {"b": 3, "c": 2}, **more})


# -- the leader's end


def test_target_that_has_everything_is_told_to_campaign_at_once():
    """The prior leader sends a TimeoutNow request to the target (§3.10, step 3)."""
    node = boss()
    effects = node.step(TransferLeadership("b"))
    assert send("b", TimeoutNow(2)) in effects
    assert node.role.transfer == Transfer("b", NOW + TIMEOUT, told_deadline=NOW + RETRY)


def test_target_that_lacks_entries_is_first_brought_up_to_date():
    """The prior leader fully updates the target's log (§3.10, step 2)."""
    node = boss()
    effects = node.step(TransferLeadership("c"))
    assert messages_to(effects, "c", TimeoutNow) == []
    effects = node.receive("c", success(2, 3))
    assert messages_to(effects, "c", TimeoutNow) == [TimeoutNow(2)]


def test_proposals_are_refused_while_leadership_is_handed_over():
    """The prior leader stops accepting new client requests (§3.10, step 1)."""
    node = boss()
    node.step(TransferLeadership("c"))
    assert of_type(node.step(Propose((b"x",))), Refused) == [Refused(Refusal.TRANSFERRING, "a")]


def test_transfer_that_takes_an_election_timeout_is_given_up_and_proposals_go_on():
    """If it does not complete after an election timeout, the prior leader aborts (§3.10)."""
    node = boss()
    node.step(TransferLeadership("c"))
    node.receive("b", success(2, 3), now=NOW + TIMEOUT - 0.01)
    assert node.role.transfer is not None
    node.step(Tick(), now=NOW + TIMEOUT)
    assert node.role.transfer is None
    assert of_type(node.step(Propose((b"x",))), Accepted) == [Accepted(4, 2)]


def test_clock_put_back_does_not_prolong_a_transfer():
    node = boss(transfer=Transfer("c", NOW + 3600))
    node.step(Tick())
    assert node.role.transfer is None


def test_transfer_to_a_peer_that_is_removed_meanwhile_is_given_up():
    node = boss(configuration=members("ab"), transfer=Transfer("c", NOW + TIMEOUT))
    node.step(Tick())
    assert node.role.transfer is None


def test_without_a_target_the_voter_with_the_most_complete_log_is_taken():
    node = boss(learners="d", match={"b": 2, "c": 3, "d": 3})
    node.step(TransferLeadership())
    assert node.role.transfer.target == "c"


def test_target_that_did_not_hear_is_told_again_after_the_retry_interval():
    node = boss()
    node.step(TransferLeadership("b"))
    effects = node.receive("b", success(2, 3), now=NOW + RETRY)
    assert messages_to(effects, "b", TimeoutNow) == [TimeoutNow(2)]


def test_without_a_target_a_voter_that_is_silent_is_not_taken():
    node = boss(match={"b": 3, "c": 3})
    node.receive("b", success(2, 3), now=NOW + TIMEOUT)
    node.step(TransferLeadership())
    assert node.role.transfer.target == "b"


REFUSED = [
    (follower(leader_id="b"), "c", Refusal.NOT_LEADER, "b"),
    (boss(), "a", Refusal.NOTHING_NEW, "a"),
    (boss(voters="a", match={}), None, Refusal.NOTHING_NEW, "a"),
    (boss(contact_at=NOW - TIMEOUT), None, Refusal.NOTHING_NEW, "a"),
    (boss(learners="d"), "d", Refusal.NOT_A_VOTER, "a"),
    (boss(), "x", Refusal.NOT_A_VOTER, "a"),
]


@pytest.mark.parametrize(("node", "target", "why", "leader_id"), REFUSED)
def test_transfer_that_cannot_be_is_refused(node, target, why, leader_id):
    before = node.state
    assert of_type(node.step(TransferLeadership(target)), Refused) == [Refused(why, leader_id)]
    assert node.role is before.role or node.role.transfer is None


def test_target_is_not_told_again_by_every_message_that_comes_in():
    """Or leader and target answer each other as fast as the network goes, until the timeout."""
    node = boss()
    effects = node.step(TransferLeadership("b"))
    told = len(messages_to(effects, "b", TimeoutNow))
    for _ in range(20):
        told += len(messages_to(node.receive("b", TimeoutNowResponse(2)), "b", TimeoutNow))
    assert told <= 2


# -- the target's end


@pytest.mark.parametrize("build", [follower, pre_candidate, candidate])
def test_target_campaigns_at_once_without_asking_first(build):
    """TimeoutNow has the same effect as the election timer firing (§3.10, step 3)."""
    node = build(term=2, log="1 2")
    effects = node.receive("b", TimeoutNow(2))
    assert effects[:3] == [
        reply("b", TimeoutNowResponse(2)),
        send("b", RequestVote(3, 2, 2, transfer=True)),
        send("c", RequestVote(3, 2, 2, transfer=True)),
    ]
    assert (node.state.current_term, node.state.voted_for) == (3, "a")


def test_target_that_was_a_term_behind_campaigns_after_that_term():
    node = follower(term=2, log="1 2")
    effects = node.receive("b", TimeoutNow(4))
    assert messages_to(effects, "c") == [RequestVote(5, 2, 2, transfer=True)]


def test_target_alone_in_its_configuration_leads_at_once():
    node = follower(term=2, log="1 2", voters="a")
    node.receive("b", TimeoutNow(2))
    assert (node.state.is_leader, node.state.current_term) == (True, 3)


UNMOVED = [
    (follower(term=3, log="1"), 3, "of an older term"),
    (follower(term=2, log="1", voters="bc", learners="a"), 2, "as a learner"),
    (follower(term=2, log="1", may_lead=False), 2, "when it may not lead"),
]


@pytest.mark.parametrize(("node", "term"), [c[:2] for c in UNMOVED], ids=[c[2] for c in UNMOVED])
def test_target_does_not_campaign(node, term):
    before = node.state
    assert node.receive("b", TimeoutNow(2)) == [reply("b", TimeoutNowResponse(term))]
    assert node.state is before


def test_leader_does_not_campaign_against_itself():
    node = boss()
    before = node.state
    effects = node.receive("b", TimeoutNow(2))
    assert messages_to(effects, "b", TimeoutNowResponse) == [TimeoutNowResponse(2)]
    assert node.state.current_term == before.current_term
    assert node.state.is_leader


def test_leader_that_is_asked_for_its_vote_by_its_heir_gives_way():
    node = boss()
    node.step(TransferLeadership("b"))
    effects = node.receive("b", RequestVote(3, 3, 2, transfer=True))
    assert effects[-2:] == [RoleChanged("follower", 3), LeaderChanged(None, 3)]
    assert node.state.voted_for == "b"


def test_answer_to_timeout_now_means_nothing():
    node = follower(term=2, log="1")
    before = node.state
    assert node.receive("b", TimeoutNowResponse(2)) == []
    assert node.state is before


# -- whole clusters


def test_transfer_moves_leadership_without_a_pause():
    network = cluster("abc")
    old = elect(network)
    write(network, old, "X", "1")
    settle(network)
    heir = others(network, old.node_id)[0]
    begun_at = network.now
    old.handle(TransferLeadership(heir.node_id))
    network.run_until(lambda: heir.is_leader)
    assert network.now - begun_at < HEARTBEAT
    write(network, heir, "Y", "2")
    settle(network)
    assert values(old) == {"X": "1", "Y": "2"}


def test_transfer_to_a_node_that_is_down_leaves_the_leader_in_office():
    network = cluster("abc")
    old = elect(network)
    away = others(network, old.node_id)[0]
    network.cut(away.node_id)
    old.handle(TransferLeadership(away.node_id))
    network.run_until(lambda: old.state.role.transfer is None)
    assert old.is_leader
    write(network, old, "X", "1")


def test_transfer_to_a_node_that_may_not_lead_does_not_flood_the_network():
    network = cluster("abc")
    old = elect(network)
    settle(network)
    unwilling = others(network, old.node_id)[0]
    unwilling.handle(AllowLeadership(allowed=False))
    sent = []
    send_on = network.send
    network.send = lambda envelope: (sent.append(envelope), send_on(envelope))
    old.handle(TransferLeadership(unwilling.node_id))
    network.run_until(lambda: old.state.role.transfer is None)
    assert len([each for each in sent if isinstance(each.message, TimeoutNow)]) < 30


def test_change_of_members_is_refused_meanwhile():
    node = boss()
    node.step(TransferLeadership("c"))
    assert of_type(node.step(Remove("b")), Refused) == [Refused(Refusal.TRANSFERRING, "a")]
