"""Decide whether what the clients saw could have come from one atomic register per key.

A history is linearizable (Herlihy & Wing 1990) when each operation can be given one instant
between its call and its return such that, taken in the order of those instants, the operations
are a legal run of a single register. The property is local: it holds for the whole exactly when
it holds for each key, so keys are searched apart. The search places one operation after another
(Wing & Gong 1993) and never visits the same set of placed operations with the same value twice
(Lowe 2017, Porcupine). Two rules keep it small without losing an answer:

* A read, or a cas that failed, is placed as soon as it is legal: it changes nothing, so placing
  it early cannot spoil a later step.
* An operation of unknown outcome may take effect at any time after its call, or never. It is
  tried only where it makes legal an operation that is illegal now; in a solution with as few
  unknown operations as possible, each placed as late as possible, each one has such a successor.

Times are only compared. Callers number events with unique, increasing integers; should two times
tie all the same, the operations count as concurrent, which can hide a violation but never invent
one. Values are equal when their types and their contents are: 1, 1.0 and True are three values.
An operation known to have had no effect (refused before it was proposed) does not belong in a
history. Nothing here knows of Raft, of clocks or of the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

KINDS = ("read", "write", "cas")
EXPLAINED_PREFIX_LENGTH = 8


class MalformedOperationError(ValueError):
    """The recorder of the history is at fault: the operation could not have been observed."""


class CheckerGaveUpError(Exception):
    """The history is too tangled to decide within the bound; this is not a pass."""

    def __init__(self, key: str, max_states: int) -> None:
        self.key = key
        self.max_states = max_states
        super().__init__(
            f"Key {key!r} is undecided after {max_states} states; "
            "check a shorter history or raise max_states."
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """One client call, and what the client learned of it."""

    key: str
    kind: str  # one of KINDS
    argument: object  # write: the value; cas: (expected, new); read: None
    result: object  # read: the value, None when unset; cas: whether it took effect; write: ignored
    invoked_at: float
    returned_at: float | None  # None: outcome unknown, and then `result` is ignored

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise MalformedOperationError(f"Kind {self.kind!r} is none of {', '.join(KINDS)}.")
        if self.returned_at is not None and self.returned_at < self.invoked_at:
            raise MalformedOperationError(f"{self} returned before it was invoked.")
        if self.kind == "cas":
            self._validate_cas()

    def _validate_cas(self) -> None:
        if not isinstance(self.argument, tuple) or len(self.argument) != 2:
            raise MalformedOperationError(f"{self} needs (expected, new) as its argument.")
        if self.returned_at is not None and not isinstance(self.result, bool):
            raise MalformedOperationError(f"{self} returned, so its result must be True or False.")

    def __str__(self) -> str:
        returned_at = "?" if self.returned_at is None else self.returned_at
        outcome = "" if self.kind == "write" or self.returned_at is None else f" -> {self.result!r}"
        argument = "" if self.kind == "read" else f" {self.argument!r}"
        return f"{self.kind}{argument}{outcome} [{self.invoked_at}, {returned_at}]"


@dataclass(frozen=True, slots=True)
class Violation:
    """The proof that failed: after `prefix`, none of `blocked` can come next."""

    key: str
    explanation: str
    prefix: tuple[Operation, ...]
    blocked: tuple[Operation, ...]


def check(
    history: Iterable[Operation], initial: object = None, *, max_states: int = 200_000
) -> Violation | None:
    """Return None if the history is linearizable, else the violation of the first such key.

    `initial` is the value every key starts with. `max_states` bounds the search of each key;
    beyond it CheckerGaveUpError is raised.
    """
    by_key: dict[str, list[Operation]] = {}
    for operation in history:
        by_key.setdefault(operation.key, []).append(operation)
    for key, operations in by_key.items():
        violation = _Search(key, operations, initial).run(max_states)
        if violation is not None:
            return violation
    return None


class _ValueCodes:
    """A number for each distinct value, so that unhashable values can be memoised as well."""

    def __init__(self) -> None:
        self._entries: list[tuple[type, object]] = []

    def encode(self, value: object) -> int:
        entry = (type(value), value)
        try:
            return self._entries.index(entry)
        except ValueError:
            self._entries.append(entry)
            return len(self._entries) - 1

    def decode(self, code: int) -> object:
        return self._entries[code][1]


class _Step(NamedTuple):
    """An operation as a rule on the coded value of the register."""

    bit: int  # this step's place in the set of placed steps
    operation: Operation
    requires: int | None = None  # legal from this value only
    forbids: int | None = None  # legal from any value but this
    writes: int | None = None  # None: never changes the value

    def applied_to(self, value: int) -> int | None:
        """Return the value afterwards, or None if the step is illegal from `value`."""
        if self.requires is not None and value != self.requires:
            return None
        if value == self.forbids:
            return None
        return value if self.writes is None else self.writes


def _step(bit: int, operation: Operation, codes: _ValueCodes) -> _Step:
    """State what the operation demands of the register and does to it."""
    if operation.kind == "read":
        return _Step(bit, operation, requires=codes.encode(operation.result))
    if operation.kind == "write":
        return _Step(bit, operation, writes=codes.encode(operation.argument))
    assert isinstance(operation.argument, tuple)
    expected, new = (codes.encode(value) for value in operation.argument)
    if operation.returned_at is not None and operation.result is False:
        return _Step(bit, operation, forbids=expected)
    # A cas of a value to itself demands as much as a read, and does no more.
    return _Step(bit, operation, requires=expected, writes=new if new != expected else None)


class _Node(NamedTuple):
    """A legal run so far: which steps it placed, and the value they leave."""

    placed: int  # a bitmask over _Step.bit
    value: int
    known_count: int  # how many of the placed steps have a known outcome
    last: _Step | None = None
    parent: _Node | None = None

    def followed_by(self, step: _Step) -> _Node | None:
        """Place `step` next; None if it is illegal here."""
        value = step.applied_to(self.value)
        if value is None:
            return None
        known_count = self.known_count + (step.operation.returned_at is not None)
        return _Node(self.placed | step.bit, value, known_count, step, self)

    def operations(self) -> tuple[Operation, ...]:
        """Return the run, first operation first."""
        backwards: list[Operation] = []
        node: _Node | None = self
        while node is not None and node.last is not None:
            backwards.append(node.last.operation)
            node = node.parent
        return tuple(reversed(backwards))


class _Search:
    """The search for a legal order of the operations on one key."""

    def __init__(self, key: str, operations: Iterable[Operation], initial: object) -> None:
        ordered = sorted(operations, key=lambda operation: operation.invoked_at)
        known = [item for item in ordered if item.returned_at is not None]
        # A read nobody saw the result of constrains nothing.
        unknown = [item for item in ordered if item.returned_at is None and item.kind != "read"]
        self._key = key
        self._codes = _ValueCodes()
        self._initial = self._codes.encode(initial)
        steps = [_step(1 << i, item, self._codes) for i, item in enumerate(known + unknown)]
        # Known steps hold the low bits, and both lists are in the order of invocation.
        self._known, self._unknown = steps[: len(known)], steps[len(known) :]

    def run(self, max_states: int) -> Violation | None:
        """Search depth first until every known step is placed or nothing is left to try."""
        deepest = _Node(0, self._initial, 0)
        stack = [deepest]
        seen = {(deepest.placed, deepest.value)}
        while stack:
            node = stack.pop()
            if node.known_count == len(self._known):
                return None
            if node.known_count > deepest.known_count:
                deepest = node
            for successor in self._successors(node):
                if (successor.placed, successor.value) not in seen:
                    seen.add((successor.placed, successor.value))
                    stack.append(successor)
            if len(seen) > max_states:
                raise CheckerGaveUpError(self._key, max_states)
        return self._violation(deepest)

    def _successors(self, node: _Node) -> list[_Node]:
        """Return the nodes worth visiting after this one, the most promising last."""
        ready, deadline = self._ready(node.placed)
        certain: list[_Node] = []
        blocked: list[_Step] = []
        for step in ready:
            successor = node.followed_by(step)
            if successor is None:
                blocked.append(step)
            elif step.writes is None:
                return [successor]
            else:
                certain.append(successor)
        return [*self._unblocking(node, blocked, deadline), *reversed(certain)]

    def _ready(self, placed: int) -> tuple[list[_Step], float]:
        """Return the known steps no unplaced one precedes, and the earliest return among them."""
        ready: list[_Step] = []
        deadline = math.inf
        lowest_unplaced = (~placed & (placed + 1)).bit_length() - 1
        for step in self._known[lowest_unplaced:]:
            if step.operation.invoked_at > deadline:
                break
            if not placed & step.bit:
                ready.append(step)
                assert step.operation.returned_at is not None
                deadline = min(deadline, step.operation.returned_at)
        return ready, deadline

    def _unblocking(self, node: _Node, blocked: list[_Step], deadline: float) -> Iterator[_Node]:
        """Yield the nodes where an unknown step took effect and made a blocked step legal."""
        if not blocked:
            return
        unknown = [
            step
            for step in self._unknown
            if not node.placed & step.bit and step.operation.invoked_at <= deadline
        ]
        # An unknown cas is worth enabling too: it may in turn enable a known step.
        customers = blocked + [step for step in unknown if step.requires is not None]
        tried: set[tuple[int | None, int | None]] = set()
        for step in unknown:
            successor = node.followed_by(step)
            # Of several with the same rule any one will do: each stays available for ever.
            if successor is None or (step.requires, step.writes) in tried:
                continue
            tried.add((step.requires, step.writes))
            if _unblocks(customers, node.value, successor.value):
                yield successor

    def _violation(self, deepest: _Node) -> Violation:
        prefix = deepest.operations()
        blocked = tuple(step.operation for step in self._ready(deepest.placed)[0])
        shown = [str(operation) for operation in prefix[-EXPLAINED_PREFIX_LENGTH:]]
        if len(shown) < len(prefix):
            shown.insert(0, f"({len(prefix) - len(shown)} earlier)")
        explanation = (
            f"Key {self._key!r} is not linearizable. Longest prefix found: "
            f"{'; '.join(shown) or '(empty)'}. "
            f"It leaves {self._codes.decode(deepest.value)!r}, and none of these can come next: "
            f"{'; '.join(map(str, blocked))}."
        )
        return Violation(self._key, explanation, prefix, blocked)


def _unblocks(customers: list[_Step], before: int, after: int) -> bool:
    """Tell whether some step is illegal from `before` and legal from `after`."""
    return any(
        step.applied_to(before) is None and step.applied_to(after) is not None for step in customers
    )
