"""The verdict itself: what it must see in a history, in the changes of a node and in its looks."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

from tests.simulation.linearizability import Operation

from .clients import Acknowledged, Clients
from .cluster import State
from .table import spread
from .verdict import disorder, lost
from .watch import Look, Watch


def clients(**seen: list[Acknowledged]) -> Clients:
    found = Clients({}, [])
    for name, value in seen.items():
        setattr(found, name, value)
    return found


def test_a_read_that_misses_an_acknowledged_write_has_no_order() -> None:
    history = [
        Operation("A", "write", "one", True, 0, 1),
        Operation("A", "write", "two", True, 2, 3),
        Operation("A", "read", None, "one", 4, 5),
    ]
    assert "not linearizable" in " ".join(disorder(history))
    assert list(disorder(history[:2])) == []


def test_an_acknowledged_value_that_a_node_does_not_have_is_lost() -> None:
    team = clients(acknowledged=[Acknowledged("A", "one", 7)])
    assert list(lost([("A", 7, '"one"')], team)) == []
    assert "lost" in " ".join(lost([("A", 8, '"one"')], team))
    assert "lost" in " ".join(lost([], team))


def test_a_value_that_was_read_and_never_set_is_told() -> None:
    team = clients(seen_locally=[Acknowledged("A", "one", 7)])
    assert "never had" in " ".join(lost([], team))


def test_a_value_that_was_applied_twice_is_told() -> None:
    changes = [("A", 7, '"one"'), ("A", 9, '"one"')]
    assert "2 times" in " ".join(lost(changes, clients()))


def watch_of(*looks: dict[str, State]) -> Watch:
    left = list(looks)
    found = Watch(SimpleNamespace(states=lambda: left.pop(0), node_ids=["a", "b"], lives=Counter()))
    for _ in looks:
        found.look()
    return found


def state(term: int, role: str, voted_for: str = "", applied: int = 1) -> State:
    return State(term, role, voted_for, applied, applied, applied)


def test_two_leaders_of_one_term_and_two_votes_in_it_are_told() -> None:
    leaders = watch_of({"a": state(2, "leader")}, {"b": state(2, "leader")})
    assert leaders.violations == ["a and b both led term 2"]
    votes = watch_of({"a": state(2, "follower", "b")}, {"a": state(2, "follower", "c")})
    assert votes.violations == ["a voted for two nodes in term 2"]
    assert watch_of({"a": state(2, "leader")}, {"b": state(3, "leader")}).violations == []


def test_a_term_that_fell_is_told() -> None:
    found = watch_of({"a": state(3, "follower")}, {"a": state(2, "follower")})
    assert found.violations == ["a fell back to term 2"]


def test_a_node_has_caught_up_when_it_applied_what_was_committed_at_the_time() -> None:
    looks = [
        Look(1.0, {"a": state(1, "leader", applied=9), "b": state(1, "follower", applied=2)}),
        Look(3.0, {"a": state(1, "leader", applied=12), "b": state(1, "follower", applied=9)}),
    ]
    found = watch_of()
    found.looks = looks
    assert found.caught_up_after(1.0) == 2.0


def test_spread_is_median_and_worst() -> None:
    assert spread([None]) == "never"
    assert spread([1.0, 2.0, 3.0]) == "2.00 / 2.90 / 3.00"
