"""A real web server of one node, and a peer that can send it whatever it likes."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

from raft_config.core import messages
from raft_config.core.log import Entry
from raft_config.core.messages import Envelope
from raft_config.transport import wire
from raft_config.transport.auth import Signer
from tests.peers import eventually

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "for the tests only, thirty-two letters"
CLUSTER = "attacked"
THREADS = 8
TIMERS = ("role_data",)
"""Columns of the node's row that only say when a leader was heard, or a wait ends."""


class Server:
    """gunicorn with one worker of several threads, on a database of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.secrets = [SECRET]
        self.port = free_port()
        self.process = None
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=ROOT,
            env=self._environment(),
            check=True,
        )

    def _environment(self):
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.attacks.server_settings",
            "DATA_DIR": str(self.folder),
            "SECRETS": json.dumps(self.secrets),
        }

    def start(self, *options):
        """Start it, and wait until it answers."""
        command = [
            *(sys.executable, "-m", "gunicorn", "django.core.wsgi:get_wsgi_application()"),
            *("--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread"),
            *("--threads", str(THREADS), "--keep-alive", "75", "--graceful-timeout", "1"),
            *("--no-control-socket", *options),
        ]
        with (self.folder / "web.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own command line
                command,
                cwd=ROOT,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._answers)

    def _answers(self):
        assert self.process.poll() is None, self.log()
        with suppress(OSError):
            return self.send("ping", b"{}", {}).status == 401
        return False

    def stop(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self, *options):
        self.stop()
        self.start(*options)

    def log(self):
        return (self.folder / "web.log").read_text(errors="replace")

    def send(self, name, body, headers, *, method="POST", path=None):
        """One request over a connection of its own; its answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            headers = {"Content-Type": "application/json", **headers}
            connection.request(method, path or path_of(name), body, headers)
            response = connection.getresponse()
            return SimpleNamespace(
                status=response.status, headers=dict(response.headers), body=response.read()
            )

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def tables(self, *, but=()):
        """Every row of every table, without these columns."""
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as database:
            database.row_factory = sqlite3.Row
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {
                name: [
                    {key: value for key, value in dict(row).items() if key not in but}
                    for row in database.execute(f'SELECT * FROM "{name}"')  # noqa: S608
                ]
                for (name,) in names.fetchall()
            }

    def megabytes(self):
        """What the workers hold in memory, at most since they were started."""
        pid = self.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        peaks = [Path(f"/proc/{each}/status").read_text() for each in workers]
        return sum(int(re.search(r"VmHWM:\s+(\d+)", each)[1]) for each in peaks) / 1024


@contextmanager
def serving(folder):
    """Such a server for as long as the block lasts; one that never answers is not left behind."""
    found = Server(folder)
    try:
        found.start()
        yield found
    finally:
        found.stop()


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def path_of(name):
    return f"/raft/rpc/{name}/"


class Peer:
    """A node that speaks to b: what it signs is right, unless a test says otherwise."""

    def __init__(self, server, node_id="a", *, secrets=(SECRET,), cluster=CLUSTER, **options):
        self.server = server
        self.node_id = node_id
        self.signer = Signer(secrets, cluster, node_id, **options)

    def signed(self, name, body, *, receiver="b"):
        return self.signer.sign_request("POST", path_of(name), body, receiver=receiver)

    def send(self, name, body, *, receiver="b", proved=True):
        """Sign and send; the answer, which is proved to be b's if it is signed."""
        headers = self.signed(name, body, receiver=receiver)
        answer = self.server.send(name, body, headers)
        if proved:
            self.signer.verify_reply(headers, answer.status, answer.headers, answer.body)
        return answer

    def say(self, message, **options):
        """Send a message of Raft; the message that answers it."""
        answer = self.send("raft", envelope(message, self.node_id), **options)
        assert answer.status == 200, answer.body
        return wire.decode_envelope(answer.body).message


def envelope(message, sender="a", recipient="b"):
    return wire.encode_envelope(Envelope(sender, f"life of {sender}", recipient, "", 1, message))


def heartbeat(term, index=0, log_term=0, commit=0):
    return messages.AppendEntries(term, index, log_term, (), commit)


def append(term, index, command, previous=0, commit=0):
    entries = (Entry(index, term, command),)
    return messages.AppendEntries(term, index - 1, previous, entries, commit)
