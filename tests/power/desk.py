"""A real node whose peers agree with everything, on one thread: the same seed does the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raft_config.conf import RaftConfig, get_config
from raft_config.core.messages import Envelope
from raft_config.news import News
from raft_config.node import Node

from ..peers import Clock, consent, reply_to


class Desk:
    """Stands for the courier: what is posted waits here until `answer` is called."""

    def __init__(self, node: Node, on_post: Callable[[Envelope], None]) -> None:
        self._node = node
        self._on_post = on_post
        self._posted: list[Envelope] = []

    def post(self, envelope: Envelope, _base_url: str) -> None:
        self._on_post(envelope)
        self._posted.append(envelope)

    def answer(self) -> None:
        """Let the peers answer what has been posted so far; if nothing was, let time pass."""
        if not self._posted:
            self._node.clock.skipped += 0.3
            self._node.tick()
        posted = list(self._posted)
        self._posted.clear()
        replies = [reply_to(each, consent(each.message)) for each in posted]
        if replies:
            self._node._take_replies(replies)

    def take_replies(self) -> list[Envelope]:
        return []

    def refusals(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def forget(self) -> None:
        """What is under way is lost."""
        self._posted.clear()


class DeskNews(News):
    """There is news once the peers have answered, and nobody else brings any."""

    def __init__(self, config: RaftConfig, desk: Desk) -> None:
        super().__init__(config)
        self._desk = desk

    def wait(self, _seen: tuple[int, int], _seconds: float, *, index: int = 0) -> None:
        self._desk.answer()


def ignore(_envelope: Envelope) -> None:
    """Nobody writes down what is sent."""


def make_node(on_post: Callable[[Envelope], None] = ignore) -> Node:
    """The node of the configuration in force."""
    config, clock = get_config(), Clock()
    node = Node(config, None, clock=clock, monotonic=clock, jitter=lambda: 0.5)
    node.courier = Desk(node, on_post)
    node.news = DeskNews(config, node.courier)
    return node


def elect(node: Node) -> None:
    """Let its patience end, and its peers consent, until what it has is applied."""
    node.courier.forget()
    for _ in range(50):
        node.clock.skipped += 10.0
        node.tick()
        for _ in range(10):
            node.courier.answer()
        state = node.state
        if state.is_leader and state.last_applied == state.last_log_index:
            return
    raise AssertionError(f"it was not elected: {node.state}")
