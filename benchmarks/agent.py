"""A process of one node that does what it is told on its standard input, one JSON line a time.

Started by `nodes.Agent` in the environment of the node; answers with one JSON line each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import django

from .beside.load import per_second


def main() -> None:
    """Serve until the input ends."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
    django.setup()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def answer(request: dict[str, Any]) -> dict[str, object]:
    """`{"set": value}` changes a setting; `{}` tells what the node knows.

    `{"threads": 64, "keys": 1, "seconds": 5}` tells how many changes a second so many threads make.
    """
    from raft_config import config, proposals  # noqa: PLC0415 - needs Django set up
    from raft_config.exceptions import RaftConfigError  # noqa: PLC0415
    from raft_config.node import get_node  # noqa: PLC0415

    if "threads" in request:
        return {"rate": changes_per_second(**request)}
    begun_at = time.perf_counter()
    try:
        if "set" in request:
            seconds = float(str(request.get("timeout", 30)))
            index = proposals.propose(
                {"SHOP_NAME": request["set"]},
                timeout_seconds=seconds,
                request_id=request.get("request_id"),
            ).index
        node = get_node()
        state = node.state
    except RaftConfigError as error:
        return {"error": f"{type(error).__name__}: {error}"}
    found = {name: [each.text, each.index] for name, each in node.storage.values().items()}
    return {
        "index": index if "set" in request else None,
        "value": config.SHOP_NAME,
        "values": found,
        "last": state.last_log_index,
        "snapshot": state.snapshot_index,
        "may_lead": state.may_lead,
        "seconds": time.perf_counter() - begun_at,
        "leader": state.leader_id,
        "term": state.current_term,
        "applied": state.last_applied,
    }


def changes_per_second(threads: int, keys: int, seconds: float) -> float:
    """Changes of so many settings at once."""
    from raft_config import config  # noqa: PLC0415 - needs Django set up

    names = [f"KEY_{number}" for number in range(keys)]
    return per_second(
        lambda: lambda n: config.update(dict.fromkeys(names, str(n))), threads, seconds
    )


if __name__ == "__main__":
    main()
