"""Attacks on the RPCs of a real web server: refused, and the database is as it was before.

The node has no ticks here, so that nothing changes its database but what is sent to it.
"""

from __future__ import annotations

import gzip
import json
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from raft_config.core.configuration import Configuration, Member
from raft_config.core.log import Entry
from raft_config.core.messages import (
    AppendEntries,
    PreVoteResponse,
    Rejected,
    Rejection,
    RequestVote,
    RequestVoteResponse,
    TimeoutNow,
)
from raft_config.state_machine import Command, encode_command
from raft_config.transport import wire
from raft_config.urls import rpc_patterns

from .server import (
    SECRET,
    THREADS,
    TIMERS,
    Peer,
    Server,
    append,
    envelope,
    heartbeat,
    path_of,
    serving,
)

OTHER_SECRET = "another secret, as long as the first one"
NAMES = sorted(str(each.pattern).split("/")[1] for each in rpc_patterns)
VOTE = envelope(RequestVote(term=1000, last_log_index=99, last_log_term=999))
"""It would be granted, and stored."""
LIMIT = encode_command(Command("of the test", {"LIMIT": '{"type":"int","value":30}'}))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("attacked")) as found:
        Peer(found).say(heartbeat(term=1))  # the node has a row, and follows a
        yield found


@pytest.fixture
def peer(server):
    return Peer(server)


@pytest.fixture
def unharmed(server):
    """Whatever a test sends, the whole database is the same afterwards, and nothing failed."""
    before, log = tables_of(server), len(server.log())
    yield
    assert tables_of(server) == before
    assert "Traceback" not in server.log()[log:]


def tables_of(server, **options):
    """All but the journal, which remembers refusals: see below."""
    journal = {"raft_config_event", "sqlite_sequence"}
    found = server.tables(**options)
    return {name: rows for name, rows in found.items() if name not in journal}


def term_of(server):
    return server.tables()["raft_config_node"][0]["current_term"]


def test_a_server_that_never_answers_is_not_left_behind(tmp_path, monkeypatch):
    begun = []

    def never(server):
        begun.append(server.process)
        pytest.fail("it never came true")

    monkeypatch.setattr(Server, "_answers", never)
    with pytest.raises(pytest.fail.Exception), serving(tmp_path):
        pass
    assert [each.returncode for each in begun] == [-signal.SIGKILL]


# -- who is not believed


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_heard_without_a_signature(server, name):
    assert len(NAMES) >= 5
    for body in (b"{}", VOTE, b"[" * 100_000):
        answer = server.send(name, body, {})
        assert (answer.status, "Signature" in answer.headers) == (401, False)


@pytest.mark.usefixtures("unharmed")
def test_one_bit_changed_in_any_signed_part_is_refused(server, peer):
    """Some bits of each here; every bit of every header is changed in tests/transport."""
    dice = random.Random(1)
    for _ in range(10):
        headers = peer.signed("raft", VOTE)
        for name in headers:
            changed = {**headers, name: _flipped(headers[name], dice)}
            assert server.send("raft", VOTE, changed).status == 401, changed
        body = _flipped(VOTE.decode(), dice).encode()
        assert server.send("raft", body, headers).status == 401, body
    assert server.send("raft", VOTE, headers, path=f"/raft/rpc//{NAMES[0]}/").status == 404
    assert server.send("raft", VOTE, headers, method="PUT").status == 405


def _flipped(text, dice):
    """The text with one bit changed, such that it is still a character that can be sent."""
    while True:
        raw = bytearray(text.encode("ascii"))
        bit = dice.randrange(7 * len(raw))
        raw[bit // 7] ^= 1 << bit % 7
        changed = raw.decode("ascii")
        if changed.isprintable() and changed == changed.strip():
            return changed


@pytest.mark.usefixtures("unharmed")
def test_a_request_for_another_node_endpoint_or_cluster_is_refused(server, peer):
    for_another = peer.signed("raft", VOTE, receiver="c")
    assert server.send("raft", VOTE, for_another).status == 421
    elsewhere = peer.signed("propose", VOTE)
    assert server.send("raft", VOTE, elsewhere).status == 401
    of_another = Peer(server, cluster="other").signed("raft", VOTE)
    assert server.send("raft", VOTE, of_another).status == 412
    with_another = Peer(server, secrets=[OTHER_SECRET]).signed("raft", VOTE)
    assert server.send("raft", VOTE, with_another).status == 401


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize(("offset", "said"), [(-40, b"behind"), (40, b"ahead of")])
def test_a_clock_that_is_too_wrong_is_refused_and_told(server, offset, said):
    late = Peer(server, clock=lambda: time.time() + offset)
    answer = late.send("raft", VOTE)
    assert answer.status == 401
    assert b"seconds %s the clock of node 'b'" % said in answer.body
    assert b"Synchronise both with NTP" in answer.body


@pytest.mark.usefixtures("unharmed")
def test_a_member_cannot_put_another_name_into_the_envelope(server):
    answer = Peer(server, "c").send("raft", envelope(RequestVote(9, 99, 8), "a"))
    assert answer.status == 400
    answer = Peer(server, "b").send("raft", envelope(RequestVote(9, 99, 8), "b"))
    assert answer.status == 400


@pytest.mark.usefixtures("unharmed")
def test_a_term_beyond_reason_is_refused(server, peer):
    for message in (RequestVote(2**63 - 1, 99, 8, transfer=True), heartbeat(2**63 - 1)):
        assert peer.say(message) == Rejected(term_of(server), Rejection.TERM_TOO_FAR)


def test_nobody_counts_as_a_voter_who_is_none_or_was_not_asked(server, peer):
    """A learner, a stranger, a removed node, the node itself; and a voter who answers unasked."""
    term = term_of(server) + 1
    last = server.tables()["raft_config_node"][0]["last_log_index"]
    last_term = server.tables()["raft_config_node"][0]["last_log_term"]
    members = (Member("a"), Member("b"), Member("d", voter=False, promote=False), Member("e"))
    configuration = Configuration(members, last + 1, removed=("c",))
    entries = (Entry(last + 1, term, configuration=configuration),)
    assert peer.say(AppendEntries(term, last, last_term, entries, last + 1)).success
    peer.say(TimeoutNow(term))
    before = tables_of(server)
    node = before["raft_config_node"][0]
    assert (node["role"], node["current_term"]) == ("candidate", term + 1)
    for sender in ("d", "x", "c", "b", "e"):
        for vote in (RequestVoteResponse(term + 1, True), PreVoteResponse(term, term + 1, True)):
            answer = Peer(server, sender).send("raft", envelope(vote, sender))
            assert answer.status == 400, (sender, answer.body)
    assert tables_of(server) == before
    # What follows begins with the members that the other tests know.
    members = tuple(Member(each, f"http://127.0.0.1:1/raft/{each}") for each in "abc")
    entries = (Entry(last + 2, term + 2, configuration=Configuration(members, last + 2)),)
    assert peer.say(AppendEntries(term + 2, last + 1, term, entries, last + 2)).success


def test_whoever_has_the_shared_secret_can_speak_as_any_member(server, peer):
    """What docs/security.md says that it does not protect from: c has sent none of this."""
    term, node = term_of(server) + 1, server.tables()["raft_config_node"][0]
    last, last_term = node["last_log_index"], node["last_log_term"]
    impostor = Peer(server, "c", secrets=[SECRET])  # all that a knows, too
    set_by_a = Command("of a", {"LIMIT": '{"type":"int","value":666}'})
    entries = (Entry(last + 1, term, encode_command(set_by_a)),)
    assert impostor.say(AppendEntries(term, last, last_term, entries, last + 1)).success
    after = server.tables()
    assert json.loads(after["raft_config_node"][0]["role_data"])["leader_id"] == "c"
    (value,) = (each for each in after["raft_config_storedvalue"] if each["name"] == "LIMIT")
    assert json.loads(value["text"])["value"] == 666
    # What follows is led by a, in a term of its own.
    assert peer.say(heartbeat(term + 1, last + 1, term)).success


ADDRESSES = (
    "file:///etc/passwd",
    "ftp://c/raft",
    "gopher://c:70/_",
    "http://a:b@c/raft",
    "//c/raft",
)
ADDRESSES += ("http://169.254.169.254/latest/api/token?x=", "http://169.254.169.254/#", "")


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_member_at_an_address_that_is_no_base_url_is_refused(peer, address):
    newcomer = {"node_id": "d", "address": address, "incarnation": "i", "promote": True}
    assert peer.send("join", json.dumps(newcomer).encode()).status == 400
    for name in ("add", "set_url"):
        wanted = {"name": name, "node_id": "d", "address": address, "promote": True}
        wanted |= {"user": "eve", "only_plan": False, "force": True}
        assert peer.send("operate", json.dumps(wanted).encode()).status == 422


# -- what came before


def test_a_captured_request_is_taken_once_by_each_process_and_has_one_effect(server, peer):
    """Nonces are in the memory of a process: another one, or a later one, knows nothing of them.

    What holds everywhere is that a request which comes again changes nothing but timers.
    """
    dice = random.Random(2)
    term = term_of(server) + 1
    said = [append(term, at, LIMIT, previous=term * (at > 1), commit=at - 1) for at in range(1, 9)]
    said += [heartbeat(term, 8, term, commit=8), RequestVote(term + 1, 99, term, transfer=True)]
    bodies = [envelope(each) for each in said]
    captured = [(body, peer.signed("raft", body)) for body in bodies]
    assert {server.send("raft", *each).status for each in captured} == {200}
    before = tables_of(server, but=TIMERS)
    again = dice.sample(captured * 10, k=10 * len(captured))
    assert {server.send("raft", *each).status for each in again} == {401}
    server.restart()
    statuses = [server.send("raft", *each).status for each in again]
    assert sorted(statuses) == [200] * len(captured) + [401] * 9 * len(captured)
    assert tables_of(server, but=TIMERS) == before


def test_each_of_two_workers_takes_a_captured_request_at_most_once(server, peer):
    server.restart("--workers", "2")
    try:
        body = envelope(heartbeat(term_of(server)))
        headers = peer.signed("raft", body)
        statuses = [server.send("raft", body, headers).status for _ in range(40)]
        assert 1 <= statuses.count(200) <= 2
        assert set(statuses) == {200, 401}
    finally:
        server.restart()


def test_secrets_are_rotated_node_by_node_without_a_refusal(server):
    old, new = SECRET, OTHER_SECRET
    steps = [([old], [old, new]), ([old, new], [old, new]), ([old, new], [new, old])]
    steps += [([new, old], [new, old]), ([new, old], [new]), ([new], [new])]
    try:
        for theirs, ours in steps:
            if ours != server.secrets:
                server.secrets = ours
                server.restart()
            assert Peer(server, secrets=theirs).send("ping", b"{}").status == 200
        server.secrets = [new]
        assert Peer(server, secrets=[old]).send("ping", b"{}", proved=False).status == 401
    finally:
        server.secrets = [old]
        server.restart()


# -- what is in the body


def _with(**fields):
    content = json.loads(VOTE)
    content["message"].update(fields)
    return json.dumps(content)


MALFORMED = {
    "deep": "[" * 200_000,
    "deep object": '{"a":' * 100_000,
    "twice": VOTE.decode().replace('"sender":', '"sender":"c","sender":'),
    "NaN": _with(term=7777).replace('"term": 7777', '"term": NaN'),
    "infinite": _with(term=7777).replace('"term": 7777', '"term": 1e999'),
    "4300 digits": _with(term=7777).replace('"term": 7777', f'"term": {"9" * 4300}'),
    "5000 digits": _with(term=7777).replace('"term": 7777', f'"term": {"9" * 5000}'),
    "beyond 64 bits": _with(term=2**63),
    "negative": _with(term=-1),
    "bool": _with(term=True),
    "text": _with(term="9"),
    "float": _with(term=9.0),
    "null": _with(term=None),
    "unknown field": _with(more=1),
    "half a character": VOTE.decode().replace("life of a", "\\ud800"),
    "NUL": VOTE.decode().replace("life of a", "\\u0000"),
    "not UTF-8": b'{"version": "\xff"}',
    "UTF-16": VOTE.decode().encode("utf-16"),
    "with a mark": b"\xef\xbb\xbf" + VOTE,
    "empty": b"",
    "a response": envelope(Rejected(9, Rejection.WRONG_INCARNATION)),
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
}


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("what", MALFORMED)
def test_a_malformed_body_is_400(peer, what):
    body = MALFORMED[what]
    body = body if isinstance(body, bytes) else body.encode()
    for name in NAMES:
        answer = peer.send(name, body)
        assert answer.status == 400, (name, answer.body)


@pytest.mark.usefixtures("unharmed")
def test_a_compressed_body_is_not_expanded(server, peer):
    bomb = gzip.compress(bytes(50_000_000))
    headers = {**peer.signed("raft", bomb), "Content-Encoding": "gzip"}
    assert server.send("raft", bomb, headers).status == 400
    assert server.send("raft", gzip.compress(VOTE), headers).status == 401


# -- much, and slowly

HUNDRED_MEGABYTES = 100_000_000
CHUNK = bytes(1_000_000)
REQUEST = f"POST {path_of('raft')} HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.usefixtures("unharmed")
def test_bodies_of_100_megabytes_take_no_memory(server, peer):
    server.restart()
    peer.send("ping", b"{}")
    before = server.megabytes()
    lengths = ({"Content-Length": str(HUNDRED_MEGABYTES)}, {"Transfer-Encoding": "chunked"})
    for length in lengths:
        for headers in ({}, peer.signed("raft", VOTE)):
            status = _pour(server, {**headers, **length})
            assert status in (b"401", b"413", b""), status  # b"": closed while we were sending
    assert peer.send("ping", b"{}").status == 200
    assert server.megabytes() - before < 20


def _pour(server, headers):
    """Send 100 MB, or what the server takes of them; the status of its answer."""
    is_chunked = "Transfer-Encoding" in headers
    piece = b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK) if is_chunked else CHUNK
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with server.connect() as connection:
        connection.sendall(f"{REQUEST}{lines}\r\n".encode())
        try:
            for _ in range(HUNDRED_MEGABYTES // len(CHUNK)):
                connection.sendall(piece)
            if is_chunked:
                connection.sendall(b"0\r\n\r\n")
            return connection.recv(100).split()[1]
        except (OSError, IndexError):
            return b""


SLOW = {
    "nothing": "",
    "half a header": f"{REQUEST}Raft-Clus",
    "no body": f"{REQUEST}Content-Length: 1000\r\n\r\n",
}


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("what", SLOW)
def test_connections_that_hang_hold_up_nobody_while_a_thread_is_left(server, peer, what):
    """More of them than threads do, for some seconds each: see docs/security.md."""
    with ExitStack() as stack:
        for _ in range(THREADS - 2):
            connection = stack.enter_context(server.connect())
            connection.sendall(SLOW[what].encode())
        for _ in range(20):
            assert peer.send("ping", b"{}").status == 200


@pytest.mark.usefixtures("unharmed")
def test_a_node_answers_again_once_a_crowd_of_hanging_connections_is_gone(server, peer):
    with ExitStack() as stack:
        for what in SLOW.values():
            for _ in range(2 * THREADS):
                stack.enter_context(server.connect()).sendall(what.encode())
    assert peer.send("ping", b"{}").status == 200


FLOOD_SECONDS = 5.0


def test_a_member_that_floods_takes_no_memory_and_silences_no_other(server, peer):
    """As much as it can on all threads but one; no limit is set, see docs/security.md."""
    server.restart()
    term = term_of(server)
    peer.say(heartbeat(term))
    before, end = server.megabytes(), time.monotonic() + FLOOD_SECONDS
    bodies = [envelope(RequestVote(term, 0, 0), "c"), b"[" * 100_000, b"{}", bytes(1_000_000)]

    def flood(number):
        flooder, sent = Peer(server, "c"), 0
        while time.monotonic() < end:
            flooder.send(NAMES[sent % len(NAMES)], bodies[sent % len(bodies)])
            sent += 1
        return sent

    with ThreadPoolExecutor(THREADS - 1) as pool:
        floods = [pool.submit(flood, number) for number in range(THREADS - 1)]
        heard = 0
        while time.monotonic() < end:
            assert peer.say(heartbeat(term)).success
            heard += 1
        sent = sum(each.result() for each in floods)
    assert heard > 5
    assert sent > heard
    assert server.megabytes() - before < 50
    assert term_of(server) == term


def test_refusals_are_remembered_once_a_minute_not_each(server, peer):
    before = len(server.tables()["raft_config_event"])
    for _ in range(50):
        server.send("raft", VOTE, {})
        peer.send("raft", b"{")
    assert len(server.tables()["raft_config_event"]) - before <= 2


def test_the_vote_that_is_refused_everywhere_above_would_have_been_given(server, peer):
    term = term_of(server) + 1
    assert term < wire.decode_envelope(VOTE).message.term
    peer.say(RequestVote(term, 99, 999, transfer=True))
    assert term_of(server) == term
