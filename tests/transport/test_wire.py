"""The wire: every message there and back, its exact bytes, and everything that is refused."""

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raft_config.core import messages
from raft_config.core.configuration import Configuration, Member
from raft_config.core.log import Entry, SnapshotMeta
from raft_config.core.messages import Envelope
from raft_config.core.settings import RaftSettings
from raft_config.core.state import PROTOCOL_VERSION
from raft_config.exceptions import InvalidMessageError
from raft_config.transport.strict import MAX_TEXT
from raft_config.transport.wire import MAX_BODY_BYTES, decode_envelope, encode_envelope

MEMBERS = Configuration(
    (Member("a", "http://a/raft", incarnation="i"), Member("b", voter=False)), 8, ("c",), "g"
)
META = SnapshotMeta(9, 2, MEMBERS, 12, "d1")

GOLDEN = {
    messages.RequestPreVote(3, 7, 2): (
        '"RequestPreVote","message":{"term":3,"last_log_index":7,"last_log_term":2}'
    ),
    messages.PreVoteResponse(3, 4, vote_granted=True, removed=False): (
        '"PreVoteResponse","message":'
        '{"term":3,"candidate_term":4,"vote_granted":true,"removed":false}'
    ),
    messages.RequestVote(3, 7, 2, transfer=True): (
        '"RequestVote","message":{"term":3,"last_log_index":7,"last_log_term":2,"transfer":true}'
    ),
    messages.RequestVoteResponse(3, vote_granted=False): (
        '"RequestVoteResponse","message":{"term":3,"vote_granted":false}'
    ),
    messages.AppendEntries(
        3, 6, 2, (Entry(7, 2, b"\x00\xff"), Entry(8, 3, configuration=MEMBERS)), 5, "r"
    ): (
        '"AppendEntries","message":{"term":3,"prev_log_index":6,"prev_log_term":2,"entries":['
        '{"index":7,"term":2,"command":"AP8=","configuration":null},'
        '{"index":8,"term":3,"command":"","configuration":{"members":['
        '{"node_id":"a","address":"http://a/raft","voter":true,"promote":true,'
        '"incarnation":"i","version":1},'
        '{"node_id":"b","address":"","voter":false,"promote":true,'
        '"incarnation":"","version":1}],"index":8,"removed":["c"],"generation":"g"}}],'
        '"leader_commit":5,"read_id":"r"}'
    ),
    messages.AppendEntriesResponse(3, success=True, match_index=7, read_id="r"): (
        '"AppendEntriesResponse","message":{"term":3,"success":true,"match_index":7,'
        '"prev_log_index":0,"hint_index":0,"hint_term":0,"read_id":"r"}'
    ),
    messages.InstallSnapshot(3, META, 8, b"tail"): (
        '"InstallSnapshot","message":{"term":3,"meta":{"last_included_index":9,'
        '"last_included_term":2,"configuration":{"members":['
        '{"node_id":"a","address":"http://a/raft","voter":true,"promote":true,'
        '"incarnation":"i","version":1},'
        '{"node_id":"b","address":"","voter":false,"promote":true,'
        '"incarnation":"","version":1}],"index":8,"removed":["c"],"generation":"g"},'
        '"size_bytes":12,"digest":"d1"},"offset":8,"data":"dGFpbA=="}'
    ),
    messages.InstallSnapshotResponse(3, 9, "d1", 12, installed=True): (
        '"InstallSnapshotResponse","message":{"term":3,"last_included_index":9,'
        '"digest":"d1","next_offset":12,"installed":true}'
    ),
    messages.TimeoutNow(3): '"TimeoutNow","message":{"term":3}',
    messages.TimeoutNowResponse(3): '"TimeoutNowResponse","message":{"term":3}',
    messages.Rejected(3, messages.Rejection.WRONG_INCARNATION): (
        '"Rejected","message":{"term":3,"reason":"wrong_incarnation"}'
    ),
}
HEAD = (
    '{"version":1,"sender":"a","sender_incarnation":"i",'
    '"recipient":"b","recipient_incarnation":"","generation":"","type":'
)


def envelope(message, version=1):
    return Envelope("a", "i", "b", "", version, message)


def name_of(value):
    return type(value).__name__


# ------------------------------------------------------------------- there and back


@pytest.mark.parametrize(("message", "text"), GOLDEN.items(), ids=name_of)
def test_each_message_has_the_same_bytes_in_every_release(message, text):
    body = f"{HEAD}{text}}}".encode()
    assert encode_envelope(envelope(message)) == body
    assert decode_envelope(body) == envelope(message)


def test_no_message_is_forgotten_here():
    kinds = {*messages.Request.__args__, *messages.Response.__args__}
    assert {type(message) for message in GOLDEN} == kinds


integers = st.integers(0, 2**63 - 1)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
members = st.builds(
    Member,
    node_id=ids,
    address=texts,
    voter=st.booleans(),
    promote=st.booleans(),
    incarnation=texts,
    version=st.integers(1, 2**31 - 1),
)
configurations = st.builds(
    Configuration,
    members=st.lists(members, max_size=4, unique_by=lambda each: each.node_id).map(tuple),
    index=integers,
    removed=st.lists(ids, max_size=3).map(tuple),
    generation=texts,
)
metas = st.builds(
    SnapshotMeta,
    last_included_index=integers,
    last_included_term=integers,
    configuration=configurations,
    size_bytes=st.integers(200, 2**63 - 1),
    digest=texts,
)


@st.composite
def batches(draw):
    """An AppendEntries whose entries follow on one another, as in every log."""
    previous, count = draw(st.integers(0, 2**62)), draw(st.integers(0, 5))
    terms = sorted(draw(st.lists(integers, min_size=count + 2, max_size=count + 2)))
    entries = []
    for index, term in enumerate(terms[1:-1], previous + 1):
        configuration = draw(st.none() | configurations)
        if configuration is None:
            entries.append(Entry(index, term, draw(st.binary(max_size=100))))
        else:
            entries.append(Entry(index, term, configuration=replace(configuration, index=index)))
    return messages.AppendEntries(
        terms[-1], previous, terms[0], tuple(entries), draw(integers), draw(texts)
    )


def generated(made, **special):
    """Any message of a kind: integers, unless said otherwise."""
    kinds = {"bool": st.booleans(), "str": texts, "Rejection": st.sampled_from(messages.Rejection)}
    return st.builds(
        made,
        **{
            name: special.get(name, kinds.get(field.type, integers))
            for name, field in made.__dataclass_fields__.items()
        },
    )


def any_of(made):
    if made is messages.AppendEntries:
        return batches()
    if made is messages.InstallSnapshot:
        return generated(made, meta=metas, offset=st.integers(0, 100), data=st.binary(max_size=100))
    return generated(made)


@pytest.mark.parametrize("made", [type(each) for each in GOLDEN], ids=lambda made: made.__name__)
@given(data=st.data())
def test_any_message_comes_back_as_it_went(made, data):
    sent = Envelope(
        data.draw(ids),
        data.draw(texts),
        data.draw(ids),
        data.draw(texts),
        data.draw(st.integers(1, PROTOCOL_VERSION)),
        data.draw(any_of(made)),
        data.draw(texts),
    )
    assert decode_envelope(encode_envelope(sent)) == sent


def test_the_largest_batch_of_the_largest_setting_fits_in_a_body():
    most = 5 * 1024 * 1024
    overhead = 64  # what a batch counts for each entry beside its command
    entries = tuple(Entry(2**62 + number, 2**62) for number in range(1, most // overhead))
    batch = messages.AppendEntries(2**62, 2**62, 2**62, entries, 2**62)
    assert len(encode_envelope(envelope(batch))) < MAX_BODY_BYTES
    whole = messages.AppendEntries(2, 1, 1, (Entry(2, 2, bytes(most)),), 1)
    assert len(encode_envelope(envelope(whole))) < MAX_BODY_BYTES


def test_a_batch_of_the_default_settings_passes_a_proxy_that_allows_one_megabyte():
    settings = RaftSettings()  # nginx: client_max_body_size
    batch = messages.AppendEntries(2, 1, 1, (Entry(2, 2, bytes(settings.max_batch_bytes)),), 1)
    assert len(encode_envelope(envelope(batch))) < 1024 * 1024
    chunk = messages.InstallSnapshot(
        2, replace(META, size_bytes=2**40), 0, bytes(settings.snapshot_chunk_bytes)
    )
    assert len(encode_envelope(envelope(chunk))) < 1024 * 1024


# ----------------------------------------------------------------------- what is refused


def refused(body, match=None):
    with pytest.raises(InvalidMessageError, match=match) as caught:
        decode_envelope(body if isinstance(body, bytes) else body.encode())
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def written(message=None, **fields):
    """An envelope as JSON, with some fields of the message replaced."""
    found = json.loads(encode_envelope(envelope(message or messages.RequestVote(3, 7, 2))))
    found["message"].update(fields)
    return found


WRONG_NUMBERS = [
    "-1",
    "-0",
    "true",
    "false",
    "1.0",
    "1e3",
    '"1"',
    "null",
    "[1]",
    "{}",
    str(2**63),
    "9" * 19,
    "9" * 20,
    "9" * 4300,
    "9" * 5000,
    "NaN",
    "Infinity",
    "-Infinity",
    "1" + "0" * 400 + ".0",
]


@pytest.mark.parametrize("number", WRONG_NUMBERS, ids=lambda each: each[:22])
@pytest.mark.parametrize("field", ["term", "last_log_index", "last_log_term"])
def test_a_number_that_is_none_is_refused(field, number):
    body = json.dumps(written(**{field: "here"}))
    refused(body.replace('"here"', number))


@pytest.mark.parametrize("number", [*WRONG_NUMBERS, "0", str(2**31)], ids=lambda each: each[:22])
def test_a_version_that_is_none_is_refused(number):
    refused(json.dumps(written()).replace('"version": 1', f'"version": {number}'))


@pytest.mark.parametrize("flag", ["0", "1", '"true"', "null", "[]", "True"])
def test_what_is_not_true_or_false_is_refused(flag):
    refused(json.dumps(written(transfer="here")).replace('"here"', flag))


WRONG_TEXTS = [
    '"\\ud800"',
    '"\\udfff x"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"' + "x" * (MAX_TEXT + 1) + '"',
    "7",
    "null",
    "true",
    "[]",
    '"a\x01b"',
    '"a\nb"',
]


@pytest.mark.parametrize("text", WRONG_TEXTS, ids=lambda each: each[:12])
@pytest.mark.parametrize(
    "field", ["sender_incarnation", "recipient_incarnation", "generation", "type"]
)
def test_a_text_that_no_database_keeps_is_refused(field, text):
    refused(json.dumps({**written(), field: "here"}).replace('"here"', text))


@pytest.mark.parametrize("text", WRONG_TEXTS, ids=lambda each: each[:12])
def test_a_text_within_a_message_is_as_strict(text):
    body = json.dumps(written(messages.AppendEntriesResponse(1, success=True), read_id="here"))
    refused(body.replace('"here"', text))


@pytest.mark.parametrize("name", [*WRONG_TEXTS, '""', '"a b"', '"é"', '"-a"', '"a\\n"'])
def test_an_id_that_no_node_has_is_refused(name):
    found = written(messages.InstallSnapshot(3, META, 0, b""))
    for place in (found, found["message"]["meta"]["configuration"]["members"][0]):
        key = "sender" if place is found else "node_id"
        before, place[key] = place[key], "here"
        refused(json.dumps(found).replace('"here"', name))
        place[key] = before
    found["message"]["meta"]["configuration"]["removed"] = ["here"]
    refused(json.dumps(found).replace('"here"', name))


@pytest.mark.parametrize(
    "command", ['"a"', '"AP8"', '"AP8=AP8="', '"A P8="', '"AP8=\\n"', '"é"', '"_-8="', "7", "null"]
)
def test_bytes_that_are_no_base64_are_refused(command):
    body = json.dumps(written(messages.AppendEntries(1, 0, 0, (Entry(1, 1, b"\x00\xff"),), 0)))
    refused(body.replace('"AP8="', command))


def paths(value, path=()):
    """Yield the path to every object within a JSON value."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from paths(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from paths(inner, (*path, place))


def at(value, path):
    for step in path:
        value = value[step]
    return value


@pytest.mark.parametrize("message", GOLDEN, ids=name_of)
def test_a_missing_and_an_unknown_field_are_refused_at_every_depth(message):
    body = encode_envelope(envelope(message))
    for path in paths(json.loads(body)):
        for name in at(json.loads(body), path):
            found = json.loads(body)
            del at(found, path)[name]
            refused(json.dumps(found))
        found = json.loads(body)
        at(found, path)["extra"] = 1
        refused(json.dumps(found), "extra")


@pytest.mark.parametrize("message", GOLDEN, ids=name_of)
def test_a_newer_sender_may_add_fields_at_every_depth_but_leave_none_out(message):
    newer = envelope(message, PROTOCOL_VERSION + 1)
    found = json.loads(encode_envelope(newer))
    for path in list(paths(found)):
        at(found, path)["extra"] = {"since": 2}
    assert decode_envelope(json.dumps(found).encode()) == newer
    del found["message"]["term"]
    refused(json.dumps(found), "term")


@pytest.mark.parametrize("message", GOLDEN, ids=name_of)
@pytest.mark.parametrize("value", [None, True, 7, "x", [], {}, [[]], [{}], {"a": 1}], ids=repr)
def test_no_field_accepts_a_value_of_another_kind(message, value):
    body = encode_envelope(envelope(message))
    for path in paths(json.loads(body)):
        for name, before in at(json.loads(body), path).items():
            fits = type(value) is type(before) and value not in ([[]], [{}], {"a": 1})
            if fits or name == "configuration" or (name == "message" and not value):
                continue
            found = json.loads(body)
            at(found, path)[name] = value
            refused(json.dumps(found))


def test_a_key_that_stands_twice_is_refused_at_every_depth():
    for message in GOLDEN:
        body = encode_envelope(envelope(message)).decode()
        refused(body.replace('"version":1', '"version":1,"version":1', 1), "twice")
        refused(body.replace('"term":3', '"term":4,"term":3', 1), "twice")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"7",
        b'"x"',
        b"{",
        b"{}",
        b"{}{}",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"\xed\xa0\x80": 1}',
        b'{"version": 1}',
        b'{"version": 1, "\\ud800": 1}',
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b"{'version': 1}",
        b'{"version": 1,}',
        b"\x00" * 100,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 1_000_000,
        b"x" * 1_000_000,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_object_of_ours_is_refused(body):
    refused(body)


def test_utf_16_is_no_second_spelling():
    refused(encode_envelope(envelope(messages.TimeoutNow(3))).decode().encode("utf-16"))


@pytest.mark.parametrize("name", ["timeout_now", "Envelope", "Entry", "", "__class__", "x" * 999])
def test_a_message_of_no_known_name_is_refused(name):
    refused(json.dumps({**written(), "type": name}), "there is no message")


def test_an_unknown_reason_of_rejection_is_refused():
    rejected = messages.Rejected(3, messages.Rejection.WRONG_INCARNATION)
    for reason in ("WRONG_INCARNATION", "", [], {}, None, 1):
        refused(json.dumps(written(rejected, reason=reason)), "unknown reason")


# ------------------------------------------------- well formed, but nothing that a log can hold


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([Entry(8, 2)], "follow on"),
        ([Entry(6, 2)], "follow on"),
        ([Entry(0, 2)], "follow on"),
        ([Entry(7, 2), Entry(7, 2)], "follow on"),
        ([Entry(7, 2), Entry(9, 2)], "follow on"),
        ([Entry(7, 1)], "follow on"),
        ([Entry(7, 4)], "follow on"),
        ([Entry(7, 3), Entry(8, 2)], "follow on"),
        ([Entry(7, 3, b"x", replace(MEMBERS, index=7))], "with a command"),
        ([Entry(7, 3, b"", MEMBERS)], "another index"),
    ],
)
def test_entries_that_stand_in_no_log_are_refused(entries, says):
    message = messages.AppendEntries(3, 6, 2, tuple(entries), 5)
    refused(encode_envelope(envelope(message)), says)


def test_a_member_that_stands_twice_is_refused():
    twice = Configuration((Member("a"), Member("a", voter=False)), 7)
    message = messages.AppendEntries(3, 6, 2, (Entry(7, 3, configuration=twice),), 5)
    refused(encode_envelope(envelope(message)), "twice")


def test_a_chunk_beyond_the_end_of_its_snapshot_is_refused():
    for offset, data in ((8, b"tail!"), (13, b""), (2**63 - 1, b"x")):
        refused(encode_envelope(envelope(messages.InstallSnapshot(3, META, offset, data))), "end")


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(body):
    refused(body)


@given(st.data())
def test_no_damage_raises_anything_else(data):
    body = bytearray(encode_envelope(envelope(data.draw(st.sampled_from(list(GOLDEN))))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not body:
            break
    with contextlib.suppress(InvalidMessageError):
        decode_envelope(bytes(body))
