"""Replies that are not what an honest peer answers: nothing rests on them, on a real node.

The node's own transport asks two peers over real connections; what answers there is the test's.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from raft_config.conf import get_config
from raft_config.core.messages import Envelope, RequestPreVote
from raft_config.exceptions import OutcomeUnknownError
from raft_config.node import Node
from raft_config.transport import wire
from raft_config.transport.auth import Signer
from raft_config.transport.client import transport_for

from ..peers import SECRETS, Clock, consent, eventually, put, reply_to
from .conftest import tables

CLUSTER = "raft-config"
SKIPPED_SECONDS = 0.1
"""At each look. Replies come in real time: with more, a leader on a busy machine would take peers
for gone that are about to answer."""
OTHER_SECRET = "another secret, as long as the first one"


class FakePeer(ThreadingHTTPServer):
    """Answers for a node, as `forge` says; None is the honest way."""

    daemon_threads = True

    def __init__(self, node_id):
        super().__init__(("127.0.0.1", 0), Handler)
        self.node_id = node_id
        self.signer = Signer(SECRETS, CLUSTER, node_id)
        self.forge = None
        self.asked = 0
        self.first = None
        """An honest reply to an earlier request, whole."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/raft"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_POST(self):
        peer = self.server
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        envelope = wire.decode_envelope(self.body)
        consenting = wire.encode_envelope(reply_to(envelope, consent(envelope.message)))
        status, body, headers = (peer.forge or honest)(self, consenting)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        peer.asked += 1

    def signed(self, status, body, signer=None):
        signer = signer or self.server.signer
        caller = self.server.signer.verify_request("POST", self.path, dict(self.headers), self.body)
        return signer.sign_reply(caller, status, body)


def honest(handler, body):
    answer = (200, body, handler.signed(200, body))
    handler.server.first = handler.server.first or answer
    return answer


def unsigned(handler, body):
    return 200, body, {}


def signed_by_the_other_peer(handler, body):
    other = {"b": "c", "c": "b"}[handler.server.node_id]
    return 200, body, handler.signed(200, body, Signer(SECRETS, CLUSTER, other))


def signed_with_another_secret(handler, body):
    return 200, body, handler.signed(200, body, Signer([OTHER_SECRET], CLUSTER, "b"))


def of_another_cluster(handler, body):
    return 200, body, handler.signed(200, body, Signer(SECRETS, "other", handler.server.node_id))


def consent_to_an_earlier_request(handler, body):
    return handler.server.first


def other_words_under_the_signature(handler, body):
    return 200, body, handler.signed(200, body.replace(b"true", b"false"))


def another_status_under_the_signature(handler, body):
    return 200, body, handler.signed(500, body)


def in_the_name_of_the_other_peer(handler, body):
    own, other = ((b'"sender":"%s"' % each.encode()) for each in _names(handler))
    body = body.replace(own, other)
    return 200, body, handler.signed(200, body)


def _names(handler):
    return (handler.server.node_id, {"b": "c", "c": "b"}[handler.server.node_id])


def a_redirect_to_who_would_consent(handler, body):
    headers = handler.signed(302, b"")
    return 302, b"", {**headers, "Location": f"{handler.server.url}/rpc/raft/"}


FORGERIES = [
    unsigned,
    signed_by_the_other_peer,
    signed_with_another_secret,
    of_another_cluster,
    consent_to_an_earlier_request,
    other_words_under_the_signature,
    another_status_under_the_signature,
    in_the_name_of_the_other_peer,
    a_redirect_to_who_would_consent,
]


@contextmanager
def serving(peer):
    thread = threading.Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield peer
    finally:
        peer.shutdown()
        thread.join()
        peer.server_close()


@pytest.fixture
def peers():
    with serving(FakePeer("b")) as b, serving(FakePeer("c")) as c:
        yield b, c


@pytest.fixture
def node(transactional_db, settings, tmp_path, peers):
    settings.RAFT_CONFIG = {
        "NODE_ID": "a",
        "PEERS": {"a": "http://127.0.0.1:1/raft", **{each.node_id: each.url for each in peers}},
        "SECRETS": SECRETS,
        "VERSION_FILE": str(tmp_path / "version"),
        "RPC_TIMEOUT_SECONDS": 5.0,
    }
    clock = Clock()
    config = get_config()
    made = Node(config, transport_for(config), clock=clock, monotonic=clock, jitter=lambda: 0.5)
    made.tick()
    yield made
    made.close()


def let(peers, forge):
    for each in peers:
        each.forge = forge


def be_asked(node, peers, times=3):
    """Until each peer has answered so many times more."""
    before = [each.asked for each in peers]

    def are_asked():
        node.clock.skipped += SKIPPED_SECONDS
        node.tick()
        return all(each.asked >= asked + times for each, asked in zip(peers, before, strict=True))

    eventually(are_asked)


def lead(node):
    def leads():
        node.clock.skipped += SKIPPED_SECONDS
        node.tick()
        return node.state.is_leader and node.state.commit_index == node.state.last_log_index

    eventually(leads)


def rows_that_count():
    """Every row of every table, without the node's timers and what its journal noted."""
    left_out = {"raft_config.Node", "raft_config.Event"}
    return {name: rows for name, rows in tables().items() if name not in left_out}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda each: each.__name__)
def test_forged_votes_elect_nobody_and_raise_no_term(node, peers, forge):
    for each in peers:  # so that there is something to be sent again
        asked = Envelope("a", node.incarnation, each.node_id, "", 1, RequestPreVote(1, 0, 0))
        node.transport.send(asked, each.url)
    let(peers, forge)
    before = rows_that_count()
    be_asked(node, peers)
    state = node.state
    assert (state.current_term, state.voted_for, state.is_leader) == (0, None, False)
    assert rows_that_count() == before
    let(peers, None)
    lead(node)


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda each: each.__name__)
def test_forged_acknowledgements_commit_nothing(node, peers, forge):
    lead(node)
    let(peers, forge)
    committed, applied = node.state.commit_index, node.storage.values()
    with pytest.raises(OutcomeUnknownError):
        node.propose([put("LIMIT", "1")], timeout_seconds=0.3)
    be_asked(node, peers, times=1)
    assert node.state.commit_index == committed
    assert node.storage.values() == applied
    let(peers, None)
    lead(node)
    assert node.state.commit_index > committed
    assert node.storage.values()["LIMIT"].text == "1"
