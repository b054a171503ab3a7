"""The paper's figures 7 and 8, message by message, and the partition that figure 7 stands for."""

from __future__ import annotations

import pytest

from raft_config.core.events import Tick
from raft_config.core.messages import AppendEntriesResponse, PreVoteResponse, RequestVoteResponse

from .build import (
    HEARTBEAT,
    NOW,
    TIMEOUT,
    append_entries,
    candidate,
    follower,
    messages_to,
    talk,
)

# Figure 7: the leader of term 8 comes to power, and finds followers like these.
#
#   index       1 2 3 4 5 6 7 8 9 10 11 12
#   leader      1 1 1 4 4 5 5 6 6 6
#   (a)         1 1 1 4 4 5 5 6 6                one entry is missing
#   (b)         1 1 1 4                          six are missing
#   (c)         1 1 1 4 4 5 5 6 6 6  6           one too many
#   (d)         1 1 1 4 4 5 5 6 6 6  7  7        two too many, of a later term
#   (e)         1 1 1 4 4 4 4                    both: 5 and 6 missing, 4 and 4 too many
#   (f)         1 1 1 2 2 2 3 3 3 3  3           both: all of 2 and 3 too many
LEADER = "1 1 1 4 4 5 5 6 6 6"
FIGURE_7 = {
    "a": ("1 1 1 4 4 5 5 6 6", 1),
    "b": ("1 1 1 4", 1),
    "c": ("1 1 1 4 4 5 5 6 6 6 6", 0),
    "d": ("1 1 1 4 4 5 5 6 6 6 7 7", 0),
    "e": ("1 1 1 4 4 4 4", 1),
    "f": ("1 1 1 2 2 2 3 3 3 3 3", 1),
}


def elected(term, log, voters, vote_of):
    """The rig of a candidate that wins with the votes of `vote_of`, and what it then sends."""
    node = candidate(term=term, log=log, voters=voters)
    effects = []
    for voter in vote_of:
        effects = node.receive(voter, RequestVoteResponse(term, vote_granted=True))
    assert node.state.is_leader
    return node, effects


def refusals(delivered):
    found = [each.message for each in delivered]
    return [m for m in found if isinstance(m, AppendEntriesResponse) and not m.success]


@pytest.mark.parametrize("case", FIGURE_7)
def test_figure_7_follower_is_brought_into_agreement(case):
    """The leader finds the last entry where the logs agree, and overwrites the rest (§5.3)."""
    log, refused = FIGURE_7[case]
    boss, effects = elected(8, LEADER, "abc", "b")
    lagging = follower(node_id="b", term=7, log=log)
    delivered = talk({"a": boss, "b": lagging}, effects)
    assert lagging.terms == boss.terms == LEADER + " 8"
    assert lagging.storage.log.kept == boss.storage.log.kept
    assert len(refusals(delivered)) == refused
    assert boss.state.commit_index == lagging.state.commit_index == 11


def test_figure_7_leader_of_term_8_could_win_with_the_votes_of_a_b_e_and_f():
    """The logs of c and d are more complete than the leader's (§5.4.1)."""
    asking = candidate(term=7, log=LEADER, voters="axyz")
    (request,) = messages_to(asking.step(Tick(), now=NOW + TIMEOUT), "x")
    granted = {
        case: messages_to(follower(log=log, term=7).receive("x", request), "x", PreVoteResponse)[0]
        for case, (log, _) in FIGURE_7.items()
    }
    assert {case for case, answer in granted.items() if answer.vote_granted} == {*"abef"}


# Figure 8: why a leader cannot conclude that an entry of an older term is committed.
#
#         (a)      (b)      (c)        (d)      (e) instead of (d)
#   S1    1 2*     1 2      1 2 4*     1 3      1 2 4*
#   S2    1 2      1 2      1 2        1 3      1 2 4
#   S3    1        1        1 2        1 3      1 2 4
#   S4    1        1        1          1 3      1
#   S5    1        1 3*     1 3        1 3*     1 3
#
#   * leads, in the term of its last entry (S5 in (d): in term 5)
FIVE = "12345"


def figure_8_c():
    """The five servers when S1, back since (a), has the votes of S2 and S3 in term 4."""
    logs = {"2": "1 2", "3": "1", "4": "1", "5": "1 3"}
    terms = {"2": 4, "3": 4, "4": 3, "5": 3}
    votes = {"2": "1", "3": "1", "4": "5", "5": "5"}
    nodes = {
        each: follower(
            node_id=each, term=terms[each], voted_for=votes[each], log=logs[each], voters=FIVE
        )
        for each in logs
    }
    nodes["1"] = candidate(node_id="1", term=4, log="1 2", voters=FIVE, voted_for="1", votes="1")
    return nodes


def s1_leads_term_4(nodes):
    """S1 wins with the votes of S2 and S3; what it first sends is lost."""
    for voter in "23":
        nodes["1"].receive(voter, RequestVoteResponse(4, vote_granted=True))
    assert nodes["1"].state.is_leader
    assert nodes["1"].terms == "1 2 4"


def s1_copies_its_old_entry_to_s3(nodes):
    """(c): entry 2, of term 2, is on a majority; the batch held nothing later."""
    message = append_entries(4, prev=(1, 1), terms="2")
    answer = messages_to(nodes["3"].receive("1", message), "1", AppendEntriesResponse)[0]
    nodes["1"].receive("3", answer)
    nodes["1"].receive("2", AppendEntriesResponse(4, success=True, match_index=2))
    assert nodes["3"].terms == nodes["2"].terms == "1 2"


def test_figure_8_c_entry_of_an_older_term_on_a_majority_is_not_committed():
    nodes = figure_8_c()
    s1_leads_term_4(nodes)
    s1_copies_its_old_entry_to_s3(nodes)
    assert nodes["1"].state.commit_index == 0


def test_figure_8_d_that_entry_can_still_be_overwritten():
    """S5 can be elected with the votes of S2, S3 and S4, and overwrite it with its own."""
    nodes = figure_8_c()
    s1_leads_term_4(nodes)
    s1_copies_its_old_entry_to_s3(nodes)
    effects = nodes["5"].step(Tick(), now=NOW + TIMEOUT)
    nodes["2"].now = nodes["3"].now = nodes["4"].now = NOW + 5
    talk(nodes, effects, among="2345")
    assert nodes["5"].state.current_term == 4  # S2 has told it
    talk(nodes, nodes["5"].step(Tick(), now=NOW + 5), among="2345")
    assert (nodes["5"].state.is_leader, nodes["5"].state.current_term) == (True, 5)
    assert {nodes[each].terms for each in "2345"} == {"1 3 5"}
    talk(nodes, nodes["5"].step(Tick(), now=NOW + 5 + HEARTBEAT))
    assert nodes["1"].terms == "1 3 5"
    assert {node.state.commit_index for node in nodes.values()} == {3}


def test_figure_8_e_entry_of_the_own_term_on_a_majority_commits_both_for_good():
    """Then S5 cannot win an election: what precedes is committed too."""
    nodes = figure_8_c()
    s1_leads_term_4(nodes)
    s1_copies_its_old_entry_to_s3(nodes)
    talk(nodes, nodes["1"].step(Tick(), now=NOW + TIMEOUT / 2), among="123")
    assert {nodes[each].terms for each in "123"} == {"1 2 4"}
    assert nodes["1"].state.commit_index == 3
    for each in "2345":
        nodes[each].now = NOW + 10
    for later in (10, 20, 30):
        talk(nodes, nodes["5"].step(Tick(), now=NOW + later), among="2345")
    assert nodes["5"].state.current_term == 4
    assert nodes["5"].role.name == "pre_candidate"


# A partition with many uncommitted entries on two wrong sides, one after the other.
#
#   index    1 ..........................................
#   a        1  5                                          leads term 5
#   b        1  2 x 25                                     once led term 2, alone
#   c        1  2 x 25  then replaced by 3 x 50            once led term 3, alone
def test_fifty_uncommitted_entries_on_two_wrong_sides_cost_one_round_trip_per_wrong_term():
    boss, effects = elected(5, "1 1", "abc", "b")
    wrong_once = follower(node_id="b", term=2, log=[1] + [2] * 50)
    wrong_twice = follower(node_id="c", term=3, log=[1] + [2] * 25 + [3] * 25)
    delivered = talk({"a": boss, "b": wrong_once, "c": wrong_twice}, effects)
    assert boss.terms == wrong_once.terms == wrong_twice.terms == "1 1 5"
    refused = {
        name: len(refusals([each for each in delivered if each.sender == name])) for name in "bc"
    }
    assert refused == {"b": 1, "c": 1}


@pytest.mark.parametrize("wrong_terms", [1, 2, 5, 10])
def test_refusals_grow_with_the_wrong_terms_and_not_with_their_entries(wrong_terms):
    """At most one rejected AppendEntries per conflicting term of either log (§5.3)."""
    theirs = [1] + [term for term in range(2, 2 + 2 * wrong_terms, 2) for _ in range(50)]
    ours = [1] + [term for term in range(3, 3 + 2 * wrong_terms, 2) for _ in range(50)]
    boss, effects = elected(100, ours, "ab", "b")
    lagging = follower(node_id="b", term=99, log=theirs, voters="ab")
    delivered = talk({"a": boss, "b": lagging}, effects)
    assert lagging.storage.log.kept == boss.storage.log.kept
    assert len(refusals(delivered)) <= wrong_terms + 1


def test_leader_keeps_its_uncommitted_entries_of_two_terms_through_a_change():
    """A leader change with two and more entries that were not committed yet."""
    boss, effects = elected(3, "1 2 2 2", "abc", "c")
    empty = follower(node_id="b", term=2, log="1")
    talk({"a": boss, "b": empty}, effects)
    assert boss.terms == empty.terms == "1 2 2 2 3"
    assert boss.state.commit_index == empty.state.commit_index == 5
