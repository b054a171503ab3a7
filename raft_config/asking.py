"""What the other members say of themselves, all of them asked at once, and nobody waited for.

Each is asked in a thread of its own, for a second at the most, and once a second by each process
however many look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from .exceptions import PeerUnavailableError, PeerUnreachableError
from .language import told
from .node import Node
from .operations import Facts

PATIENCE_SECONDS = 0.8
ASKED_ANEW_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer said of itself."""

    facts: Facts | None
    problem: str = ""
    is_late: bool = False
    """It may well be there: it was only not asked, or not answered, in time."""
    is_refusal: bool = False
    """It answered, and refuses this node."""
    offset_seconds: float | None = None
    """By how much its clock is ahead of ours; half the way there and back is its error."""


class _Asked:
    """The last answers of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.node: Node | None = None
        self.at = 0.0
        self.answers: dict[str, Answer] = {}


_asked = _Asked()


def asked(node: Node) -> dict[str, Answer]:
    """What each peer says of itself, at most a second old."""
    with _asked.lock:  # whoever comes meanwhile gets the same answers
        if _asked.node is not node or time.monotonic() - _asked.at > ASKED_ANEW_SECONDS:
            _asked.answers = collect(begin_asking(node), PATIENCE_SECONDS)
            _asked.node, _asked.at = node, time.monotonic()
        return _asked.answers


def begin_asking(node: Node) -> dict[str, Future[Answer]]:
    """Ask every peer in a thread of its own, which speaks HTTP and nothing else."""
    members = node.state.configuration.members
    peers = {each.node_id: each.address for each in members if each.node_id != node.node_id}
    if not peers:
        return {}
    pool = ThreadPoolExecutor(len(peers), "raft-ask")
    try:
        return {each: pool.submit(_ask, node, each, address) for each, address in peers.items()}
    finally:
        pool.shutdown(wait=False)


def collect(futures: Mapping[str, Future[Answer]], seconds: float) -> dict[str, Answer]:
    """What was answered in that time, and why nothing was."""
    done, _late = wait(futures.values(), timeout=seconds)
    return {
        node_id: _answer_of(future) if future in done else Answer(None, _silence(), is_late=True)
        for node_id, future in futures.items()
    }


def _answer_of(future: Future[Answer]) -> Answer:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, PeerUnreachableError):
        nobody = _("nobody listens at its address. Start its web server, or look for a firewall.")
        return Answer(None, nobody)
    if isinstance(error, PeerUnavailableError):
        return Answer(None, _silence(), is_late=True)
    return Answer(None, told(error), is_refusal=True)


def _silence() -> str:
    return _("it gives no answer in time. Look at its web server and its log.")


def _ask(node: Node, node_id: str, address: str) -> Answer:
    """On a thread of its own, which knows no language: errors become words in `collect`."""
    sent_at = time.time()
    found: Any = node.transport.call(node_id, address, "describe", {}, PATIENCE_SECONDS)
    facts = Facts(**found)
    middle = (sent_at + time.time()) / 2
    return Answer(facts, offset_seconds=facts.clock_ms / 1000 - middle)
