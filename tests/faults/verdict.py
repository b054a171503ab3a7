"""What a run must leave behind: a linearizable history, all that was acknowledged, equal nodes."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.databases import check_invariants, rows
from tests.simulation.linearizability import CheckerGaveUpError, Operation, check

from .clients import Clients
from .cluster import FaultyCluster

MAX_STATES = 1_000_000
"""Of the search for an order; a history that needs more is not passed."""

QUIET_SECONDS = 10.0

CHANGES = "select name, \"index\", new_text from raft_config_change where name like 'REGISTER%'"

CONTEXT_CHARACTERS = 12_000
"""A traceback names its error at its end."""

TROUBLE = re.compile(r"Traceback|Internal Server Error|InvariantViolated|\bCRITICAL\b")


def violations(cluster: FaultyCluster, clients: Clients, *, excused: str = "") -> Iterator[str]:
    """Everything that is wrong, in words. `excused`: what logs may say during this fault."""
    yield from clients.unexpected[:5]
    yield from disorder(clients.history)
    for node_id in cluster.node_ids:
        found = [tuple(row) for row in rows(cluster, node_id, CHANGES)]
        yield from (f"{node_id} {text}" for text in lost(found, clients))
    yield from unequal(cluster)
    yield from told_by_logs(cluster, excused)


def unequal(cluster: FaultyCluster) -> Iterator[str]:
    """How the databases differ. They are read one after the other, so quiet is waited for.

    A node may still be busy with what a client has given up.
    """
    found = _difference(cluster)
    deadline = time.monotonic() + QUIET_SECONDS
    while found and time.monotonic() < deadline:
        time.sleep(0.2)
        found = _difference(cluster)
    if found:
        yield f"The databases differ: {cluster.states()} {found[:1000]}"


def _difference(cluster: FaultyCluster) -> str:
    try:
        check_invariants(cluster, cluster.node_ids)
    except AssertionError as error:
        return str(error) or "an invariant does not hold"
    return ""


def disorder(history: list[Operation]) -> Iterator[str]:
    """Why the history has no order, if it has none; no answer is no pass."""
    try:
        found = check(history, max_states=MAX_STATES)
    except CheckerGaveUpError as error:
        yield str(error)
    else:
        if found is not None:
            yield found.explanation


def lost(changes: list[tuple], clients: Clients) -> Iterator[str]:
    """What was acknowledged, or seen, and is not in a node's history; what is in it twice."""
    entries = {(name, index): text or "" for name, index, text in changes}
    for kind, claims in (("lost", clients.acknowledged), ("never had", clients.seen_locally)):
        for each in claims:
            if each.value not in entries.get((each.name, each.index), ""):
                yield f"{kind} {each}"
    values = Counter(text for _, _, text in changes if text is not None)
    # A value is unique, and set by one request.
    yield from (f"applied {text} {times} times" for text, times in values.items() if times > 1)


def told_by_logs(cluster: FaultyCluster, excused: str) -> Iterator[str]:
    """Tracebacks and secrets in any log of any process."""
    for node_id in cluster.node_ids:
        for path in sorted(cluster.cluster.node(node_id).log_folder.glob("*.log")):
            text = unread(path)
            if any(each in text for each in (*cluster.secrets, CARD_KEY)):
                yield f"{node_id}: {path.name} tells a secret."
            for found in TROUBLE.finditer(text):
                context = text[found.start() : found.start() + CONTEXT_CHARACTERS]
                if not (excused and re.search(excused, context)):
                    yield f"{node_id}: {path.name} says {context[:3000]}"
                    break


CARD_KEY = "sk_faults_4242424242424242"
"""The content of a secret setting, which no log may tell."""

_read_up_to: dict[Path, int] = {}


def unread(path: Path) -> str:
    """What was written to a log since this was asked last."""
    with path.open("rb") as log:
        log.seek(_read_up_to.get(path, 0))
        found = log.read()
    _read_up_to[path] = _read_up_to.get(path, 0) + len(found)
    return found.decode(errors="replace")
