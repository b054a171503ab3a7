"""Signatures between nodes: what is refused, in which order, and what the refusal says."""

import random
import threading

import pytest

from raft_config.exceptions import RaftConfigError
from raft_config.transport.auth import (
    AuthenticationError,
    Caller,
    ClockSkewError,
    MessageRefusedError,
    MisdirectedError,
    NonceCache,
    ReplayedError,
    Signer,
    WrongClusterError,
)

NOW = 1_700_000_000
PATH = "/raft/append-entries"
BODY = b'{"term": 7}'
ANSWER = b'{"term": 7, "success": true}'
OLD, NEW = "the old secret, long enough", "the new secret, long enough"


def node(node_id, *, cluster="demo", secrets=(OLD,), now=NOW, **options):
    return Signer(secrets, cluster, node_id, clock=lambda: now, **options)


def signed_request(sender=None, *, receiver="b"):
    return (sender or node("a")).sign_request("POST", PATH, BODY, receiver=receiver)


def receive(headers, at=None, *, method="POST", path=PATH, body=BODY):
    return (at or node("b")).verify_request(method, path, headers, body)


def exchange():
    """Return the headers of a request from a to b, and those of its reply."""
    request = signed_request()
    return request, node("b").sign_reply(receive(request), 200, ANSWER)


def answered(request, reply, at=None, *, status=200, body=ANSWER):
    return (at or node("a")).verify_reply(request, status, reply, body)


def single_bit_changes(text):
    raw = text.encode("latin-1")
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        yield changed.decode("latin-1")


def rewritten(headers, name, old, new):
    assert old in headers[name]
    return {**headers, name: headers[name].replace(old, new)}


# ---------------------------------------------------------------------- what is accepted


def test_request_names_its_sender():
    caller = receive(signed_request())
    assert (caller.node_id, caller.clock_offset_seconds) == ("a", 0)


def test_reply_names_the_node_that_answered():
    request, reply = exchange()
    assert answered(request, reply).node_id == "b"


def test_header_names_may_change_their_case_on_the_way():
    request = {name.lower(): value for name, value in signed_request().items()}
    assert receive({**request, "HOST": "proxy", "Cookie": "é"}).node_id == "a"


@pytest.mark.parametrize("body", [b"", b"\x00\xff" * 100_000])
def test_any_bytes_may_be_the_body(body):
    headers = node("a").sign_request("POST", PATH, body, receiver="b")
    assert receive(headers, body=body).node_id == "a"


def test_a_node_may_call_its_own_url():
    assert receive(signed_request(node("b"))).node_id == "b"


def test_messages_signed_by_an_independent_implementation_are_accepted():
    # Written by http-message-signatures 3.0.0, with the derived key; RFC 9421 §2.5, §3.1.
    secret = "a secret for the vector"
    request = {
        "Content-Digest": "sha-256=:zltOVEEGfOSf8RmGGeiP0YJh03p0bkly7Yz4j1gKljM=:",
        "Raft-Cluster": "demo",
        "Raft-Sender": "a",
        "Raft-Receiver": "b",
        "Signature": "raft=:yCk9lAEX3zE2GKVffsmtvOcpVLRPW21Idkhvv41waa0=:",
        "Signature-Input": 'raft=("@method" "@path" "content-digest" "raft-cluster" "raft-sender" '
        '"raft-receiver");created=1700000000;keyid="a244717344d06d89"'
        ';nonce="AAAAAAAAAAAAAAAAAAAAAA";tag="raft-request"',
    }
    reply = {
        "Content-Digest": "sha-256=:+39M78xUaRlMqjiwwnKzEET9I0UkjgGFqoKsCLizpr8=:",
        "Raft-Cluster": "demo",
        "Raft-Sender": "b",
        "Raft-Receiver": "a",
        "Signature": "raft=:UEHL18TqexUAydOkgUHD9ic324U8ctdI3svKwAPguTQ=:",
        "Signature-Input": 'raft=("@status" "signature";req "content-digest" "raft-cluster" '
        '"raft-sender" "raft-receiver");created=1700000000;keyid="a244717344d06d89"'
        ';nonce="BBBBBBBBBBBBBBBBBBBBBB";tag="raft-reply"',
    }
    assert receive(request, node("b", secrets=[secret]), body=b'{"term": 7}').node_id == "a"
    asker = node("a", secrets=[secret])
    assert answered(request, reply, asker, body=b'{"term": 8}').node_id == "b"


# -------------------------------------------------------- every signed part, one change


@pytest.mark.parametrize("name", sorted(signed_request()))
def test_no_bit_of_a_request_header_can_change(name):
    request, receiver = signed_request(), node("b")
    for value in single_bit_changes(request[name]):
        with pytest.raises(AuthenticationError):
            receive({**request, name: value}, receiver)


@pytest.mark.parametrize("name", sorted(signed_request()))
def test_no_bit_of_a_reply_header_can_change(name):
    (request, reply), sender = exchange(), node("a")
    for value in single_bit_changes(reply[name]):
        with pytest.raises(AuthenticationError):
            answered(request, {**reply, name: value}, sender)


def test_no_bit_of_a_body_can_change():
    request, reply = exchange()
    for text in single_bit_changes(BODY.decode()):
        with pytest.raises(AuthenticationError, match="body is not the one"):
            receive(request, body=text.encode("latin-1"))
    for text in single_bit_changes(ANSWER.decode()):
        with pytest.raises(AuthenticationError, match="body is not the one"):
            answered(request, reply, body=text.encode("latin-1"))


def test_no_bit_of_the_path_or_the_method_can_change():
    request = signed_request()
    for path in single_bit_changes(PATH):
        with pytest.raises(AuthenticationError):
            receive(request, path=path)
    for method in single_bit_changes("POST"):
        with pytest.raises(AuthenticationError):
            receive(request, method=method)


@pytest.mark.parametrize(
    ("name", "old", "new", "victim"),
    [
        ("Raft-Receiver", "b", "c", node("c")),
        ("Raft-Sender", "a", "c", node("b")),
        ("Raft-Cluster", "demo", "other", node("b", cluster="other")),
        ("Signature-Input", str(NOW), str(NOW + 1), node("b")),
        ("Signature-Input", 'tag="raft-request"', 'tag="raft-reply"', node("b")),
    ],
)
def test_a_rewritten_request_is_refused_where_the_new_value_would_fit(name, old, new, victim):
    with pytest.raises(AuthenticationError):
        receive(rewritten(signed_request(), name, old, new), victim)


@pytest.mark.parametrize(
    "other", [{"path": "/raft/request-vote"}, {"path": "/raft/"}, {"method": "PUT"}]
)
def test_a_request_is_good_for_one_endpoint(other):
    with pytest.raises(AuthenticationError, match="signature that does not match"):
        receive(signed_request(), **other)


def test_another_nonce_does_not_make_a_captured_request_new():
    nonce = 'nonce="' + "A" * 22 + '"'
    request = signed_request()
    before = request["Signature-Input"].split(";")[3]
    with pytest.raises(AuthenticationError, match="signature that does not match"):
        receive(rewritten(request, "Signature-Input", before, nonce))


def test_the_digest_of_another_body_does_not_fit_the_signature():
    other = node("a").sign_request("POST", PATH, b"other", receiver="b")
    with pytest.raises(AuthenticationError, match="signature that does not match"):
        receive({**signed_request(), "Content-Digest": other["Content-Digest"]}, body=b"other")


def test_two_signatures_of_one_request_differ():
    assert signed_request()["Signature"] != signed_request()["Signature"]


# --------------------------------------------------------- a reply answers one request


def test_a_reply_does_not_fit_another_request_to_the_same_node():
    _, reply = exchange()
    with pytest.raises(AuthenticationError, match="signature that does not match"):
        answered(signed_request(), reply)


def test_a_reply_does_not_fit_another_status():
    request, reply = exchange()
    with pytest.raises(AuthenticationError, match="signature that does not match"):
        answered(request, reply, status=500)


def test_a_request_is_no_reply_and_a_reply_no_request():
    request, reply = exchange()
    echo = signed_request(node("b"), receiver="a")
    for forged in (request, echo):
        with pytest.raises(AuthenticationError, match="Signature-Input"):
            answered(request, forged, body=BODY)
    with pytest.raises(AuthenticationError, match="Signature-Input"):
        receive(reply, node("a"), body=ANSWER)


def test_a_reply_to_another_node_is_refused():
    caller = receive(signed_request())
    request, reply = signed_request(node("c")), node("b").sign_reply(caller, 200, ANSWER)
    with pytest.raises(AuthenticationError):
        answered(request, reply, node("c"))


def test_a_member_cannot_answer_for_the_one_that_was_asked():
    request = signed_request(receiver="b")
    caller = Caller("a", "", 0, request["Signature"])
    with pytest.raises(MisdirectedError, match="'c' answered at the URL of node 'b'"):
        answered(request, node("c").sign_reply(caller, 200, ANSWER))


def test_the_date_of_a_reply_decides_nothing_and_is_reported():
    request = signed_request()
    reply = node("b", now=NOW + 3600).sign_reply(receive(request), 200, ANSWER)
    assert answered(request, reply).clock_offset_seconds == 3600


# ---------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("sender", "receiver"),
    [
        ([OLD], [OLD, NEW]),
        ([OLD, NEW], [OLD]),
        ([NEW, OLD], [OLD, NEW]),
        ([OLD, NEW], [NEW, OLD]),
        ([NEW], [NEW, OLD]),
        ([NEW, OLD], [NEW]),
    ],
)
def test_each_step_of_a_rotation_is_understood_both_ways(sender, receiver):
    a, b = node("a", secrets=sender), node("b", secrets=receiver)
    request = signed_request(a)
    caller = receive(request, b)
    reply = b.sign_reply(caller, 200, ANSWER)
    if receiver[0] in sender:
        assert answered(request, reply, a).key_id == b.key_id
    assert caller.key_id == a.key_id


def test_the_first_secret_signs():
    old, new = node("a", secrets=[OLD]), node("a", secrets=[NEW])
    assert old.key_id != new.key_id
    assert node("a", secrets=[NEW, OLD]).key_id == new.key_id


def test_a_secret_that_was_removed_is_refused():
    with pytest.raises(AuthenticationError, match=r"a secret .* that this node does not have"):
        receive(signed_request(), node("b", secrets=[NEW]))


def test_a_secret_with_the_id_of_another_is_refused():
    request = signed_request(node("a", secrets=["guess"]))
    forged = rewritten(
        request, "Signature-Input", node("a", secrets=["guess"]).key_id, node("a").key_id
    )
    with pytest.raises(AuthenticationError, match="signature that does not match"):
        receive(forged)


def test_no_secret_or_key_is_shown_or_sent():
    signer = node("a")
    shown = repr(signer) + repr(signed_request(signer)) + repr(receive(signed_request(signer)))
    assert OLD not in shown
    assert not hasattr(signer, "secrets")
    assert repr(signer) == "Signer(cluster_id='demo', node_id='a', max_skew_seconds=30.0)"


@pytest.mark.parametrize("secrets", [[], (), [""], [OLD, ""], OLD])
def test_secrets_that_would_protect_nothing_are_refused(secrets):
    with pytest.raises(ValueError, match="one or more secrets"):
        node("a", secrets=secrets)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_a_limit_that_would_refuse_all_or_nothing_is_refused(seconds):
    with pytest.raises(ValueError, match="max_skew_seconds"):
        node("a", max_skew_seconds=seconds)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "é", "-a", "a" * 65, 'a"', "\ud800"])
def test_an_id_that_does_not_travel_is_refused(name):
    with pytest.raises(ValueError, match="is no id"):
        node(name)
    with pytest.raises(ValueError, match="is no id"):
        node("a", cluster=name)
    with pytest.raises(ValueError, match="is no id"):
        signed_request(receiver=name)


@pytest.mark.parametrize("path", ["", "raft", "/raft?x=1", "/r\n", "/%41", "/é", "/" + "a" * 512])
def test_a_path_that_could_change_on_the_way_is_not_signed(path):
    with pytest.raises(ValueError, match="cannot be signed"):
        node("a").sign_request("POST", path, BODY, receiver="b")


# ------------------------------------------------------- cluster, receiver, clock, replay


def test_another_cluster_with_the_same_secret_is_told_both_names():
    with pytest.raises(WrongClusterError, match=r"'a' belongs to cluster 'shop'.*'b' to 'demo'"):
        receive(signed_request(node("a", cluster="shop")))


def test_a_request_at_the_wrong_url_is_told_where_it_came():
    with pytest.raises(MisdirectedError, match=r"This is node 'c'; node 'a' meant 'b'"):
        receive(signed_request(), node("c"))


def test_a_stranger_learns_nothing_about_the_node():
    stranger = node("x", cluster="guess", secrets=["guess"], now=NOW + 9999)
    probed = node("b")
    with pytest.raises(AuthenticationError) as refused:
        receive(signed_request(stranger, receiver="guess"), probed)
    text = str(refused.value)
    assert "'x'" in text
    assert "'guess'" in text
    assert not any(own in text for own in ("'b'", "demo", probed.key_id, str(NOW)))
    assert refused.value.caller is None


@pytest.mark.parametrize("offset", [-30, -1, 0, 30])
def test_a_clock_within_the_limit_is_accepted_and_reported(offset):
    assert receive(signed_request(node("a", now=NOW + offset))).clock_offset_seconds == offset


@pytest.mark.parametrize(
    ("offset", "says"),
    [
        (31, "31 seconds ahead of the clock of node 'b'; at most 30 are accepted"),
        (-31, "31 seconds behind the clock of node 'b'"),
        (-3600, "3600 seconds behind"),
        (-NOW, f"{NOW} seconds behind"),
        (999_999_999_999 - NOW, "ahead"),
    ],
)
def test_a_clock_beyond_the_limit_is_told_by_how_much(offset, says):
    with pytest.raises(ClockSkewError, match=says) as refused:
        receive(signed_request(node("a", now=NOW + offset)))
    assert "NTP" in str(refused.value)


def test_a_request_is_taken_once():
    b, request = node("b"), signed_request()
    assert receive(request, b).node_id == "a"
    with pytest.raises(ReplayedError, match="came twice"):
        receive(request, b)


def test_a_replay_after_the_window_is_refused_by_its_date():
    later = node("b", now=NOW + 31, nonces=NonceCache())
    with pytest.raises(ClockSkewError):
        receive(signed_request(), later)


def test_a_tampered_copy_does_not_use_up_the_nonce():
    b, request = node("b"), signed_request()
    with pytest.raises(AuthenticationError):
        receive(request, b, body=b"other")
    assert receive(request, b).node_id == "a"


def test_refusals_come_in_the_documented_order():
    """One request with every fault; the faults are mended from the first to the last."""
    cache = NonceCache()
    b = node("b", nonces=cache)
    bad = {"cluster": "other", "now": NOW + 99}
    wrong_secret = signed_request(node("a", secrets=[NEW], **bad), receiver="c")
    wrong_cluster = signed_request(node("a", **bad), receiver="c")
    wrong_node = signed_request(node("a", now=NOW + 99), receiver="c")
    wrong_clock = signed_request(node("a", now=NOW + 99))
    wrong_body = signed_request()
    receive(wrong_body, b)
    expected = [
        (wrong_secret, AuthenticationError, 401),
        (wrong_cluster, WrongClusterError, 412),
        (wrong_node, MisdirectedError, 421),
        (wrong_clock, ClockSkewError, 401),
        (wrong_body, AuthenticationError, 401),
    ]
    for headers, error, status in expected:
        with pytest.raises(MessageRefusedError) as refused:
            receive(headers, b, body=b"other")
        assert type(refused.value) is error
        assert refused.value.http_status == status
        assert isinstance(refused.value, RaftConfigError)
    with pytest.raises(ReplayedError):
        receive(wrong_body, b)


def test_the_body_is_read_only_when_the_headers_are_right():
    def unread():
        raise AssertionError("read")

    for headers in (
        {},
        signed_request(node("a", secrets=[NEW])),
        signed_request(node("a", cluster="other")),
        signed_request(receiver="c"),
        signed_request(node("a", now=NOW + 99)),
    ):
        with pytest.raises(MessageRefusedError):
            receive(headers, body=unread)
    assert receive(signed_request(), body=lambda: BODY).node_id == "a"
    with pytest.raises(AssertionError, match="read"):
        receive(signed_request(), body=unread)


def test_a_refusal_to_a_node_with_the_secret_can_be_signed():
    request = signed_request(receiver="c")
    with pytest.raises(MisdirectedError) as refused:
        receive(request)
    reply = node("b").sign_reply(refused.value.caller, 421, ANSWER)
    with pytest.raises(MisdirectedError, match="'b' answered at the URL of node 'c'"):
        answered(request, reply, status=421)


def test_a_signed_refusal_by_another_cluster_names_it_to_the_caller():
    request, other = signed_request(), node("b", cluster="other")
    with pytest.raises(WrongClusterError) as refused:
        receive(request, other)
    reply = other.sign_reply(refused.value.caller, 412, ANSWER)
    with pytest.raises(WrongClusterError, match="'b' belongs to cluster 'other'"):
        answered(request, reply, status=412)


# ------------------------------------------------------------------------- nonce cache


def test_the_cache_forgets_the_oldest_and_stays_bounded():
    cache = NonceCache(max_size=3)
    assert all(cache.remember("a", nonce) for nonce in "1234")
    assert not any(cache.remember("a", nonce) for nonce in "234")
    assert cache.remember("a", "1")


def test_a_nonce_of_one_node_is_none_of_another():
    cache = NonceCache()
    assert cache.remember("a", "1")
    assert cache.remember("b", "1")


def test_of_many_threads_one_is_the_first():
    cache, barrier, firsts = NonceCache(), threading.Barrier(8), []

    def run():
        barrier.wait()
        firsts.extend(nonce for nonce in range(500) if cache.remember("a", str(nonce)))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == list(range(500))


# ---------------------------------------------------------------------------- garbage

GARBAGE = [
    "",
    " ",
    "\x00",
    "é",
    "\ud800",
    "NaN",
    "null",
    "-1",
    "a, a",
    "9" * 4300,
    "x" * 1_000_000,
    "raft=:" + "A" * 43 + "=:\n",
    None,
    7,
    b"a",
    ["a"],
]


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", sorted(signed_request()))
def test_garbage_in_a_header_is_an_authentication_error(name, value):
    request, reply = exchange()
    with pytest.raises(AuthenticationError):
        receive({**request, name: value})
    with pytest.raises(AuthenticationError):
        answered(request, {**reply, name: value})


@pytest.mark.parametrize("name", sorted(signed_request()))
def test_a_missing_header_is_named(name):
    request = signed_request()
    del request[name]
    with pytest.raises(AuthenticationError, match=f"The {name} header is missing"):
        receive(request)


@pytest.mark.parametrize(
    "created", ["", "-1", "NaN", "1e9", "1.5", "1_0", "9" * 13, "9" * 4300, "١٢٣", " 1", "0x1"]
)
def test_a_date_that_is_no_plain_number_is_an_authentication_error(created):
    request = rewritten(signed_request(), "Signature-Input", str(NOW), created)
    with pytest.raises(AuthenticationError, match="Signature-Input header is not in the"):
        receive(request)


@pytest.mark.parametrize(
    ("method", "path"),
    [("", PATH), ("pöst", PATH), ("P\nT", PATH), ("POST", ""), ("POST", "\ud800"), ("POST", "*")],
)
def test_a_strange_request_line_is_an_authentication_error(method, path):
    with pytest.raises(AuthenticationError):
        receive(signed_request(), method=method, path=path)


def test_a_path_cannot_smuggle_signed_lines():
    with pytest.raises(AuthenticationError):
        receive(signed_request(), path=f'{PATH}\n"content-digest": sha-256=:x:')


@pytest.mark.parametrize("seed", range(20))
def test_no_random_damage_is_accepted_or_raises_anything_else(seed):
    rng = random.Random(seed)
    alphabet = 'raft=:;"@-() \t\r\n\x00\x7fé\ud800\u06610123456789ABCabc+/=_'
    receiver = node("b")
    for _ in range(300):
        headers = signed_request()
        for name in rng.sample(sorted(headers), rng.randint(1, 6)):
            value = list(headers[name])
            at = rng.randrange(len(value) + 1)
            value[at : at + rng.randint(0, 5)] = rng.choices(alphabet, k=rng.randint(0, 40))
            damaged = "".join(value)
            headers[name] = damaged if damaged != headers[name] else damaged + "x"
        with pytest.raises(AuthenticationError):
            receive(headers, receiver)
