"""Many who write through one node, in a process of their own: `python -m tests.faults.crowd URL`.

Beside the links, in one process, they would hold up all that the nodes say to each other: nobody
could tell that from a leader that is too busy. They write until standard input ends.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from contextlib import suppress

import requests

from .cluster import USER
from .registry import again_and_again

CROWD = 96
"""More than a web server has threads."""


def main() -> None:
    """Tell when they are at work, and at the end how many requests had which status."""
    statuses: Counter[int] = Counter()

    def write(ends: threading.Event) -> None:
        with requests.Session() as session:
            session.trust_env, session.auth = False, USER
            while not ends.is_set():
                with suppress(requests.RequestException):
                    answer = session.put(sys.argv[1], json={"value": "Shop"}, timeout=30)
                    statuses[answer.status_code] += 1

    with again_and_again(write, CROWD):
        sys.stdout.write("at work\n")
        sys.stdout.flush()
        sys.stdin.read()
    sys.stdout.write(json.dumps(statuses))


if __name__ == "__main__":
    main()
