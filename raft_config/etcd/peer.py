"""etcd as the peer that leads: what a leader is asked (`propose`, `read_index`, ...) goes to it.

That is all of the seam above a node: whoever has a change asks for the leader, and hands it over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..conf import ETCD
from ..core.messages import Envelope
from ..exceptions import PeerRejectedError, noop

Answers = Mapping[str, Callable[[dict[str, Any], float], dict[str, object]]]
"""By the name of a call: what is answered to its payload, within so many seconds."""


class EtcdPeer:
    """A `transport.courier.Transport` that reaches etcd, and nobody else."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def send(self, envelope: Envelope, _base_url: str) -> Envelope:
        """See `Transport`; what nodes take in comes by `node.pull`."""
        raise PeerRejectedError(
            noop("Node %(node)s takes no messages: etcd leads."), node=envelope.recipient
        )

    def call(
        self,
        receiver_id: str,
        base_url: str,
        name: str,
        payload: dict[str, object],
        timeout_seconds: float,
    ) -> dict[str, object]:
        """See `Transport`."""
        if receiver_id != ETCD or name not in self._answers:
            raise PeerRejectedError(
                noop(
                    "Node %(node)s at %(url)s is not asked for %(name)r: with etcd, nodes do not "
                    "speak to each other."
                ),
                node=receiver_id,
                url=base_url or "-",
                name=name,
            )
        return self._answers[name](payload, timeout_seconds)

    def identify(self, base_url: str) -> str:
        """See `Transport`."""
        raise PeerRejectedError(
            noop("%(url)s cannot be joined: with etcd, a node needs ETCD alone."), url=base_url
        )
