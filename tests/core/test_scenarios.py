"""Whole clusters in memory, in the situations that a replicated log must come through."""

from dataclasses import replace

import pytest

from raft_config.core import Member, RaftSettings
from raft_config.core.commit import Outcome
from raft_config.core.effects import PeerRejected, Removed
from raft_config.core.events import AddLearner, Remove, TransferLeadership
from raft_config.exceptions import (
    EntryLostError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    UnavailableError,
)
from raft_config.state_machine import Answer

from .cluster import (
    QUICK,
    add_node,
    cluster,
    elect,
    leaders,
    log_terms,
    others,
    put,
    settle,
    values,
    write,
)


def commit_change(network, node, change):
    """Change the members, as soon as that is allowed, and wait until it is committed."""
    network.run_until(lambda: node.state.commit_index == node.state.last_log_index)
    ticket = node.change_members(change)
    network.run_until(lambda: ticket.is_done)


# -- nodes that are away


def test_follower_misses_two_of_five_commands_and_returns():
    network = cluster("abc")
    boss = elect(network)
    away = others(network, boss.node_id)[0]
    for number in range(5):
        if number == 2:
            network.cut(away.node_id)
        if number == 4:
            network.heal()
        write(network, boss, f"N{number}", str(number))
    settle(network)
    assert values(away) == {f"N{number}": str(number) for number in range(5)}
    assert boss.is_leader


@pytest.mark.parametrize(("node_ids", "down"), [("abc", 1), ("abcde", 2)])
def test_cluster_still_commits_without_a_minority(node_ids, down):
    network = cluster(node_ids)
    boss = elect(network)
    network.cut(*[node.node_id for node in others(network, boss.node_id)[:down]])
    assert write(network, boss, "X", "1").conflicts == ()


@pytest.mark.parametrize(("node_ids", "down"), [("abc", 2), ("abcde", 3)])
def test_cluster_does_not_commit_without_a_majority(node_ids, down):
    network = cluster(node_ids)
    boss = elect(network)
    settle(network)
    away = [node.node_id for node in others(network, boss.node_id)[:down]]
    for node_id in away:
        network.cut(node_id)
    ticket = boss.propose(put("X", "1"))
    network.run(5)
    assert ticket.outcome is Outcome.PENDING
    assert leaders(network) == []
    with pytest.raises(OutcomeUnknownError):
        ticket.result()


@pytest.mark.parametrize("node_ids", ["abc", "abcde"])
def test_leader_that_fails_is_replaced_and_nothing_committed_is_lost(node_ids):
    """Leader Completeness, State Machine Safety (§5.4)."""
    network = cluster(node_ids)
    boss = elect(network)
    write(network, boss, "X", "1")
    write(network, boss, "Y", "2")
    network.cut(boss.node_id)
    rest = {node.node_id for node in others(network, boss.node_id)}
    heir = elect(network, rest)
    write(network, heir, "Y", "3")
    network.heal()
    settle(network)
    assert [values(node) for node in network.nodes.values()] == [{"X": "1", "Y": "3"}] * len(
        node_ids
    )


def test_entries_of_a_deposed_leader_are_lost_for_certain():
    network = cluster("abc")
    old = elect(network)
    settle(network)
    network.cut(old.node_id)
    tickets = [old.propose(put("X", str(number))) for number in range(50)]
    rest = {node.node_id for node in others(network, old.node_id)}
    new = elect(network, rest)
    for number in range(50):
        write(network, new, "Y", str(number))
    assert {ticket.outcome for ticket in tickets} == {Outcome.PENDING}
    network.heal()
    settle(network)
    assert {ticket.outcome for ticket in tickets[1:]} == {Outcome.LOST}
    with pytest.raises(EntryLostError, match="send it again"):
        tickets[0].result()
    assert log_terms(old) == log_terms(new)
    assert values(old) == {"Y": "49"}


def test_partition_with_fifty_uncommitted_entries_on_two_wrong_sides_reconciles():
    """Two deposed leaders in turn, each with entries that nobody else holds."""
    network = cluster("abcde")
    first = elect(network)
    settle(network)
    network.cut(first.node_id)
    for number in range(50):
        first.propose(put("X", str(number)))
    rest = {node.node_id for node in others(network, first.node_id)}
    second = elect(network, rest)
    settle(network, rest)
    network.cut(second.node_id)
    for number in range(50):
        second.propose(put("Y", str(number)))
    rest.discard(second.node_id)
    third = elect(network, rest)
    write(network, third, "Z", "1")
    network.heal()
    settle(network)
    assert [values(node) for node in network.nodes.values()] == [{"Z": "1"}] * 5
    assert len({tuple(log_terms(node)) for node in network.nodes.values()}) == 1


def test_power_cut_of_every_node_at_once_loses_nothing_acknowledged():
    network = cluster("abc")
    boss = elect(network)
    for number in range(10):
        write(network, boss, f"N{number}", "1")
    for node in network.nodes.values():
        node.storage.crash()
    boss = elect(network)
    write(network, boss, "X", "1")
    settle(network)
    expected = {**{f"N{number}": "1" for number in range(10)}, "X": "1"}
    assert [values(node) for node in network.nodes.values()] == [expected] * 3


# -- clients


@pytest.mark.parametrize("who", ["leader", "follower"])
def test_command_to_any_node_is_forwarded_and_answered(who):
    network = cluster("abc")
    boss = elect(network)
    node = boss if who == "leader" else others(network, boss.node_id)[0]
    assert write(network, node, "X", "1") == Answer(boss.state.last_log_index)
    assert values(node) == {"X": "1"}


def test_retry_through_another_leader_has_one_effect_and_gets_the_first_answer():
    """Linearizable semantics need a response kept for each request (§8)."""
    network = cluster("abc")
    boss = elect(network)
    first = write(network, boss, "X", "1", request_id="r")
    write(network, boss, "X", "2")
    settle(network)
    network.cut(boss.node_id)
    heir = elect(network, {node.node_id for node in others(network, boss.node_id)})
    assert write(network, heir, "X", "1", request_id="r") == first
    assert values(heir) == {"X": "2"}


def test_compare_and_set_has_one_winner():
    network = cluster("abc")
    boss = elect(network)
    set_at = write(network, boss, "X", "1").index
    one = boss.propose(put("X", "2", "r1", expected={"X": set_at}))
    other = boss.propose(put("X", "3", "r2", expected={"X": set_at}))
    network.run_until(lambda: other.is_done)
    assert one.result().conflicts == ()
    assert other.result().conflicts == ("X",)
    assert values(boss) == {"X": "2"}


def test_node_without_a_leader_says_so():
    network = cluster("abc")
    with pytest.raises(NotLeaderError, match="No leader is known"):
        network.nodes["a"].propose(put("X", "1"))


def test_leader_that_cannot_be_reached_is_told_apart_from_no_leader():
    network = cluster("abc")
    boss = elect(network)
    node = others(network, boss.node_id)[0]
    network.cut(boss.node_id)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        node.propose(put("X", "1"))


# -- members


def test_node_grows_from_alone_to_three_to_five_with_data_at_each_step():
    network = cluster("a")
    boss = elect(network)
    write(network, boss, "ONE", "1")
    expected = {"ONE": "1"}
    for newcomers, name in (("bc", "THREE"), ("de", "FIVE")):
        for node_id in newcomers:
            node = add_node(network, node_id, members=[])
            commit_change(network, boss, AddLearner(node_id))
            network.run_until(lambda node_id=node_id: node_id in boss.state.configuration.voters)
            network.run_until(lambda: boss.state.commit_index == boss.state.last_log_index)
            assert values(node).items() >= expected.items()
        write(network, boss, name, "1")
        expected[name] = "1"
        settle(network)
        assert {str(values(node)) for node in network.nodes.values()} == {str(expected)}
    assert boss.state.configuration.majority == 3
    network.cut(boss.node_id, "b")
    heir = elect(network, {"c", "d", "e"})
    write(network, heir, "REST", "1")


def test_newcomer_is_brought_up_by_a_snapshot_and_the_log_behind_it():
    limits = replace(QUICK, snapshot_entries=10, trailing_entries=0, snapshot_chunk_bytes=32)
    network = cluster("a", settings=limits)
    boss = elect(network)
    for number in range(25):
        write(network, boss, f"N{number}", "1", request_id=f"r{number}")
    node = add_node(network, "b", members=[], settings=limits)
    commit_change(network, boss, AddLearner("b"))
    network.run_until(lambda: "b" in boss.state.configuration.voters)
    settle(network)
    assert node.state.snapshot_index > 0
    assert values(node) == values(boss)
    assert node.storage.machine.answered == boss.storage.machine.answered


def test_leader_removed_steps_down_and_the_others_go_on():
    network = cluster("abc")
    old = elect(network)
    commit_change(network, old, Remove(old.node_id))
    rest = {node.node_id for node in others(network, old.node_id)}
    new = elect(network, rest)
    assert not old.is_leader
    write(network, new, "X", "1")
    term = new.state.current_term
    network.run(10)
    assert (new.is_leader, new.state.current_term) == (True, term)
    assert old.node_id not in new.state.configuration.by_id


def test_node_removed_while_cut_off_can_neither_win_nor_disturb_and_is_told():
    news = []
    network = cluster("abcd", listener=lambda node_id, each: news.append((node_id, each)))
    boss = elect(network)
    gone = others(network, boss.node_id)[0]
    network.cut(gone.node_id)
    commit_change(network, boss, Remove(gone.node_id))
    term = boss.state.current_term
    network.heal()
    network.run(10)
    assert (boss.is_leader, boss.state.current_term) == (True, term)
    assert gone.state.current_term == term
    assert gone.node_id in {node_id for node_id, each in news if isinstance(each, Removed)}


def test_node_removed_may_be_added_again():
    network = cluster("abc")
    boss = elect(network)
    gone = others(network, boss.node_id)[0]
    commit_change(network, boss, Remove(gone.node_id))
    write(network, boss, "X", "1")
    commit_change(network, boss, AddLearner(gone.node_id))
    network.run_until(lambda: gone.node_id in boss.state.configuration.voters)
    settle(network)
    assert values(gone) == {"X": "1"}


def test_wiped_node_with_the_old_id_is_refused_until_it_is_added_again():
    """A copied or restored database forgets votes (DESIGN §2.11)."""
    news = []
    network = cluster("")
    for node_id in "abc":
        options = {"members": "abc", "incarnation": f"{node_id}-1"}
        add_node(network, node_id, listener=lambda _, each: news.append(each), **options)
    boss = elect(network)
    network.run_until(
        lambda: all(member.incarnation for member in boss.state.configuration.members)
    )
    write(network, boss, "X", "1")
    settle(network)
    wiped = others(network, boss.node_id)[0].node_id
    node = add_node(network, wiped, members="abc", incarnation="wiped")
    term = boss.state.current_term
    network.run(5)
    assert PeerRejected(wiped, "wiped") in news
    assert (node.state.last_log_index, node.is_leader) == (0, False)
    assert (boss.is_leader, boss.state.current_term) == (True, term)
    commit_change(network, boss, Remove(wiped))
    commit_change(network, boss, AddLearner(wiped, incarnation="wiped"))
    network.run_until(lambda: wiped in boss.state.configuration.voters)
    settle(network)
    assert values(node) == {"X": "1"}


def test_wiped_node_cannot_win_the_term_in_which_it_had_voted_for_another():
    """Or a term has two leaders: its first vote and its second make one majority each."""
    network = cluster("")
    every = [Member(each, incarnation=f"{each}-1") for each in "abc"]
    for node_id in "abc":
        add_node(network, node_id, members=every, incarnation=f"{node_id}-1")
    network.cut("c")
    boss = elect(network, {"a", "b"})
    term = boss.state.current_term
    del network.nodes[boss.node_id]
    network.run(0.05)  # what was under way is lost
    network.heal()
    voter = "a" if boss.node_id == "b" else "b"
    add_node(network, voter, members=every, incarnation="wiped")
    network.run(5)
    assert boss.is_leader
    assert [node.node_id for node in leaders(network) if node.state.current_term == term] == []


def test_change_of_members_that_makes_no_sense_is_refused():
    network = cluster("abc")
    boss = elect(network)
    settle(network)
    with pytest.raises(MembershipError, match="no such member"):
        boss.change_members(Remove("x"))
    with pytest.raises(NotLeaderError, match=f"Node {boss.node_id} leads"):
        others(network, boss.node_id)[0].change_members(Remove("x"))


def test_commands_are_refused_during_a_transfer_and_accepted_after_it():
    network = cluster("abc")
    boss = elect(network)
    settle(network)
    away = others(network, boss.node_id)[0]
    network.cut(away.node_id)
    boss.handle(TransferLeadership(away.node_id))
    with pytest.raises(UnavailableError, match="handed over"):
        boss.propose(put("X", "1"))
    network.run(QUICK.election_timeout_seconds + 0.1)
    write(network, boss, "X", "1")


def test_default_settings_elect_and_commit_too():
    network = cluster("abc", settings=RaftSettings())
    boss = elect(network)
    write(network, boss, "X", "1")
    settle(network)
    assert network.now < 10 * RaftSettings().election_timeout_seconds
