"""Whatever bytes a parser is given by a stranger, a file or another release: our errors, no others.

ATTACK_EXAMPLES says how many inputs each parser is given; few by default, for every run of the
tests. What is refused must be an error of ours, because only those are answered with a 4xx.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from raft_config import exchange
from raft_config.core.messages import Envelope
from raft_config.exceptions import (
    InvalidCommandError,
    InvalidImportError,
    InvalidMessageError,
    UnknownCommandError,
)
from raft_config.schema import SchemaError, Setting
from raft_config.schema.strict import parse_json
from raft_config.state_machine import (
    Command,
    Note,
    Record,
    Scheduled,
    State,
    Value,
    dump_snapshot,
    encode_command,
    load_snapshot,
)
from raft_config.storage import check_command
from raft_config.transport import refusals, wire

from .server import append, envelope, heartbeat

many = settings(max_examples=int(os.environ.get("ATTACK_EXAMPLES", "150")))

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["secret", "int", "json", "update", "\ud800", "\0", "AAAA", "a", "10" * 3000])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@st.composite
def changed(draw, valid):
    """A valid text with something in it put in the place of something else, or bytes changed."""
    content = json.loads(valid)
    for _ in range(draw(st.integers(1, 3))):
        _put(draw, content, draw(JSON))
    raw = bytearray(json.dumps(content).encode())
    for _ in range(draw(st.integers(0, 2))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw)


def _put(draw, content, value):
    """Walk down, and replace, remove or add where the walk ends."""
    while isinstance(content, dict | list) and content:
        keys = sorted(content) if isinstance(content, dict) else list(range(len(content)))
        key = draw(st.sampled_from(keys))
        inner = content[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            if draw(st.integers(0, 3)):
                content[key] = value
            else:
                del content[key]
            return
        content = inner


def some_of(*valid):
    return st.one_of(*map(changed, valid)) | JSON.map(json.dumps).map(str.encode) | st.binary()


DEEP = b"[" * 100_000
NOTE = Note(1.0, "ada", "api", "a", "why")
COMMAND = encode_command(Command("1", {"A": "1"}, ("B",), {"A": 0}, NOTE, 5.0, 6.0))
SNAPSHOT = dump_snapshot(
    State({"A": Value("1", 1)}, {}, {2: Scheduled(2, 5.0, {"A": None}, NOTE)}),
    [Record(1, "A", None, "1", NOTE)],
)


@many
@given(some_of(envelope(append(2, 1, b"x")), envelope(heartbeat(2))))
@example(DEEP)
def test_wire_gives_an_envelope_that_is_written_alike_or_refuses(body):
    with suppress(InvalidMessageError):
        found = wire.decode_envelope(body)
        assert isinstance(found, Envelope)
        assert wire.decode_envelope(wire.encode_envelope(found)) == found


@many
@given(some_of(b'{"error": "NotLeaderError", "detail": "x", "leader_id": "b", "term": 7}'))
@example(DEEP)
def test_an_error_of_a_peer_is_one_of_ours_whatever_it_says(body):
    assert str(refusals.error_in("b", 409, body))


@many
@given(some_of(COMMAND))
@example(DEEP)
@example(b'{"kind": "update", "request_id": "1", "values": {}, "reset": [], "expected": {}}')
def test_what_is_taken_for_a_command_can_be_written_again(data):
    with suppress(InvalidCommandError, UnknownCommandError):
        found = check_command(data)
        assert check_command(encode_command(found)) == found


@many
@given(some_of(SNAPSHOT))
@example(DEEP)
def test_what_is_no_snapshot_is_refused(data):
    with suppress(InvalidCommandError, UnknownCommandError):
        load_snapshot(data)


DECLARED = [Setting(1), Setting(""), Setting([]), Setting(1.5), Setting(None, type="date")]


@many
@given(some_of(b'{"type": "int", "value": 1}').map(lambda data: data.decode(errors="replace")))
@example("[" * 100_000)
def test_a_stored_text_is_a_value_or_a_schema_error(text):
    for setting in DECLARED:
        with suppress(SchemaError):
            assert setting.decode(setting.encode(setting.decode(text))) == setting.decode(text)


FILE = {"format": 1, "secrets": False, "settings": {}}


@many
@given(some_of(json.dumps(FILE)).map(lambda data: data.decode(errors="replace")))
@example("[" * 100_000)
def test_a_file_is_settings_or_refused(text):
    with suppress(InvalidImportError):
        assert isinstance(exchange._settings_in(exchange.from_text(text)), dict)
    with suppress(SchemaError):
        parse_json(text)
