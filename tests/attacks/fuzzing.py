"""Coverage-guided fuzzing of whatever reads bytes that others wrote; by hand, it needs atheris.

    pip install atheris
    python -m tests.attacks.fuzzing wire CORPUS -runs=5000000
    python -m tests.attacks.fuzzing machine CORPUS -runs=5000000

CORPUS is a folder that keeps the inputs which led somewhere new; valid ones are put into it first.
What follows is libFuzzer's. `test_fuzz` gives the same parsers what hypothesis thinks of.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from contextlib import suppress
from copy import deepcopy
from pathlib import Path

import atheris
import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

with atheris.instrument_imports(include=["raft_config", "json"]):
    django.setup()
    from raft_config.core.messages import Envelope
    from raft_config.exceptions import (
        InvalidCommandError,
        InvalidMessageError,
        UnknownCommandError,
    )
    from raft_config.state_machine import (
        CancelSchedule,
        Command,
        FireSchedule,
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

from raft_config.core import messages
from raft_config.core.configuration import Configuration, Member
from raft_config.core.log import Entry, SnapshotMeta


def read_wire(data: bytes) -> None:
    """An envelope that is written alike, or refused; and an error of ours, whatever it says."""
    with suppress(InvalidMessageError):
        found = wire.decode_envelope(data)
        assert wire.decode_envelope(wire.encode_envelope(found)) == found
    assert str(refusals.error_in("b", 409, data))


def read_machine(data: bytes) -> None:
    """A command that is written alike and a snapshot, or refused."""
    with suppress(InvalidCommandError, UnknownCommandError):
        found = check_command(data)
        assert check_command(encode_command(found)) == found
    with suppress(InvalidCommandError, UnknownCommandError):
        load_snapshot(data)


MEMBERS = Configuration((Member("a", "http://a"), Member("b", voter=False)), 3, ("c",), "life")
ENTRIES = (Entry(5, 2, b"x" * 20), Entry(6, 2, b"", Configuration(MEMBERS.members, 6)))
META = SnapshotMeta(4, 2, MEMBERS, 30, "d" * 64)
NOTE = Note(1.0, "ada", "api", "a", "why")
VALID = {
    "wire": [
        b'{"error": "NotLeaderError", "detail": "x", "leader_id": "b", "term": 7}',
        *(
            wire.encode_envelope(Envelope("a", "life of a", "b", "", 1, message, "life"))
            for message in (
                messages.RequestPreVote(2, 5, 2),
                messages.RequestVote(2, 5, 2, transfer=True),
                messages.AppendEntries(2, 4, 2, ENTRIES, 4, "read"),
                messages.AppendEntriesResponse(2, success=False, hint_index=3, hint_term=1),
                messages.InstallSnapshot(2, META, 0, b"snapshot"),
                messages.InstallSnapshotResponse(2, 4, "d" * 64, 8, installed=False),
                messages.TimeoutNow(2),
                messages.Rejected(2, messages.Rejection.TERM_TOO_FAR),
            )
        ),
    ],
    "machine": [
        encode_command(Command("1", {"A": "1"}, ("B",), {"A": 0}, NOTE, 5.0)),
        encode_command(FireSchedule.of(4, 5.0)),
        encode_command(CancelSchedule("2", 4, NOTE)),
        dump_snapshot(
            State({"A": Value("1", 1)}, {}, {2: Scheduled(2, 5.0, {"A": None}, NOTE)}),
            [Record(1, "A", None, "1", NOTE)],
        ),
    ],
}
SCALARS = (0, 1, -1, 2**31, 2**63 - 1, 2**63, 10**19, 1.5, True, False, None, "", "a", "AAAA")
SCALARS += ("\0", "\ud800", "x" * 1100, "2", "secret", [], {}, [[]], {"a": 1})


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mostly another value somewhere in the JSON, for of bytes changed blindly little is JSON."""
    dice = random.Random(seed)
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict | list) or dice.random() < 0.25:
        return atheris.Mutate(data, max_size)
    for _ in range(dice.choice((1, 1, 2, 3))):
        change(dice, content)
    return json.dumps(content).encode()[:max_size]


def change(dice: random.Random, content: dict | list) -> None:
    """Walk down, and replace, remove, repeat or rename where the walk ends."""
    while content:
        key = dice.choice(list(content) if isinstance(content, dict) else range(len(content)))
        inner = content[key]
        if isinstance(inner, dict | list) and inner and dice.random() < 0.7:
            content = inner
            continue
        kind = dice.random()
        if kind < 0.7:
            content[key] = deepcopy(dice.choice(SCALARS))
        elif kind < 0.8:
            del content[key]
        elif isinstance(content, list):
            content.insert(key, deepcopy(inner))
        else:
            content[dice.choice(("a", "", key.upper()))] = deepcopy(inner)
        return


READERS = {"wire": read_wire, "machine": read_machine}


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    program, target, corpus, *options = sys.argv
    folder = Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    for valid in VALID[target]:
        (folder / hashlib.sha256(valid).hexdigest()).write_bytes(valid)
    atheris.Setup([program, *options, corpus], READERS[target], custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
