"""Which node does what only one needs to do: it holds a key that etcd takes away if it dies.

Nothing rests on it: what is fired twice is made once, and what is trimmed twice is trimmed. It
saves the others from doing the same, and `tasks.leader_only` asks it.
"""

from __future__ import annotations

import time
from typing import Final

from .gateway import Gateway, decoded, encoded

LEASE_SECONDS: Final = 6
RENEWED_SECONDS: Final = 2.0


class Lease:
    """The driver of each node tries to hold it."""

    def __init__(self, gateway: Gateway, key: str, node_id: str) -> None:
        self._gateway = gateway
        self._key = encoded(key.encode())
        self._node_id = node_id
        self._lease = ""
        self._asked_at = -LEASE_SECONDS * 1.0
        self._held_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether this process got it, and it cannot have run out since."""
        return time.monotonic() < self._held_until

    def holder(self) -> str:
        """The node that holds it, as etcd knows at this moment; "" for none."""
        found = self._gateway.ask("kv/range", {"key": self._key}).get("kvs")
        return decoded(found[0]["value"]).decode() if found else ""

    def hold(self) -> None:
        """Get it if it is free, keep it if it is ours; asks only so often."""
        now = time.monotonic()
        if now - self._asked_at < RENEWED_SECONDS:
            return
        self._asked_at = now
        if (self._lease and self._renew()) or self._take():
            self._held_until = now + LEASE_SECONDS

    def _renew(self) -> bool:
        answer = self._gateway.ask("lease/keepalive", {"ID": self._lease})
        if int(answer.get("result", {}).get("TTL", 0)) > 0:
            return True
        self._lease = ""
        return False

    def _take(self) -> bool:
        if self.holder():
            return False
        granted = self._gateway.ask("lease/grant", {"TTL": str(LEASE_SECONDS)})
        put = {"key": self._key, "value": encoded(self._node_id.encode()), "lease": granted["ID"]}
        is_free = {"key": self._key, "target": "VERSION", "result": "EQUAL", "version": "0"}
        content = {"compare": [is_free], "success": [{"request_put": put}]}
        if not self._gateway.ask("kv/txn", content).get("succeeded"):
            return False
        self._lease = granted["ID"]
        return True
