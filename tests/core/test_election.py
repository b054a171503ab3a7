"""Elections as the paper states them: Raft §5.1, §5.2, §5.4.1 and figure 2."""

import pytest

from raft_config.core import initial_configuration, new_node
from raft_config.core.effects import Append, Apply, LeaderChanged, Removed, RoleChanged, Send
from raft_config.core.events import Tick
from raft_config.core.messages import (
    AppendEntries,
    PreVoteResponse,
    RequestPreVote,
    RequestVote,
    RequestVoteResponse,
)
from raft_config.core.state import Candidate, Follower, Leader, PreCandidate

from .build import (
    HEARTBEAT,
    NEXT_DEADLINE,
    NOW,
    TIMEOUT,
    append_entries,
    candidate,
    entry,
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

VOTE = RequestVoteResponse(2, vote_granted=True)


# -- §5.2: starting an election


def test_node_starts_as_follower_without_term_vote_or_leader():
    """When servers start up, they begin as followers (§5.2)."""
    state = new_node("a", initial_configuration([]), election_deadline=7.0)
    assert state.role == Follower(7.0)
    assert (state.current_term, state.voted_for, state.leader_id) == (0, None, None)


def test_follower_does_nothing_while_its_election_timeout_runs():
    node = follower(log="1 1")
    before = node.state
    assert node.step(Tick(), now=NOW + TIMEOUT - 0.001) == []
    assert node.state is before


def test_follower_that_hears_no_leader_asks_before_it_campaigns():
    """Pre-vote (thesis §9.6) stands before the election of §5.2."""
    node = follower(term=2, log="1 1 2")
    assert node.step(Tick(), now=NOW + TIMEOUT) == [
        send("b", RequestPreVote(2, 3, 2)),
        send("c", RequestPreVote(2, 3, 2)),
        RoleChanged("pre_candidate", 2),
    ]
    assert node.role == PreCandidate(NOW + TIMEOUT + 1.5, frozenset("a"))
    assert (node.state.current_term, node.state.voted_for) == (2, None)


def test_candidate_increments_its_term_votes_for_itself_and_asks_all_others():
    """To begin an election ... (§5.2)."""
    node = pre_candidate(term=1, log="1")
    effects = node.receive("b", PreVoteResponse(1, 1, vote_granted=True))
    assert effects == [
        send("b", RequestVote(2, 1, 1)),
        send("c", RequestVote(2, 1, 1)),
        RoleChanged("candidate", 2),
    ]
    assert node.role == Candidate(NEXT_DEADLINE, frozenset("a"))
    assert (node.state.current_term, node.state.voted_for) == (2, "a")


@pytest.mark.parametrize("jitter", [0.0, 0.25, 0.999])
def test_election_timeout_is_spread_between_once_and_twice_the_least(jitter):
    """Randomised election timeouts make split votes rare (§5.2)."""
    node = follower()
    node.step(Tick(), now=NOW + TIMEOUT, jitter=jitter)
    assert node.role.election_deadline == NOW + TIMEOUT + TIMEOUT * (1 + jitter)


def test_candidate_without_a_winner_starts_a_new_election():
    """A candidate times out and starts a new election (§5.2), again by asking first."""
    node = candidate(term=2, log="1")
    effects = node.step(Tick(), now=NOW + TIMEOUT)
    assert messages_to(effects, "b") == [RequestPreVote(2, 1, 1)]
    node.receive("b", PreVoteResponse(2, 2, vote_granted=True))
    assert (node.role.name, node.state.current_term) == ("candidate", 3)


def test_pre_candidate_without_an_answer_asks_again_in_the_same_term():
    node = pre_candidate(term=2, log="1")
    effects = node.step(Tick(), now=NOW + TIMEOUT)
    assert effects == [send("b", RequestPreVote(2, 1, 1)), send("c", RequestPreVote(2, 1, 1))]
    assert node.state.current_term == 2


def test_node_alone_elects_itself_and_commits_at_its_first_timeout():
    node = follower(term=0, voters="a")
    effects = node.step(Tick(), now=NOW + TIMEOUT)
    assert effects == [
        Append((entry(1, 1, configuration=members("a", index=1)),)),
        Apply(1),
        RoleChanged("leader", 1),
        LeaderChanged("a", 1),
        *effects[4:],
    ]
    assert (node.state.voted_for, node.state.commit_index) == ("a", 1)


# -- §5.2: winning, losing, neither


def test_candidate_with_votes_of_a_majority_leads_and_opens_its_term_with_a_no_op():
    """It becomes leader, and sends heartbeats to all others to prevent new elections (§5.2, §8)."""
    node = candidate(term=2, log="1 1", configuration=members("abc", index=1), commit=1)
    no_op = entry(3, 2, command=b"")
    assert node.receive("b", VOTE) == [
        Append((no_op,)),
        send("b", AppendEntries(2, 2, 1, (no_op,), 1)),
        send("c", AppendEntries(2, 2, 1, (no_op,), 1)),
        RoleChanged("leader", 2),
        LeaderChanged("a", 2),
    ]


def test_new_leader_starts_every_peer_after_its_own_log_and_knows_of_no_match():
    """nextIndex: last log index + 1; matchIndex: 0 (figure 2)."""
    node = candidate(term=2, log="1 1")
    node.receive("b", VOTE)
    assert isinstance(node.role, Leader)
    assert (node.role.first_index, node.role.heartbeat_deadline) == (3, NOW + HEARTBEAT)
    assert {(each.next_index, each.match_index) for each in node.role.progress.values()} == {(3, 0)}


def test_first_leader_writes_the_initial_members_in_place_of_the_no_op():
    node = candidate(term=2)
    effects = node.receive("b", VOTE)
    assert effects[0] == Append((entry(1, 2, configuration=members("abc", index=1)),))


def test_half_of_the_votes_do_not_elect():
    node = candidate(term=2, voters="abcd")
    assert node.receive("b", VOTE) == []
    assert node.role.votes == {"a", "b"}
    node.receive("c", VOTE)
    assert node.state.is_leader


def test_vote_that_arrives_twice_counts_once():
    node = candidate(term=2, voters="abcde")
    assert node.receive("b", VOTE) == node.receive("b", VOTE) == []
    assert node.role.votes == {"a", "b"}


@pytest.mark.parametrize(
    ("sender", "response"),
    [
        ("b", RequestVoteResponse(2, vote_granted=False)),
        ("b", RequestVoteResponse(1, vote_granted=True)),
        ("d", VOTE),
        ("x", VOTE),
    ],
    ids=["refused", "of an older term", "of a learner", "of a stranger"],
)
def test_vote_that_is_no_vote_elects_nobody(sender, response):
    node = candidate(term=2, learners="d")
    assert node.receive(sender, response) == []
    assert node.role.name == "candidate"


@pytest.mark.parametrize("build", [follower, pre_candidate])
def test_vote_for_an_election_that_is_over_is_ignored(build):
    node = build(term=2)
    before = node.state
    assert node.receive("b", VOTE) == []
    assert node.state is before


def test_candidate_that_meets_the_winner_of_its_own_term_follows_it():
    """The leader's term is at least as large: the leader is legitimate (§5.2)."""
    node = candidate(term=2, log="1")
    assert node.receive("b", append_entries(2, prev=(1, 1))) == [
        reply("b", success(2, 1, prev=1)),
        RoleChanged("follower", 2),
        LeaderChanged("b", 2),
    ]
    assert node.role == Follower(NEXT_DEADLINE, "b", NOW)
    assert node.state.voted_for == "a"


def test_candidate_stays_candidate_when_a_leader_of_an_older_term_speaks():
    """If the term in the RPC is smaller, the candidate rejects it and continues (§5.2)."""
    node = candidate(term=3, log="1")
    before = node.state
    effects = node.receive("b", append_entries(2, prev=(1, 1)))
    assert [message.success for message in messages_to(effects, "b")] == [False]
    assert messages_to(effects, "b")[0].term == 3
    assert node.state is before


# -- §5.1, figure 2: terms


@pytest.mark.parametrize("build", [follower, pre_candidate, candidate])
def test_node_that_learns_of_a_higher_term_follows_in_it_with_a_free_vote(build):
    """If RPC response contains term T > currentTerm: set currentTerm = T, be follower (§5.1)."""
    node = build(term=2, voted_for="a", log="1")
    node.receive("b", RequestVoteResponse(5, vote_granted=False))
    assert node.role == Follower(NOW + TIMEOUT)
    assert (node.state.current_term, node.state.voted_for) == (5, None)


def test_leader_that_learns_of_a_higher_term_steps_down():
    node = leader(term=2, log="1 2")
    assert node.receive("b", success(3, 0)) == [RoleChanged("follower", 3), LeaderChanged(None, 3)]
    assert node.role == Follower(NEXT_DEADLINE)


def test_leader_that_hears_a_later_leader_follows_it():
    node = leader(term=2, log="1 2")
    node.receive("c", append_entries(3, prev=(1, 1), terms="3"))
    assert (node.state.leader_id, node.terms) == ("c", "1 3")


def test_election_timer_is_not_restarted_by_a_higher_term_alone():
    """A candidate that cannot win must not postpone the election of one that can."""
    node = follower(term=1, log="1 1", deadline=NOW + 0.1)
    node.receive("b", RequestVote(9, 0, 0))
    assert node.role == Follower(NOW + 0.1)


# -- who may campaign


def test_learner_never_campaigns():
    node = follower(voters="bc", learners="a")
    assert of_type(node.step(Tick(), now=NOW + 5), Send) == []
    assert node.role == Follower(NOW + 5 + 1.5)


def test_node_that_is_no_member_waits():
    node = follower(voters="")
    assert node.step(Tick(), now=NOW + 5) == []
    assert node.role.name == "follower"


def test_node_that_may_not_lead_votes_but_does_not_campaign():
    node = follower(log="1", may_lead=False)
    assert of_type(node.step(Tick(), now=NOW + 5), Send) == []
    node.receive("b", RequestVote(2, 1, 1), now=NOW + 5)
    assert node.state.voted_for == "b"


def test_only_voters_are_asked_for_votes():
    node = follower(learners="d")
    effects = node.step(Tick(), now=NOW + TIMEOUT)
    assert {each.envelope.recipient for each in of_type(effects, Send)} == {"b", "c"}


def test_news_of_the_own_removal_is_passed_on():
    node = pre_candidate()
    effects = node.receive("b", PreVoteResponse(1, 1, vote_granted=False, removed=True))
    assert effects == [Removed(by="b")]
