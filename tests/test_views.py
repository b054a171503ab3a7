"""The RPC views over a fake node: statuses, signatures, limits, and a project that is hostile."""

import json
import logging
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, connections
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import resolve, reverse
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from raft_config import views
from raft_config.core import messages
from raft_config.core.configuration import Configuration, Member
from raft_config.core.effects import Accepted
from raft_config.core.log import Entry
from raft_config.core.messages import Envelope
from raft_config.exceptions import (
    ConfigurationError,
    EntryLostError,
    InvalidCommandError,
    InvariantViolatedError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerUnavailableError,
    UnavailableError,
    UnknownCommandError,
    UnsupportedCommandError,
)
from raft_config.transport import wire
from raft_config.transport.auth import Signer
from raft_config.urls import rpc_patterns

SECRET = "for the tests only, thirty-two letters"
CONFIG = {
    "NODE_ID": "b",
    "CLUSTER_ID": "demo",
    "PEERS": {each: f"http://127.0.0.1:1/{each}" for each in "abc"},
    "SECRETS": [SECRET],
}
REQUEST = messages.RequestVote(3, 7, 2)
REPLY = messages.RequestVoteResponse(3, vote_granted=True)


@dataclass
class FakeNode:
    """Remembers what came through its doors, and answers what the test says."""

    node_id: str = "b"
    error: Exception | None = None
    leader: bool = True
    removed: tuple = ()
    calls: list = field(default_factory=list)
    refused: list = field(default_factory=list)
    config: SimpleNamespace = field(
        default_factory=lambda: SimpleNamespace(write_timeout_seconds=5.0)
    )

    @property
    def state(self):
        members = Configuration((Member("a"), Member("b")), 4, self.removed)
        return SimpleNamespace(is_leader=self.leader, configuration=members, current_term=3)

    @property
    def transport(self):
        return SimpleNamespace(call=lambda *args: self._called("forward", *args) or {"index": 8})

    @property
    def courier(self):
        return SimpleNamespace(hurry=lambda peer: self._called("hurry", peer))

    @property
    def journal(self):
        return SimpleNamespace(refused=lambda *args: self.refused.append(args))

    def address_of(self, node_id):
        return f"http://{node_id}"

    def receive(self, envelope):
        self._called("receive", envelope)
        return Envelope("b", "j", envelope.sender, envelope.sender_incarnation, 1, REPLY)

    def propose(self, commands, *, timeout_seconds):
        self._called("propose", commands, timeout_seconds)
        return Accepted(9, 3)

    def read_index(self, *, timeout_seconds):
        self._called("read_index", timeout_seconds)
        return 9

    def join(self, node_id, address, incarnation, promote):
        self._called("join", node_id, address, incarnation, promote)

    def _called(self, *call):
        self.calls.append(call)
        if self.error is not None and call[0] != "forward":
            raise self.error


@pytest.fixture(autouse=True)
def raft_settings():
    with override_settings(RAFT_CONFIG=CONFIG):
        yield


@pytest.fixture
def node(monkeypatch):
    fake = FakeNode()
    monkeypatch.setattr(views, "get_node", lambda: fake)
    return fake


def signer(node_id="a", *, cluster="demo", secret=SECRET):
    return Signer([secret], cluster, node_id)


def headers_of(name, body, sender=None, *, receiver="b"):
    path = reverse(f"raft_config:{name}")
    return (sender or signer()).sign_request("POST", path, body, receiver=receiver)


def post(name, body, sender=None, *, receiver="b", headers=None, **extra):
    """Post a signed body; the response, with `body` and whether it is signed for the sender."""
    sender = sender or signer()
    path = reverse(f"raft_config:{name}")
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = headers or headers_of(name, body, sender, receiver=receiver)
    response = Client(raise_request_exception=False).post(
        path, body, content_type="application/json", headers=headers, **extra
    )
    response.is_signed = "Signature" in response.headers
    if response.is_signed and receiver == "b":
        sender.verify_reply(headers, response.status_code, response.headers, response.content)
    return response


def vote(sender="a", recipient="b", message=REQUEST):
    return wire.encode_envelope(Envelope(sender, "i", recipient, "", 1, message))


# ------------------------------------------------------------------------ what is answered


def test_a_message_of_raft_is_answered_with_the_nodes_reply(node):
    response = post("raft", vote())
    assert (response.status_code, response.is_signed) == (200, True)
    assert wire.decode_envelope(response.content).message == REPLY
    assert node.calls == [("receive", wire.decode_envelope(vote()))]


def test_a_message_of_raft_is_taken_from_a_stranger(node):
    assert post("raft", vote("x"), signer("x")).status_code == 200
    assert post("raft", vote("c"), signer("c")).status_code == 200


def test_commands_are_proposed_and_answered_with_their_place(node):
    commands = [wire.text_of(b"\x00one"), wire.text_of(b"two")]
    response = post("propose", {"commands": commands})
    assert response.json() == {"index": 9, "term": 3}
    assert node.calls == [("propose", (b"\x00one", b"two"), 5.0), ("hurry", "a")]


def test_a_read_is_answered_with_its_index(node):
    assert post("read_index", {}).json() == {"index": 9}


def test_a_ping_is_answered_to_anybody_with_the_secret(node):
    assert post("ping", {}, signer("x")).json() == {"term": 3}


NEWCOMER = {"node_id": "d", "address": "http://d", "incarnation": "i", "promote": True}


def test_a_newcomer_is_let_in(node):
    assert post("join", NEWCOMER, signer("d")).json() == {"index": 4}
    assert node.calls == [("join", "d", "http://d", "i", True)]


def test_a_newcomer_may_ask_any_member_which_asks_the_leader(node):
    node.error, node.leader = NotLeaderError("a", 3), False
    assert post("join", NEWCOMER, signer("d")).json() == {"index": 8}
    assert node.calls[-1] == ("forward", "a", "http://a", "join", NEWCOMER, 5.0)


def test_a_question_that_was_passed_on_is_not_passed_on_again(node):
    node.error, node.leader = NotLeaderError("c", 3), False
    assert post("join", NEWCOMER, signer("a")).json()["leader_id"] == "c"
    assert len(node.calls) == 1


def test_a_newcomer_is_told_when_there_is_no_leader(node):
    node.error, node.leader = NotLeaderError(None, 3), False
    assert post("join", NEWCOMER, signer("d")).json()["error"] == "NotLeaderError"


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "ftp://d/raft",
        "http://10.0.0.1/latest/api/token?x=",
        "http://10.0.0.1/#",
        "http://user:password@10.0.0.1/raft",
        "http://10.0.0.1/raft/../../admin",
        "http://d/raft\nCRITICAL all is lost",
        "javascript:alert(1)",
        "http://d:99999/raft",
        "",
    ],
)
def test_a_newcomer_is_posted_to_at_a_base_url_only(node, address):
    assert post("join", {**NEWCOMER, "address": address}, signer("d")).status_code == 400
    assert node.calls == []


def test_a_node_takes_no_message_of_raft_from_its_own_id(node):
    assert post("raft", vote("b"), signer("b")).status_code == 400
    assert node.calls == []


def test_only_a_member_may_bring_in_another_node(node):
    assert post("join", NEWCOMER, signer("x")).status_code == 404
    assert node.calls == []


# ------------------------------------------------------------------------ who is refused


def test_refused_sender_is_remembered_with_the_reason_once_it_is_known(node):
    post("raft", vote(), headers={"X-Nothing": "signed"})
    post("raft", b"no JSON")
    assert node.refused == [("", "AuthenticationError"), ("a", "InvalidMessageError")]


@pytest.mark.parametrize("name", [each.name for each in rpc_patterns])
@pytest.mark.parametrize("body", [b"", b"[" * 100_000, b"x" * 5_000_000], ids=len)
def test_what_nobody_signed_is_401_and_not_read(node, name, body, monkeypatch):
    monkeypatch.setattr(views, "_read", lambda _: pytest.fail("read"))
    path = reverse(f"raft_config:{name}")
    response = Client().post(path, body, content_type="application/json")
    assert response.status_code == 401
    assert response.json()["error"] == "AuthenticationError"
    assert "Signature" not in response.headers
    assert node.calls == []


@pytest.mark.parametrize(
    ("sender", "receiver", "status", "is_signed"),
    [
        (signer(secret="another secret"), "b", 401, False),
        (signer(cluster="other"), "b", 412, True),
        (signer(), "c", 421, True),
    ],
)
def test_a_message_that_is_not_for_us_is_refused_before_it_is_parsed(
    node, sender, receiver, status, is_signed
):
    headers = headers_of("raft", b"{", sender, receiver=receiver)
    response = Client().post(
        reverse("raft_config:raft"), b"{", content_type="application/json", headers=headers
    )
    assert (response.status_code, "Signature" in response.headers) == (status, is_signed)
    assert node.calls == []


def test_a_request_is_answered_once(node):
    headers = headers_of("raft", vote())
    assert post("raft", vote(), headers=headers).status_code == 200
    assert post("raft", vote(), headers=headers).status_code == 401
    assert len(node.calls) == 1


def test_a_body_other_than_the_signed_one_is_401(node):
    headers = headers_of("raft", vote())
    assert post("raft", vote() + b" ", headers=headers).status_code == 401
    assert post("propose", vote(), headers=headers).status_code == 401
    assert node.calls == []


@pytest.mark.parametrize("name", ["propose", "read_index"])
def test_a_leader_refuses_strangers_and_removed_nodes(node, name):
    node.removed = ("c",)
    body = {"commands": []} if name == "propose" else {}
    assert post(name, body, signer("x")).status_code == 404
    assert post(name, body, signer("c")).status_code == 410
    assert node.calls == []


def test_a_node_that_does_not_lead_says_who_does_even_to_whom_it_does_not_know(node):
    node.leader, node.error = False, NotLeaderError("c", 3)
    assert post("propose", {"commands": []}, signer("x")).json()["leader_id"] == "c"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"NaN",
        b"[" * 100_000,
        b"\xff",
        vote("c"),
        vote("a", "c"),
        vote(message=REPLY),
        vote().replace(b":3", b":-3"),
        vote().replace(b":3", b':"3"'),
        vote().replace(b":3", b":true"),
        vote().replace(b":3", b":9223372036854775808"),
        vote().replace(b":3", b":" + b"9" * 4300),
        vote().replace(b'"i"', b'"\\ud800"'),
        vote().replace(b'"i"', b'"\\u0000"'),
        vote().replace(b'"RequestVote"', b'"Envelope"'),
        b"version=1&sender=a",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_malformed_message_is_a_signed_400(node, body):
    response = post("raft", body)
    assert (response.status_code, response.is_signed) == (400, True)
    assert response.json()["error"] == "InvalidMessageError"
    assert node.calls == []


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("propose", {}),
        ("propose", {"commands": "eA=="}),
        ("propose", {"commands": [1]}),
        ("propose", {"commands": ["x"]}),
        ("propose", {"commands": [], "more": 1}),
        ("read_index", {"more": 1}),
        ("read_index", []),
        ("ping", {"more": 1}),
        ("ping", None),
        ("join", {}),
        ("join", {**NEWCOMER, "node_id": "d e"}),
        ("join", {**NEWCOMER, "address": 1}),
        ("join", {**NEWCOMER, "incarnation": "\0"}),
        ("join", {**NEWCOMER, "incarnation": "x" * 1025}),
    ],
)
def test_a_malformed_call_is_a_signed_400(node, name, body):
    response = post(name, body)
    assert (response.status_code, response.is_signed) == (400, True)
    assert node.calls == []


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_no_method_but_post_is_answered(node, method):
    response = getattr(Client(), method)(reverse("raft_config:raft"))
    assert response.status_code == 405


# ------------------------------------------------------------------------------- limits


@pytest.fixture
def low_limit(monkeypatch):
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 1000)


def test_a_body_that_says_it_is_too_large_is_413_and_not_read(node, low_limit, monkeypatch):
    monkeypatch.setattr(views, "READ_BYTES", None)
    response = post("raft", b"x" * 1001)
    assert (response.status_code, response.is_signed) == (413, True)
    assert response.json()["error"] == "MessageTooLargeError"
    assert node.calls == []


def test_a_body_of_the_limit_is_read(node, low_limit):
    assert post("raft", b"x" * 1000).status_code == 400


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "1.0", "٣", "1, 1"])
def test_a_length_that_is_no_number_is_400(node, length):
    assert post("raft", vote(), CONTENT_LENGTH=length).status_code == 400


@pytest.mark.parametrize("length", ["17000000", "9" * 30, "9" * 5000])
def test_a_length_of_any_size_is_413(node, length):
    assert post("raft", vote(), CONTENT_LENGTH=length).status_code == 413


class Stream:
    """A body that goes on beyond the length it states, or breaks off."""

    def __init__(self, *chunks):
        self.chunks = list(chunks)

    def read(self, *_):
        chunk = self.chunks.pop(0) if self.chunks else b""
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


def view_with(stream, body):
    """Call the view with a stream under it that is not bounded by the stated length."""
    headers = headers_of("raft", body)
    request = RequestFactory().post(
        reverse("raft_config:raft"), b"", content_type="application/json", headers=headers
    )
    request._stream = stream
    return resolve(request.path).func(request)


def test_a_body_beyond_its_stated_length_is_read_up_to_the_limit_only(node, low_limit):
    stream = Stream(*[b"x" * 400] * 10)
    assert view_with(stream, b"x").status_code == 413
    assert len(stream.chunks) == 7


def test_a_body_that_comes_in_pieces_is_whole(node):
    body = vote()
    pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
    assert view_with(Stream(*pieces), body).status_code == 200


def test_a_body_that_breaks_off_is_400(node):
    assert view_with(Stream(b"x", OSError("reset")), vote()).status_code == 400


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_djangos_limit_for_forms_does_not_refuse_a_batch(node):
    batch = messages.AppendEntries(3, 0, 0, (Entry(1, 3, bytes(3_000_000)),), 0)
    assert post("raft", vote(message=batch)).status_code == 200


# ------------------------------------------------------------------- what the cluster says


@pytest.mark.parametrize(
    ("error", "status", "facts"),
    [
        (NotLeaderError("c", 7), 409, {"leader_id": "c", "term": 7}),
        (NotLeaderError(None, 7), 409, {"leader_id": None, "term": 7}),
        (EntryLostError(4, 7), 409, {"index": 4, "term": 7}),
        (MembershipError("pending"), 409, {}),
        (UnsupportedCommandError(2, 1), 409, {"needed": 2, "agreed": 1}),
        (InvalidCommandError("too large"), 422, {}),
        (UnavailableError("busy"), 503, {}),
        (OutcomeUnknownError("r1"), 504, {"request_id": "r1"}),
        (PeerUnavailableError("down"), 502, {}),
        (UnknownCommandError("snapshot format 2"), 501, {}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_answer_of_the_cluster_names_itself_and_its_facts(node, error, status, facts):
    node.error = error
    response = post("propose", {"commands": []})
    assert (response.status_code, response.is_signed) == (status, True)
    assert response.json() == {
        "error": type(error).__name__,
        "detail": str(error),
        **facts,
    }


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "error",
    [
        InvariantViolatedError("two leaders"),
        ConfigurationError("SECRETS", "must be kept"),
        IntegrityError("at /srv/secret/path"),
        ZeroDivisionError("of ours"),
        RecursionError(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_our_own_fault_is_a_signed_500_that_tells_nothing_and_a_logged_error(
    node, error, debug, caplog
):
    node.error = error
    with override_settings(DEBUG=debug), caplog.at_level(logging.ERROR, "raft_config"):
        response = post("raft", vote())
    assert (response.status_code, response.is_signed) == (500, True)
    assert response.json() == {"error": "InternalError", "detail": "See the log of this node."}
    logged = [each for each in caplog.records if each.name == "raft_config"]
    assert [each.exc_info[1] for each in logged] == [error]


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_database_that_fails_is_a_signed_503_and_a_line_without_a_traceback(node, error, caplog):
    node.error = error("terminating connection, at /srv/secret/path")
    with caplog.at_level(logging.WARNING, "raft_config"):
        response = post("raft", vote())
    assert (response.status_code, response.is_signed) == (503, True)
    assert response.json()["error"] == "DatabaseError"
    assert b"/srv" not in response.content
    (logged,) = [each for each in caplog.records if each.name == "raft_config"]
    assert (logged.levelname, logged.exc_info) == ("WARNING", None)
    assert "terminating connection" in logged.getMessage()


def test_a_node_without_secrets_takes_no_messages(node):
    with override_settings(RAFT_CONFIG={"NODE_ID": "b"}):
        response = post("ping", {})
    assert (response.status_code, response.is_signed) == (401, False)


def test_a_wrong_configuration_is_a_500_without_a_traceback(node):
    with override_settings(RAFT_CONFIG={"NODE_ID": "b", "PEERS": 7}, DEBUG=True):
        response = post("ping", {})
    assert (response.status_code, response.json()["error"]) == (500, "InternalError")


def test_what_a_stranger_sends_is_no_line_in_the_log(node, caplog):
    with caplog.at_level(logging.INFO, "raft_config"):
        Client().post(reverse("raft_config:raft"), b"x", content_type="application/json")
    assert [each for each in caplog.records if each.name == "raft_config"] == []


# --------------------------------------------------------------------- a hostile project


class Refuse:
    """Stands for each of DRF's policies, and fails when it is asked anything."""

    def __init__(self, *_, **__):
        raise AssertionError("The project's default was used.")


HOSTILE = {
    f"{name}_classes": (Refuse,)
    for name in ("authentication", "permission", "throttle", "parser", "renderer")
} | {
    "content_negotiation_class": Refuse,
    "versioning_class": Refuse,
    "metadata_class": Refuse,
}


@pytest.fixture
def hostile_project(monkeypatch):
    """The defaults as they would be had the project set them before DRF was imported."""
    for name, value in HOSTILE.items():
        monkeypatch.setattr(APIView, name, value)
    monkeypatch.setattr(api_settings, "EXCEPTION_HANDLER", Refuse, raising=False)
    monkeypatch.setattr(api_settings, "UNAUTHENTICATED_USER", Refuse, raising=False)


def test_the_projects_defaults_of_drf_have_no_influence(node, hostile_project):
    assert post("raft", vote(), HTTP_ACCEPT="text/html").status_code == 200
    assert post("raft", vote(), QUERY_STRING="format=xml").status_code == 200
    assert post("raft", b"{").status_code == 400
    assert Client().get(reverse("raft_config:raft")).status_code == 405
    node.error = ZeroDivisionError()
    assert post("raft", vote()).status_code == 500


def test_a_hundred_messages_a_second_are_not_too_many(node, hostile_project):
    assert {post("raft", vote()).status_code for _ in range(100)} == {200}


def test_no_policy_of_drf_is_left_to_the_project():
    pinned = vars(views.RpcView)
    policies = [name for name in vars(APIView) if name.endswith(("_classes", "_class"))]
    assert {name for name in policies if name not in pinned} == {"metadata_class"}  # for OPTIONS


def test_neither_csrf_nor_a_login_is_asked_for(node):
    headers = headers_of("ping", b"{}")
    response = Client(enforce_csrf_checks=True).post(
        reverse("raft_config:ping"), b"{}", content_type="application/json", headers=headers
    )
    assert response.status_code == 200
    assert resolve(reverse("raft_config:ping")).func.login_required is False


@pytest.mark.parametrize("name", [each.name for each in rpc_patterns])
def test_no_database_has_a_transaction_around_these_views(name):
    view = resolve(reverse(f"raft_config:{name}")).func
    assert view._non_atomic_requests == set(connections)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_atomic", [False, True])
def test_a_reply_leaves_with_nothing_left_to_commit(node, is_atomic, monkeypatch):
    seen = []
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", is_atomic)
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", is_atomic)
    inner = node.receive

    def receive(envelope):
        seen.append(connections["default"].in_atomic_block)
        return inner(envelope)

    monkeypatch.setattr(node, "receive", receive)
    assert post("raft", vote()).status_code == 200
    assert seen == [False]


@pytest.mark.django_db(transaction=True)
def test_atomic_requests_would_be_seen(monkeypatch):
    """The test above can fail: the same request to a view that is not exempt."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    seen = []

    def view(_request):
        seen.append(connections["default"].in_atomic_block)
        return HttpResponse()

    from django.core.handlers.base import BaseHandler  # noqa: PLC0415 - for this one

    BaseHandler().make_view_atomic(view)(RequestFactory().get("/"))
    assert seen == [True]
