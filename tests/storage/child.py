"""Processes of a node, driven through their pipes: one event at a time, at a given instant.

A job is a pickle on a child's stdin, its outcome a pickle on its stdout; see `child_main`.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass
from typing import Any


@dataclass
class Job:
    """An event for the storage; `begin_at` is by the monotonic clock, which all processes share."""

    event: Any
    arguments: dict
    begin_at: float = 0.0
    kill_at: int | None = None
    """Do it in a fork, which is killed before its statement of this number."""


@dataclass
class Outcome:
    """What `perform` returned or raised, or that the fork was killed."""

    before: Any = None
    after: Any = None
    effects: Any = None
    error: str = ""
    killed: bool = False


class Child:
    """A child process as the test sees it, over the database of this connection."""

    def __init__(self, connection):
        names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
        entry = {name: connection.settings_dict[name] for name in names}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.child_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.storage.child_settings",
                "RAFT_CONFIG_CHILD_DATABASE": json.dumps(entry, default=str),
            },
        )

    def begin(self, job):
        pickle.dump(job, self.process.stdin)
        self.process.stdin.flush()

    def outcome(self):
        return pickle.load(self.process.stdout)  # noqa: S301 - from our own child

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)
