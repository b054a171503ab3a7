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

from django.utils.translation import gettext as _

from ..exceptions import InvariantViolatedError, PeerError, RaftConfigError, noop
from ..language import told as said
from ..memory import MemoryStateMachine
from ..node import Node
from ..storage.examining import Examined, examine
from ..storage.renewal import Told, nobody
from ..storage.transaction import digest_of
from .findings import Finding, error, ok, unknown

REJOIN = noop(
    "Keep a copy of this database for a report; then remove the node, and let it join anew."
)
MAX_SHOWN = 5


def verify(node: Node, *, ask_peers: bool = True, told: Told = nobody) -> list[Finding]:
    """Every finding; those that are wrong say precisely what."""
    found = examine(node.config.database)
    if found is None:
        return [unknown("node", _("it has not begun yet"), _("Start raft_node or raft_tick."))]
    findings = check(found, told)
    if ask_peers:
        findings += check_peers(node, found)
    return findings


def check(found: Examined, told: Told = nobody) -> list[Finding]:
    """This node alone."""
    checks: dict[str, tuple[Callable[[Examined], Iterator[str]], str]] = {
        "indexes": (_wrong_indexes, _("in order")),
        "log": (_wrong_log, _("%d entries, without a gap") % len(found.entries)),
        "snapshot": (_wrong_snapshot, _("as its digest says")),
        "members": (_wrong_members, _("as the log says")),
        "tables": (partial(_wrong_tables, told=told), _("as a replay of the log gives them")),
    }
    findings: list[Finding] = []
    for subject, (wrong, text) in checks.items():
        problems = list(wrong(found))
        findings += [error(subject, each, _(REJOIN)) for each in problems]
        if not problems:
            findings.append(ok(subject, text))
    return findings


def _wrong_indexes(found: Examined) -> Iterator[str]:
    state = found.state
    order = {
        "base": found.base[0],
        "snapshot": state.snapshot_index,
        "last_applied": state.last_applied,
        "commit_index": state.commit_index,
        "last_log_index": state.last_log_index,
    }
    for (low, below), (high, above) in pairwise(order.items()):
        if below > above:
            facts = {"low": low, "below": below, "high": high, "above": above}
            yield _("%(low)s (%(below)d) is above %(high)s (%(above)d)") % facts
    if state.last_log_term > state.current_term:
        facts = {"term": state.last_log_term, "current": state.current_term}
        yield _("the last entry's term, %(term)d, is above %(current)d") % facts


def _wrong_log(found: Examined) -> Iterator[str]:
    index, term = found.base
    for entry in found.entries:
        facts = {"index": entry.index, "before": index, "missing": index + 1}
        if entry.index != index + 1:
            yield _("entry %(missing)d is missing: %(index)d follows on %(before)d") % facts
        if entry.term < term:
            terms = {"index": entry.index, "high": term, "low": entry.term}
            yield _("the term falls from %(high)d to %(low)d at entry %(index)d") % terms
        index, term = entry.index, entry.term
    if (index, term) != (found.state.last_log_index, found.state.last_log_term):
        yield _(
            "it ends at %(index)d of term %(term)d, and should at %(last)d of term %(last_term)d"
        ) % {
            "index": index,
            "term": term,
            "last": found.state.last_log_index,
            "last_term": found.state.last_log_term,
        }


def _wrong_snapshot(found: Examined) -> Iterator[str]:
    meta, state = found.snapshot, found.state
    if meta is None:
        if state.snapshot_index:
            yield _("it is missing, and should stand at %d") % state.snapshot_index
        return
    if meta.last_included_index != state.snapshot_index:
        facts = {"found": meta.last_included_index, "wanted": state.snapshot_index}
        yield _("it stands at %(found)d, and should at %(wanted)d") % facts
    if (len(found.snapshot_data), digest_of(found.snapshot_data)) != (meta.size_bytes, meta.digest):
        yield _("its bytes are not those that were stored")


def _wrong_members(found: Examined) -> Iterator[str]:
    configurations = [each.configuration for each in found.entries if each.configuration]
    if found.snapshot is not None:
        configurations.insert(0, found.snapshot.configuration)
    own = found.state.configuration
    if configurations and max(configurations, key=lambda each: each.index) != own:
        yield _("those that count, of index %d, are not the latest ones of the log") % own.index
    if found.members.members != own.members:
        names = {"table": ", ".join(found.members.by_id), "own": ", ".join(own.by_id)}
        yield _("the table of members (%(table)s) is not what counts (%(own)s)") % names


def _wrong_tables(found: Examined, told: Told) -> Iterator[str]:
    try:
        expected = replay(found, found.state.last_applied, told)
    except RaftConfigError as problem:
        yield _("the log cannot be replayed: %s") % said(problem)
        return
    except ValueError:
        yield _("the log cannot be replayed: %s") % _("the snapshot is no snapshot")
        return
    if expected != found.data:
        yield from _differences(json.loads(expected), json.loads(found.data))
    if found.values_hash != found.expected_hash:
        yield _("the rolling hash of the values is not that of the values")


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
        raise InvariantViolatedError(
            noop("entry %(index)d is missing, or before the snapshot"), index=index + 1
        )
    return machine.snapshot()


def _differences(expected: dict[str, Any], actual: dict[str, Any]) -> Iterator[str]:
    """Which rows differ; no value is shown, it may be a secret."""
    for section, wanted in expected.items():
        should, is_now = _keyed(wanted), _keyed(actual.get(section))
        names = sorted(each for each in {*should, *is_now} if should.get(each) != is_now.get(each))
        if names:
            shown = ", ".join(names[:MAX_SHOWN]) + (", …" if len(names) > MAX_SHOWN else "")
            facts = {"section": section, "count": len(names), "names": shown}
            yield _("%(section)s differ from the replay of the log in %(count)d: %(names)s") % facts


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
    subject = _("node %(node)s") % {"node": peer}
    try:
        answer = node.transport.call(peer, node.address_of(peer), "digest", {}, seconds)
    except (PeerError, RaftConfigError) as problem:
        return unknown(subject, _not_compared(said(problem)))
    index, digest = int(str(answer["index"])), answer["digest"]
    if not node.wait_until_applied(index, node.config.write_timeout_seconds):
        why = _("it has applied %d, and this node has not yet") % index
        return unknown(subject, _not_compared(why))
    own = examine(node.config.database)
    if own is None or index < own.state.snapshot_index:
        return unknown(subject, _not_compared(_("index %d is compacted here already") % index))
    try:
        expected = digest_of(replay(own, index))
    except (RaftConfigError, ValueError) as problem:
        return unknown(subject, _not_compared(said(problem)))
    if digest != expected:
        text = _("it holds other values, history or schedules at index %d than this node's log")
        remedy = _("Run raft_verify there as well.")
        return error(subject, text % index, f"{remedy} {_(REJOIN)}")
    return ok(subject, _("the same at index %d") % index)


def _not_compared(why: str) -> str:
    return _("not compared: %s") % why
