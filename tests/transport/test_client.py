"""The client against real servers on loopback: good ones, broken ones and hostile ones."""

import gzip
import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from raft_config.core import messages
from raft_config.core.log import Entry
from raft_config.core.messages import Envelope
from raft_config.exceptions import (
    EntryLostError,
    InvalidCommandError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerRejectedError,
    PeerSilentError,
    PeerUnavailableError,
    PeerUnreachableError,
    UnavailableError,
    UnsupportedCommandError,
)
from raft_config.transport import client as client_module
from raft_config.transport import refusals, wire
from raft_config.transport.auth import MessageRefusedError, Signer
from raft_config.transport.client import MAX_REPLY_BYTES, HttpTransport

SECRET = "for the tests only, thirty-two letters"
TIMEOUT = 0.3
REQUEST = Envelope("a", "i", "b", "", 1, messages.RequestVote(3, 7, 2))
REPLY = Envelope("b", "j", "a", "i", 1, messages.RequestVoteResponse(3, vote_granted=True))


def signer(node_id="a", *, cluster="demo", secret=SECRET):
    return Signer([secret], cluster, node_id)


class Server(ThreadingHTTPServer):
    """A node at http://127.0.0.1:<port>/raft that answers as `answer` says."""

    daemon_threads = True

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.connections = 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/raft"

    def process_request(self, request, client_address):
        self.connections += 1
        super().process_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or headers and body, written apart, take 40 ms

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(self)
        self.server.answer(self)

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        """Send a whole reply; what `headers` adds comes on top."""
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def reply_signed(self, status, body, by=None):
        by = by or signer("b")
        try:
            caller = by.verify_request("POST", self.path, dict(self.headers), self.body)
        except MessageRefusedError as error:
            caller = error.caller
        self.reply(status, body, by.sign_reply(caller, status, body))


@contextmanager
def serving(answer):
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def transport():
    made = HttpTransport(signer(), timeout_seconds=TIMEOUT)
    yield made
    made._pools.clear()


def send(transport, answer, envelope=REQUEST):
    with serving(answer) as server:
        return transport.send(envelope, server.url)


def call(transport, answer, name="propose", payload=None):
    with serving(answer) as server:
        return transport.call("b", server.url, name, payload or {"commands": []}, TIMEOUT)


def signed(status, content):
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda handler: handler.reply_signed(status, body)


def plain(status, body=b"", headers=()):
    return lambda handler: handler.reply(status, body, headers)


# --------------------------------------------------------------------------- what works


def test_a_message_goes_out_and_its_reply_comes_back(transport):
    with serving(signed(200, wire.encode_envelope(REPLY))) as server:
        assert transport.send(REQUEST, server.url) == REPLY
    (request,) = server.requests
    assert (request.command, request.path) == ("POST", "/raft/rpc/raft/")
    assert wire.decode_envelope(request.body) == REQUEST
    assert request.headers["Accept-Encoding"] == "identity"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] is None


@pytest.mark.parametrize(
    ("name", "reply"),
    [
        ("propose", {"index": 9, "term": 3}),
        ("read_index", {"index": 9}),
        ("join", {"index": 9}),
        ("ping", {"term": 3}),
    ],
)
def test_a_call_returns_what_was_answered(transport, name, reply):
    with serving(signed(200, {**reply, "of a later release": True})) as server:
        assert transport.call("b", server.url, name, {}, TIMEOUT) == reply
    assert server.requests[0].path == f"/raft/rpc/{name}/"


def test_one_connection_carries_many_messages(transport):
    with serving(signed(200, wire.encode_envelope(REPLY))) as server:
        for _ in range(20):
            transport.send(REQUEST, server.url)
        assert (len(server.requests), server.connections) == (20, 1)


def test_a_connection_that_the_peer_has_closed_is_opened_again(transport):
    def answer(handler):
        handler.close_connection = True
        signed(200, wire.encode_envelope(REPLY))(handler)

    with serving(answer) as server:
        for _ in range(5):
            transport.send(REQUEST, server.url)
            time.sleep(0.02)
        assert (len(server.requests), server.connections) == (5, 5)


def test_a_transport_serves_many_threads(transport):
    def ask():
        mine = 0
        for _ in range(20):
            mine += transport.send(REQUEST, server.url) == REPLY
        good.append(mine)

    good = []
    with serving(signed(200, wire.encode_envelope(REPLY))) as server:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert good == [20] * 4


def test_a_node_says_who_it_is(transport):
    with serving(signed(421, {"error": "MisdirectedError"})) as server:
        assert transport.identify(server.url) == "b"
    assert server.requests[0].path == "/raft/rpc/ping/"


# ------------------------------------------------------------------ what the cluster says


@pytest.mark.parametrize(
    "error",
    [
        NotLeaderError("c", 7),
        NotLeaderError(None, 7),
        EntryLostError(4, 7),
        MembershipError("pending"),
        UnsupportedCommandError(2, 1),
        InvalidCommandError("too large"),
        UnavailableError("busy"),
        OutcomeUnknownError("r1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_cluster_arrives_as_what_it_was(transport, error):
    with pytest.raises(type(error)) as raised:
        call(transport, signed(*refusals.reply_for(error)))
    assert str(raised.value) == str(error)
    assert vars(raised.value) == vars(error)
    assert type(raised.value) is type(error)


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (409, {"error": "NotLeaderError"}, PeerRejectedError),
        (409, {"error": "NotLeaderError", "leader_id": 7, "term": 7}, PeerRejectedError),
        (409, {"error": "NotLeaderError", "leader_id": "c", "term": True}, PeerRejectedError),
        (409, {"error": "EntryLostError", "index": -1, "term": 7}, PeerRejectedError),
        (409, {"error": "SystemExit", "detail": "x"}, PeerRejectedError),
        (409, {"error": "ConfigurationError", "detail": "x"}, PeerRejectedError),
        (409, {"error": ["NotLeaderError"]}, PeerRejectedError),
        (409, {"error": {}}, PeerRejectedError),
        (409, [], PeerRejectedError),
        (409, b"\xff", PeerRejectedError),
        (400, b"", PeerRejectedError),
        (503, {"error": "UnavailableError", "detail": 7}, PeerUnavailableError),
        (500, {"error": "InternalError", "detail": "See the log"}, PeerUnavailableError),
        (502, {"error": "PeerUnavailableError", "detail": "x"}, PeerUnavailableError),
        (404, {"error": "UnknownNodeError", "detail": "a is no member"}, PeerRejectedError),
        (410, {"error": "RemovedNodeError", "detail": "a was removed"}, PeerRejectedError),
        (413, {"error": "MessageTooLargeError", "detail": "at most"}, PeerRejectedError),
        (401, {"error": "ClockSkewError", "detail": "clock of a"}, PeerRejectedError),
    ],
)
def test_any_other_refusal_is_the_peers_own(transport, status, content, expected):
    with pytest.raises(expected) as raised:
        call(transport, signed(status, content))
    assert type(raised.value) is expected
    assert str(status) in str(raised.value)
    if isinstance(content, dict) and content.get("detail") not in (None, 7):
        assert content["detail"] in str(raised.value)


@pytest.mark.parametrize(
    ("status", "expected"), [(500, PeerUnavailableError), (400, PeerRejectedError)]
)
def test_a_message_of_raft_that_is_refused_is_an_error_too(transport, status, expected):
    with pytest.raises(expected, match="the reason"):
        send(transport, signed(status, {"error": "X", "detail": "the reason"}))


# --------------------------------------------------------------- nobody, or not for long


def refused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_there_means_that_nothing_was_received(transport):
    with pytest.raises(PeerUnreachableError, match="does not answer"):
        transport.send(REQUEST, f"http://127.0.0.1:{refused_port()}/raft")


def test_a_name_that_leads_nowhere_means_that_nothing_was_received(transport):
    with pytest.raises(PeerUnreachableError):
        transport.send(REQUEST, "http://no-such-host.invalid/raft")


def test_a_node_whose_url_is_not_known_has_received_nothing(transport):
    """A leader that was removed is still taken for the leader, until another one is heard."""
    with pytest.raises(PeerUnreachableError, match="No URL of node b is known"):
        transport.call("b", "", "propose", {"commands": []}, 1.0)


def test_a_peer_that_accepts_no_connection_is_given_up(transport):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}/raft"
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        before = time.monotonic()
        with pytest.raises(PeerUnreachableError):
            transport.send(REQUEST, url)
        assert time.monotonic() - before < 3 * TIMEOUT
        for each in waiting:
            each.close()


def hang(_handler):
    time.sleep(2 * TIMEOUT)


def hang_in_the_headers(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
    time.sleep(2 * TIMEOUT)


def hang_in_the_body(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    time.sleep(2 * TIMEOUT)


@pytest.mark.parametrize("answer", [hang, hang_in_the_headers, hang_in_the_body])
def test_a_peer_that_hangs_is_given_up_and_may_have_received_it(transport, answer):
    with serving(answer) as server:
        before = time.monotonic()
        with pytest.raises(PeerUnavailableError) as raised:
            transport.send(REQUEST, server.url)
        assert time.monotonic() - before < 1.8 * TIMEOUT
    assert not isinstance(raised.value, PeerUnreachableError)


def test_a_call_waits_as_long_as_its_caller_and_not_longer(transport):
    patient = HttpTransport(signer(), timeout_seconds=60)
    with serving(hang) as server:
        before = time.monotonic()
        with pytest.raises(PeerSilentError):
            patient.call("b", server.url, "ping", {}, 0.1)
        assert time.monotonic() - before < TIMEOUT
        patient._pools.clear()


def break_off_at_once(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off_in_the_body(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off_in_a_chunk(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{")
    handler.connection.shutdown(socket.SHUT_RDWR)


def answer_in_no_http(handler):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [break_off_at_once, break_off_in_the_body, break_off_in_a_chunk, answer_in_no_http],
)
def test_a_peer_that_breaks_off_may_have_received_it(transport, answer):
    with pytest.raises(PeerUnavailableError) as raised:
        send(transport, answer)
    assert not isinstance(raised.value, PeerUnreachableError)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_proxy_that_cannot_at_present_means_later(transport, status):
    with pytest.raises(PeerUnavailableError, match=f"status {status}, unsigned"):
        send(transport, plain(status, b"<html>Bad gateway"))


def test_nothing_is_sent_twice(transport):
    for answer in (hang, break_off_at_once, plain(503), plain(500)):
        with serving(answer) as server:
            with pytest.raises(PeerUnavailableError):
                transport.send(REQUEST, server.url)
            time.sleep(0.02)
            assert len(server.requests) == 1


# ----------------------------------------------------------------------- wrong, or hostile


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(transport, status):
    with serving(signed(200, wire.encode_envelope(REPLY))) as target:
        elsewhere = {"Location": f"{target.url}/rpc/raft/"}
        with pytest.raises(PeerRejectedError, match="It redirects"):
            send(transport, plain(status, b"", elsewhere))
        assert target.requests == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (200, "Look who answers there"),
        (204, "Look who answers there"),
        (400, "ALLOWED_HOSTS"),
        (401, "SECRETS"),
        (403, "firewall"),
        (404, "prefix"),
        (413, "proxy"),
        (418, "Look who answers there"),
    ],
)
def test_an_unsigned_answer_is_not_used_and_says_what_to_do(transport, status, says):
    body = b"" if status == 204 else wire.encode_envelope(REPLY)
    with pytest.raises(PeerRejectedError, match=says):
        send(transport, plain(status, body))


def test_of_a_refusal_by_a_node_of_another_secret_its_sentence_is_shown(transport):
    body = b'{"error":"AuthenticationError","detail":"Another \\u001b[31m secret."}'
    with pytest.raises(PeerRejectedError, match=r"unsigned: 'Another .x1b.31m secret\.'\. Compare"):
        send(transport, plain(401, body))


def test_what_a_stranger_answers_is_shown_cut_and_escaped(transport):
    with pytest.raises(PeerRejectedError) as raised:
        send(transport, plain(404, b"\x1b[31m\nERROR forged line\r\n\xff" + b"x" * 60_000))
    text = str(raised.value)
    assert text.isprintable()
    assert len(text) < 600


@pytest.mark.parametrize(
    ("by", "says"),
    [
        (signer("b", secret="another secret"), "secret"),
        (signer("b", cluster="other"), "belongs to cluster 'other'"),
        (signer("c"), "'c' answered at the URL of node 'b'"),
    ],
)
def test_an_answer_signed_by_another_is_not_used(transport, by, says):
    def answer(handler):
        caller = type("Caller", (), {"node_id": "a", "signature": handler.headers["Signature"]})
        body = wire.encode_envelope(REPLY)
        handler.reply(200, body, by.sign_reply(caller, 200, body))

    with pytest.raises(PeerRejectedError, match=says):
        send(transport, answer)
    with pytest.raises(PeerRejectedError, match=says):
        call(transport, answer)


def test_an_answer_to_another_request_is_not_used(transport):
    replies = []

    def answer(handler):
        caller = signer("b").verify_request(
            "POST", handler.path, dict(handler.headers), handler.body
        )
        body = wire.encode_envelope(REPLY)
        replies.append(signer("b").sign_reply(caller, 200, body))
        handler.reply(200, body, replies[0])

    with serving(answer) as server:
        transport.send(REQUEST, server.url)
        with pytest.raises(PeerRejectedError, match="signature that does not match"):
            transport.send(REQUEST, server.url)


def test_a_changed_body_or_status_is_not_used(transport):
    def answer(status, change):
        def change_on_the_way(handler):
            body = wire.encode_envelope(REPLY)
            caller = signer("b").verify_request(
                "POST", handler.path, dict(handler.headers), handler.body
            )
            headers = signer("b").sign_reply(caller, 200, body)
            handler.reply(status, change(body), headers)

        return change_on_the_way

    for changed in (answer(200, lambda body: body + b" "), answer(201, lambda body: body)):
        with pytest.raises(PeerRejectedError):
            send(transport, changed)


def endless(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        for _ in range(10_000):
            handler.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
    except OSError:
        handler.close_connection = True


@pytest.mark.parametrize(
    "answer",
    [
        signed(200, b"x" * (MAX_REPLY_BYTES + 1)),
        plain(503, b"x" * 10_000_000),
        endless,
    ],
    ids=["signed", "plain", "endless"],
)
def test_an_answer_is_read_up_to_a_limit(transport, answer):
    with pytest.raises(PeerRejectedError, match="more than 65536 bytes"):
        send(transport, answer)


def test_a_compressed_answer_is_not_unpacked(transport):
    def answer(handler):
        body = wire.encode_envelope(REPLY)
        caller = signer("b").verify_request(
            "POST", handler.path, dict(handler.headers), handler.body
        )
        headers = signer("b").sign_reply(caller, 200, body)
        handler.reply(200, gzip.compress(body), {**headers, "Content-Encoding": "gzip"})

    with pytest.raises(PeerRejectedError, match="body is not the one"):
        send(transport, answer)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 20_000,
        b"NaN",
        wire.encode_envelope(REPLY).replace(b":3", b":-3"),
        wire.encode_envelope(REQUEST),
        wire.encode_envelope(Envelope("c", "j", "a", "i", 1, REPLY.message)),
        wire.encode_envelope(Envelope("b", "j", "c", "i", 1, REPLY.message)),
        wire.encode_envelope(Envelope("b", "j", "a", "i", 1, REQUEST.message)),
        wire.encode_envelope(Envelope("b", "j", "a", "i", 1, messages.TimeoutNowResponse(3))),
    ],
    ids=lambda body: repr(body[-30:]),
)
def test_a_signed_answer_that_makes_no_sense_is_refused(transport, body):
    with pytest.raises(PeerRejectedError, match="cannot read"):
        send(transport, signed(200, body))


@pytest.mark.parametrize("content", [{}, [], {"index": 9}, {"index": -1, "term": 3}, b"{"])
def test_a_signed_answer_to_a_call_is_read_as_strictly(transport, content):
    with pytest.raises(PeerRejectedError, match="cannot read"):
        call(transport, signed(200, content))


@pytest.mark.parametrize(
    "message",
    [
        messages.RequestPreVote(3, 7, 2),
        messages.RequestVote(3, 7, 2),
        messages.AppendEntries(3, 0, 0, (), 0),
        messages.TimeoutNow(3),
    ],
)
def test_a_rejection_answers_every_request(transport, message):
    rejected = messages.Rejected(3, messages.Rejection.WRONG_INCARNATION)
    reply = Envelope("b", "j", "a", "i", 1, rejected)
    request = Envelope("a", "i", "b", "", 1, message)
    assert send(transport, signed(200, wire.encode_envelope(reply)), request) == reply


def test_every_request_has_its_answer():
    assert set(client_module._ANSWERS) == set(messages.Request.__args__)


@pytest.mark.parametrize(
    "url",
    [
        "raft",
        "ftp://127.0.0.1/raft",
        "http://",
        "http:///raft",
        "http://127.0.0.1:99999/raft",
        "http://127.0.0.1:1/a b",
        "http://[::1/raft",
        "http://é..com/raft",
        "http://127.0.0.1:1/é",
    ],
)
def test_an_address_that_is_none_is_refused(transport, url):
    with pytest.raises(PeerRejectedError):
        transport.send(REQUEST, url)
    with pytest.raises(PeerRejectedError):
        transport.call("b", url, "ping", {}, TIMEOUT)


@pytest.mark.parametrize("receiver", ["", "a b", "é", "x" * 65])
def test_an_id_that_no_node_has_is_not_asked(transport, receiver):
    with serving(plain(200)) as server:
        with pytest.raises(PeerRejectedError, match="is no id"):
            transport.call(receiver, server.url, "ping", {}, TIMEOUT)
        assert server.requests == []


def test_a_message_that_no_node_takes_is_not_sent(transport, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_BODY_BYTES", 1000)
    batch = messages.AppendEntries(3, 0, 0, (Entry(1, 3, bytes(1000)),), 0)
    with serving(plain(200)) as server:
        with pytest.raises(PeerRejectedError, match="MAX_BATCH_BYTES"):
            transport.send(Envelope("a", "i", "b", "", 1, batch), server.url)
        assert server.requests == []


def test_nothing_of_the_environment_is_used(transport, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login x password y\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{refused_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert "NETRC" in os.environ
    with serving(signed(200, wire.encode_envelope(REPLY))) as server:
        transport.send(REQUEST, server.url)
        assert server.requests[0].headers["Authorization"] is None


# ---------------------------------------------------------------------------- who is there


def test_a_newcomer_with_the_id_of_a_member_is_told(transport):
    def answer(handler):
        handler.reply_signed(200, b'{"term":3}', by=signer("a"))

    with serving(answer) as server, pytest.raises(PeerRejectedError, match="NODE_ID of its own"):
        transport.identify(server.url)


def test_nobody_of_the_cluster_is_no_node(transport):
    other_cluster = signer("b", cluster="other")

    def answer(handler):
        handler.reply_signed(412, b"{}", by=other_cluster)

    for answering, says in ((plain(401), "SECRETS"), (plain(404), "prefix"), (answer, "other")):
        with serving(answering) as server, pytest.raises(PeerRejectedError, match=says):
            transport.identify(server.url)
