"""The checker against histories judged by hand, by construction, and by trying every order.

Times in the small histories are event numbers; a drawing shows where they overlap. A returned
time of None is an operation whose client never learned the outcome.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import pytest

from .linearizability import (
    CheckerGaveUpError,
    MalformedOperationError,
    Operation,
    check,
)

SEEDS = (1, 2, 3, 5, 8, 13, 21, 34)


def write(value: object, invoked_at: int, returned_at: int | None, key: str = "k") -> Operation:
    return Operation(key, "write", value, None, invoked_at, returned_at)


def read(result: object, invoked_at: int, returned_at: int | None, key: str = "k") -> Operation:
    return Operation(key, "read", None, result, invoked_at, returned_at)


def cas(
    expected: object, new: object, result: bool | None, invoked_at: int, returned_at: int | None
) -> Operation:
    return Operation("k", "cas", (expected, new), result, invoked_at, returned_at)


# Histories that are linearizable.


def test_an_empty_history_is_linearizable() -> None:
    assert check([]) is None


def test_a_sequential_history_is_linearizable() -> None:
    history = [
        read(None, 1, 2),
        write("a", 3, 4),
        read("a", 5, 6),
        cas("a", "b", True, 7, 8),
        cas("a", "c", False, 9, 10),
        read("b", 11, 12),
    ]
    assert check(history) is None


def test_the_order_in_which_a_history_is_recorded_does_not_matter() -> None:
    assert check([read("a", 3, 4), write("a", 1, 2)]) is None


def test_reads_start_from_the_initial_value() -> None:
    assert check([read("default", 1, 2)], initial="default") is None
    assert check([read("default", 1, 2)]) is not None


def test_reads_during_a_write_see_the_old_value_then_the_new() -> None:
    # write a  1-----------------6
    # read          2--3  4--5
    assert check([write("a", 1, 6), read(None, 2, 3), read("a", 4, 5)]) is None


def test_concurrent_writes_take_effect_in_the_order_the_reads_show() -> None:
    # write a  1--------4
    # write b     2--3
    # read                 5--6  a
    overlapping = [write("a", 1, 4), write("b", 2, 3)]
    assert check([*overlapping, read("a", 5, 6)]) is None
    assert check([*overlapping, read("b", 5, 6)]) is None


def test_a_slow_write_spans_many_later_operations() -> None:
    history = [write("slow", 1, 100)]
    history += [write(i, 10 * i, 10 * i + 2) for i in range(1, 8)]
    history += [read(i, 10 * i + 4, 10 * i + 6) for i in range(1, 8)]
    assert check([*history, read("slow", 90, 91)]) is None


def test_an_unknown_write_may_be_seen_later() -> None:
    history = [write("a", 1, None), write("b", 2, 3), read("b", 4, 5), read("a", 6, 7)]
    assert check(history) is None


def test_an_unknown_write_may_never_be_seen() -> None:
    history = [write("a", 1, None), write("b", 2, 3), read("b", 4, 5), read("b", 6, 7)]
    assert check(history) is None


def test_an_unknown_write_explains_a_failed_cas() -> None:
    history = [write("a", 1, 2), write("b", 3, None), cas("a", "c", False, 4, 5)]
    assert check(history) is None
    assert check([history[0], history[2]]) is not None


@pytest.mark.parametrize("seen", ["a", "b"])
def test_an_unknown_cas_may_or_may_not_take_effect(seen: str) -> None:
    assert check([write("a", 1, 2), cas("a", "b", None, 3, None), read(seen, 4, 5)]) is None


def test_unknown_operations_may_build_on_one_another() -> None:
    history = [cas("b", "c", None, 1, None), cas("a", "b", None, 2, None), write("a", 3, None)]
    assert check([*history, read("c", 4, 5)]) is None


def test_equal_unknown_writes_may_each_take_effect_once() -> None:
    history = [write("a", 1, None), write("a", 2, None)]
    seen = [read("a", 3, 4), write("b", 5, 6), read("b", 7, 8), read("a", 9, 10)]
    assert check([*history, *seen]) is None
    assert check([*history[1:], *seen]) is not None


def test_a_read_of_unknown_outcome_constrains_nothing() -> None:
    assert check([write("a", 1, 2), read("never written", 3, None)]) is None


def test_a_cas_of_a_value_to_itself_leaves_the_value() -> None:
    assert check([write("a", 1, 2), cas("a", "a", True, 3, 4), read("a", 5, 6)]) is None


def test_unhashable_values_are_compared_by_content() -> None:
    assert check([write(["a"], 1, 2), read(["a"], 3, 4)]) is None
    assert check([write({"a": 1}, 1, 2), read({"a": 2}, 3, 4)]) is not None


def test_operations_with_tied_times_count_as_concurrent() -> None:
    assert check([write("a", 1, 2), read(None, 2, 3)]) is None


# Histories that are not.


def test_a_stale_read_after_an_acknowledged_write_is_a_violation() -> None:
    assert check([write("a", 1, 2), write("b", 3, 4), read("a", 5, 6)]) is not None


def test_two_successful_cas_from_the_same_value_are_a_lost_update() -> None:
    # cas 0 1  3-----5
    # cas 0 2     4-----6
    history = [write(0, 1, 2), cas(0, 1, True, 3, 5), cas(0, 2, True, 4, 6)]
    assert check(history) is not None


def test_a_value_read_before_it_was_written_is_a_violation() -> None:
    assert check([read("a", 1, 2), write("a", 3, 4)]) is not None


def test_a_value_read_before_its_unknown_write_was_invoked_is_a_violation() -> None:
    assert check([read("a", 1, 2), write("a", 3, None)]) is not None


def test_a_value_read_before_its_unknown_cas_was_invoked_is_a_violation() -> None:
    assert check([read("a", 1, 2), cas(None, "a", None, 3, None), read("a", 4, 5)]) is not None


def test_reads_that_flip_from_old_to_new_to_old_are_a_violation() -> None:
    # write new  3-----------------------10
    # read            4--5  6--7  8--9
    history = [write("old", 1, 2), write("new", 3, 10)]
    flips = [read("old", 4, 5), read("new", 6, 7), read("old", 8, 9)]
    assert check(history + flips[:2]) is None
    assert check(history + flips) is not None


def test_an_unknown_write_that_appears_then_vanishes_is_a_violation() -> None:
    history = [write("a", 1, 2), write("b", 3, None), read("b", 4, 5), read("a", 6, 7)]
    assert check(history) is not None


def test_an_unknown_write_that_appears_twice_is_a_violation() -> None:
    history = [
        write("b", 1, None),
        read("b", 2, 3),
        write("a", 4, 5),
        read("a", 6, 7),
        read("b", 8, 9),
    ]
    assert check(history[:4]) is None
    assert check(history) is not None


def test_an_unknown_cas_does_not_take_effect_from_another_value() -> None:
    assert check([write("a", 1, 2), cas("x", "b", None, 3, None), read("b", 4, 5)]) is not None


def test_a_read_that_sees_the_value_of_a_failed_cas_is_a_violation() -> None:
    history = [write("a", 1, 2), cas("x", "b", False, 3, 4), read("b", 5, 6)]
    assert check(history[:2]) is None
    assert check(history) is not None


def test_a_cas_that_failed_on_the_value_it_expected_is_a_violation() -> None:
    assert check([write("a", 1, 2), cas("a", "b", False, 3, 4)]) is not None


@pytest.mark.parametrize("seen", [True, 1.0])
def test_a_value_that_comes_back_with_another_type_is_a_violation(seen: object) -> None:
    assert check([write(1, 1, 2), read(seen, 3, 4)]) is not None


# What the answer says.


def test_a_violation_names_the_key_the_prefix_and_what_cannot_come_next() -> None:
    sound = [write("a", 1, 2, key="sound"), read("a", 3, 4, key="sound")]
    acknowledged, stale = write("b", 5, 6, key="torn"), read(None, 7, 8, key="torn")
    violation = check([*sound, acknowledged, stale])
    assert violation is not None
    assert violation.key == "torn"
    assert violation.prefix == (acknowledged,)
    assert violation.blocked == (stale,)
    assert violation.explanation == (
        "Key 'torn' is not linearizable. Longest prefix found: write 'b' [5, 6]. "
        "It leaves 'b', and none of these can come next: read -> None [7, 8]."
    )


def test_a_violation_shows_only_the_end_of_a_long_prefix() -> None:
    history = [write(i, 2 * i, 2 * i + 1) for i in range(20)]
    violation = check([*history, read("lost", 100, 101)])
    assert violation is not None
    assert violation.prefix == tuple(history)
    assert "(12 earlier); write 12 [24, 25]; " in violation.explanation


def test_the_checker_gives_up_rather_than_pass_an_undecided_history() -> None:
    history = [write(i, i, 100 + i) for i in range(12)]
    with pytest.raises(CheckerGaveUpError, match="'k' is undecided after 500 states"):
        check([*history, read("never written", 200, 201)], max_states=500)


@pytest.mark.parametrize(
    ("kind", "argument", "result", "returned_at"),
    [
        ("delete", None, None, 2),
        ("write", "a", None, 0),
        ("cas", "a", True, 2),
        ("cas", ("a", "b"), None, 2),
    ],
)
def test_an_operation_that_cannot_have_been_observed_is_refused(
    kind: str, argument: object, result: object, returned_at: int
) -> None:
    with pytest.raises(MalformedOperationError):
        Operation("k", kind, argument, result, 1, returned_at)


# What keeps the search small; each history is refuted, so all its states are visited.


def test_concurrent_reads_are_placed_in_one_order_only() -> None:
    history = [read(None, i, 100 + i) for i in range(30)]
    assert check([*history, read("never written", 200, 201)], max_states=31) is not None


def test_unknown_writes_that_nobody_saw_cost_no_states() -> None:
    history = [write(i, i, None) for i in range(30)]
    assert check([*history, read("never written", 200, 201)], max_states=1) is not None


def test_a_set_of_concurrent_writes_is_visited_once_for_each_last_write() -> None:
    # 12 * 2**11 ways to choose a set and its last member, against 12! orders.
    history = [write(i, i, 100 + i) for i in range(12)]
    bound = 1 + 12 * 2**11
    assert check([*history, read("never written", 200, 201)], max_states=bound) is not None


# Random histories: a real register, and every order tried.


@dataclass
class Flight:
    """A call under way at the atomic registers below."""

    key: str
    kind: str
    argument: object
    invoked_at: int
    outcome_is_lost: bool
    result: object = None
    took_effect: bool = False

    def take_effect(self, registers: dict[str, object]) -> None:
        self.took_effect = True
        if self.kind == "read":
            self.result = registers.get(self.key)
        elif self.kind == "write":
            registers[self.key] = self.argument
        else:
            assert isinstance(self.argument, tuple)
            expected, new = self.argument
            self.result = registers.get(self.key) == expected
            if self.result:
                registers[self.key] = new

    def recorded(self, returned_at: int | None) -> Operation:
        result = None if returned_at is None else self.result
        return Operation(self.key, self.kind, self.argument, result, self.invoked_at, returned_at)


@dataclass(frozen=True)
class Workload:
    """What random clients do; each call takes effect at a random instant while it is under way."""

    size: int
    concurrency: int
    unknown_share: float
    keys: Sequence[str] = ("k",)
    values: Sequence[object] = (None, 1, 2)

    def history(self, rng: random.Random) -> list[Operation]:
        registers: dict[str, object] = {}
        flights: list[Flight] = []
        operations: list[Operation] = []
        started = now = 0
        while started < self.size or not all(flight.outcome_is_lost for flight in flights):
            now += 1
            waiting = sum(not flight.outcome_is_lost for flight in flights)
            if started < self.size and (waiting < self.concurrency and rng.random() < 0.6):
                started += 1
                flights.append(self.call(rng, now))
            elif flights:
                operations += self.advance(rng.choice(flights), flights, registers, now)
        return operations + [flight.recorded(None) for flight in flights]

    def call(self, rng: random.Random, now: int) -> Flight:
        kind = rng.choice(("read", "read", "write", "cas"))
        first, second = rng.choice(self.values), rng.choice(self.values)
        argument = {"read": None, "write": first, "cas": (first, second)}[kind]
        return Flight(rng.choice(self.keys), kind, argument, now, rng.random() < self.unknown_share)

    @staticmethod
    def advance(
        flight: Flight, flights: list[Flight], registers: dict[str, object], now: int
    ) -> Iterator[Operation]:
        """Let the call take effect, or return if it already did; yield it once it is over."""
        if not flight.took_effect:
            flight.take_effect(registers)
            if not flight.outcome_is_lost:
                return
        flights.remove(flight)
        yield flight.recorded(None if flight.outcome_is_lost else now)


def with_one_read_changed(
    history: list[Operation], values: Sequence[object], rng: random.Random
) -> list[Operation]:
    """Return the history with one known read showing another value, if it has a known read."""
    reads = [i for i, op in enumerate(history) if op.kind == "read" and op.returned_at is not None]
    if not reads:
        return history
    position = rng.choice(reads)
    others = [value for value in values if value != history[position].result]
    changed = replace(history[position], result=rng.choice(others))
    return [*history[:position], changed, *history[position + 1 :]]


def some_order_is_legal(history: list[Operation]) -> bool:
    """Judge a history of one key by trying every order of every choice of unknown operations."""
    known = [op for op in history if op.returned_at is not None]
    unknown = [op for op in history if op.returned_at is None]
    return any(
        keeps_real_time_order(order) and is_legal_run(order)
        for count in range(len(unknown) + 1)
        for effective in combinations(unknown, count)
        for order in permutations((*known, *effective))
    )


def keeps_real_time_order(order: Sequence[Operation]) -> bool:
    return not any(
        later.returned_at is not None and later.returned_at < earlier.invoked_at
        for earlier, later in combinations(order, 2)
    )


def is_legal_run(order: Sequence[Operation]) -> bool:
    value: object = None
    for operation in order:
        observed = operation.returned_at is not None
        if operation.kind == "write":
            value = operation.argument
        elif operation.kind == "read":
            if observed and operation.result != value:
                return False
        else:
            assert isinstance(operation.argument, tuple)
            expected, new = operation.argument
            if observed and operation.result != (value == expected):
                return False
            value = new if value == expected else value
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_every_history_of_a_real_register_is_linearizable(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        workload = Workload(rng.randint(20, 200), rng.randint(1, 5), 0.1, keys=("a", "b", "c"))
        assert check(workload.history(rng)) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_checker_agrees_with_trying_every_order(seed: int) -> None:
    rng = random.Random(seed)
    verdicts: list[bool] = []
    for _ in range(100):
        workload = Workload(rng.choice((3, 4, 5, 6, 6, 7, 7)), rng.randint(2, 4), 0.25)
        sound = workload.history(rng)
        assert some_order_is_legal(sound)
        assert check(sound) is None
        changed = with_one_read_changed(sound, workload.values, rng)
        verdicts.append(some_order_is_legal(changed))
        assert (check(changed) is None) == verdicts[-1], changed
    # Agreement means little unless both answers came up often.
    assert min(verdicts.count(True), verdicts.count(False)) >= 20


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("values", [range(3), range(1000)], ids=["few values", "many values"])
def test_long_concurrent_histories_of_one_key_need_few_states(
    seed: int, values: Sequence[object]
) -> None:
    history = Workload(300, 4, 0.05, values=values).history(random.Random(seed))
    assert check(history, max_states=20_000) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lost_value_in_a_long_concurrent_history_is_found_in_few_states(seed: int) -> None:
    rng = random.Random(seed)
    sound = Workload(300, 4, 0.05, values=range(1000)).history(rng)
    changed = with_one_read_changed(sound, ["never written"], rng)
    violation = check(changed, max_states=20_000)
    assert violation is not None
    assert "never written" in violation.explanation
