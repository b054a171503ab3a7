"""Whether a node's tables are what its log says, and its peers' the same.

Everything is read under the node's lock, and checked afterwards. The values, the schedules, the
history and the answers are derived once more, by the state machine in memory, from the snapshot and
the log behind it. Nothing is ever repaired here: a node that is wrong joins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from ..exceptions import InvariantViolatedError, PeerError, RaftConfigError
from ..memory import MemoryStateMachine
from ..node import Node
from ..storage.examining import Examined, examine
from ..storage.renewal import Told, nobody
from ..storage.transaction import digest_of
from .findings import Finding, error, ok, unknown

REJOIN = "Keep a copy of this database for a report; then remove the node, and let it join anew."
MAX_SHOWN = 5


def verify(node: Node, *, ask_peers: bool = True, told: Told = nobody) -> list[Finding]:
    """Every finding; those that are wrong say precisely what."""
    found = examine(node.config.database)
    if found is None:
        return [unknown("node", "it has not begun yet", "Start raft_node or raft_tick.")]
    findings = check(found, told)
    if ask_peers:
        findings += check_peers(node, found)
    return findings


def check(found: Examined, told: Told = nobody) -> list[Finding]:
    """This node alone."""
    checks: dict[str, tuple[Callable[[Examined], Iterator[str]], str]] = {
        "indexes": (_wrong_indexes, "in order"),
        "log": (_wrong_log, f"{len(found.entries)} entries, without a gap"),
        "snapshot": (_wrong_snapshot, "as its digest says"),
        "members": (_wrong_members, "as the log says"),
        "tables": (partial(_wrong_tables, told=told), "as a replay of the log gives them"),
    }
    findings: list[Finding] = []
    for subject, (wrong, text) in checks.items():
        problems = list(wrong(found))
        findings += [error(subject, each, REJOIN) for each in problems]
        if not problems:
            findings.append(ok(subject, text))
    return findings


def _wrong_indexes(found: Examined) -> Iterator[str]:
    state = found.state
    order = {
        "base": found.base[0],
        "snapshot": state.snapshot_index,
        "last applied": state.last_applied,
        "committed": state.commit_index,
        "last": state.last_log_index,
    }
    for (low, below), (high, above) in pairwise(order.items()):
        if below > above:
            yield f"{low} ({below}) is above {high} ({above})"
    if state.last_log_term > state.current_term:
        yield f"the last entry's term, {state.last_log_term}, is above {state.current_term}"


def _wrong_log(found: Examined) -> Iterator[str]:
    index, term = found.base
    for entry in found.entries:
        if entry.index != index + 1:
            yield f"entry {index + 1} is missing: {entry.index} follows on {index}"
        if entry.term < term:
            yield f"the term falls from {term} to {entry.term} at entry {entry.index}"
        index, term = entry.index, entry.term
    if (index, term) != (found.state.last_log_index, found.state.last_log_term):
        last = (found.state.last_log_index, found.state.last_log_term)
        yield f"it ends at {index} of term {term}, and should at {last[0]} of term {last[1]}"


def _wrong_snapshot(found: Examined) -> Iterator[str]:
    meta, state = found.snapshot, found.state
    if meta is None:
        if state.snapshot_index:
            yield f"it is missing, and should stand at {state.snapshot_index}"
        return
    if meta.last_included_index != state.snapshot_index:
        yield f"it stands at {meta.last_included_index}, and should at {state.snapshot_index}"
    if (len(found.snapshot_data), digest_of(found.snapshot_data)) != (meta.size_bytes, meta.digest):
        yield "its bytes are not those that were stored"


def _wrong_members(found: Examined) -> Iterator[str]:
    configurations = [each.configuration for each in found.entries if each.configuration]
    if found.snapshot is not None:
        configurations.insert(0, found.snapshot.configuration)
    own = found.state.configuration
    if configurations and max(configurations, key=lambda each: each.index) != own:
        yield f"those that count, of index {own.index}, are not the latest ones of the log"
    if found.members.members != own.members:
        names = ", ".join(found.members.by_id)
        yield f"the table of members ({names}) is not what counts ({', '.join(own.by_id)})"


def _wrong_tables(found: Examined, told: Told) -> Iterator[str]:
    try:
        expected = replay(found, found.state.last_applied, told)
    except RaftConfigError as problem:
        yield f"the log cannot be replayed: {problem}"
        return
    except ValueError:
        yield "the log cannot be replayed: the snapshot is no snapshot"
        return
    if expected != found.data:
        yield from _differences(json.loads(expected), json.loads(found.data))
    if found.values_hash != found.expected_hash:
        yield "the rolling hash of the values is not that of the values"


def replay(found: Examined, through: int, told: Told = nobody) -> bytes:
    """The state machine at an index from the snapshot's on, derived once more.

    Raises InvariantViolatedError where the log does not reach, and as the machine does.
    """
    machine = MemoryStateMachine()
    machine.restore(found.snapshot_data)
    first = index = found.state.snapshot_index
    for entry in found.entries:
        if not index < entry.index <= through:
            continue
        told(entry.index - first, through - first)
        index += 1
        if entry.index != index:
            break
        if entry.command:
            machine.apply(entry.index, entry.command)
    if index != through:
        raise InvariantViolatedError(f"entry {index + 1} is missing, or before the snapshot")
    return machine.snapshot()


def _differences(expected: dict[str, Any], actual: dict[str, Any]) -> Iterator[str]:
    """Which rows differ; no value is shown, it may be a secret."""
    for section, wanted in expected.items():
        should, is_now = _keyed(wanted), _keyed(actual.get(section))
        names = sorted(each for each in {*should, *is_now} if should.get(each) != is_now.get(each))
        if names:
            more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
            shown = ", ".join(names[:MAX_SHOWN])
            yield f"{section} differ from the replay of the log: {shown}{more}"


def _keyed(rows: Any) -> dict[str, Any]:
    if isinstance(rows, dict):
        return rows
    return {str(row[0]): row for row in rows} if isinstance(rows, list) else {"": rows}


# -- the peers


def check_peers(node: Node, found: Examined) -> list[Finding]:
    """Whether each peer that answers has the same, at the index up to which it has applied."""
    members = found.state.configuration.members
    return [_check_peer(node, each.node_id) for each in members if each.node_id != node.node_id]


def _check_peer(node: Node, peer: str) -> Finding:
    seconds = node.config.rpc_timeout_seconds
    subject = f"node {peer}"
    try:
        answer = node.transport.call(peer, node.address_of(peer), "digest", {}, seconds)
    except (PeerError, RaftConfigError) as problem:
        return unknown(subject, f"not compared: {problem}")
    index, digest = int(str(answer["index"])), answer["digest"]
    if not node.wait_until_applied(index, node.config.write_timeout_seconds):
        return unknown(subject, f"not compared: it has applied {index}, and this node has not yet")
    own = examine(node.config.database)
    if own is None or index < own.state.snapshot_index:
        return unknown(subject, f"not compared: index {index} is compacted here already")
    try:
        expected = digest_of(replay(own, index))
    except (RaftConfigError, ValueError) as problem:
        return unknown(subject, f"not compared: {problem}")
    if digest != expected:
        text = f"it holds other values, history or schedules at index {index} than this node's log"
        return error(subject, text, f"Run raft_verify there as well. {REJOIN}")
    return ok(subject, f"the same at index {index}")
