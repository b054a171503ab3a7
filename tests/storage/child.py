"""A process of a node, driven through its pipes: one event at a time, at a given instant.

    python -m tests.storage.child DATABASES_ENTRY_AS_JSON

A job is a pickle on stdin, its outcome a pickle on stdout. With `kill_at` the job is done by a fork
that kills itself (SIGKILL) before its statement of that number; COMMIT counts, and the moment after.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any


@dataclass
class Job:
    """An event for the storage; `begin_at` by the clock all processes share."""

    event: Any
    arguments: dict
    begin_at: float = 0.0
    kill_at: int | None = None


@dataclass
class Outcome:
    before: Any = None
    after: Any = None
    effects: Any = None
    error: str = ""
    killed: bool = False


class Child:
    """A child process as the test sees it."""

    def __init__(self, connection):
        names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
        entry = {name: connection.settings_dict[name] for name in names}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.child", json.dumps(entry, default=str)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def begin(self, job):
        pickle.dump(job, self.process.stdin)
        self.process.stdin.flush()

    def outcome(self):
        return pickle.load(self.process.stdout)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=30)


def perform(storage, job):
    time.sleep(max(0.0, job.begin_at - time.monotonic()))
    try:
        return Outcome(*storage.perform(job.event, **job.arguments))
    except Exception:
        return Outcome(error=traceback.format_exc())


def perform_and_die(storage, job):
    """In a fork: no statement after the given one is ever executed."""
    from django.db import connection

    left = job.kill_at

    def count():
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def wrapper(execute, sql, params, many, context):
        count()
        return execute(sql, params, many, context)

    original = connection._commit

    def commit():
        count()
        original()
        count()

    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        return Outcome(killed=os.WIFSIGNALED(status))
    connection._commit = commit
    with connection.execute_wrapper(wrapper):
        outcome = perform(storage, job)
    os._exit(1 if outcome.error else 0)


def main():
    import django
    from django.conf import settings

    settings.configure(
        DATABASES={"default": json.loads(sys.argv[1])}, INSTALLED_APPS=["raft_config"], USE_TZ=True
    )
    django.setup()
    from raft_config.storage import DatabaseStorage

    storage = DatabaseStorage("default", node_defaults)
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        run = perform if job.kill_at is None else perform_and_die
        pickle.dump(run(storage, job), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def node_defaults():
    """A first state with an incarnation of this process."""
    from .helpers import state_of

    return state_of(incarnation=f"process {os.getpid()}")


if __name__ == "__main__":
    # A pickle names the class by its module, and that is not "__main__" for the test.
    from tests.storage import child

    child.main()
