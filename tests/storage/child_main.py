"""What a child process of the tests does: each job in turn, until its stdin ends."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
import uuid

import django
from django.db import connection

from raft_config import storage as raft_storage
from raft_config.core import Member, initial_configuration, new_node

from .child import Outcome


def node_defaults():
    """A first state with an incarnation that nobody gives a second time."""
    members = initial_configuration(map(Member, "abc"))
    return new_node("a", members, incarnation=uuid.uuid4().hex)


def perform(storage, job):
    time.sleep(max(0.0, job.begin_at - time.monotonic()))
    try:
        return Outcome(*storage.perform(job.event, **job.arguments))
    except Exception:  # noqa: BLE001 - the test wants to see whatever it is
        return Outcome(error=traceback.format_exc())


def perform_in_fork(storage, job):
    """Let a fork do it and die; the parent has no connection, so none is shared."""
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        return Outcome(killed=os.WIFSIGNALED(status))
    die_at(job.kill_at)
    outcome = perform(storage, job)
    os._exit(1 if outcome.error else 0)


def die_at(statement):
    """Kill this process before its statement of this number; COMMIT and the moment after count."""
    left = statement

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

    connection._commit = commit
    connection.execute_wrappers.append(wrapper)


def main():
    django.setup()
    storage = raft_storage.DatabaseStorage("default", node_defaults)
    while True:
        try:
            job = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own test
        except EOFError:
            return
        run = perform if job.kill_at is None else perform_in_fork
        pickle.dump(run(storage, job), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
