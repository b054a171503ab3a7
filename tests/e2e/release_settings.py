"""One of two releases: the older speaks protocol 1, the newer 2, with a field that 1 lacks.

There is no earlier release whose code could be run; this is what would differ in it.
"""

import json
import os

from raft_config.core import state
from raft_config.storage import codec
from raft_config.transport import client, wire

from .settings import *  # noqa: F403

SPOKEN = int(os.environ["SPEAKS"])

for module in (state, codec, wire):
    module.PROTOCOL_VERSION = SPOKEN


def encode_envelope(envelope):
    """What only the newer release says; the older one has to pass over it."""
    found = json.loads(_encode(envelope))
    found["message"]["new_in_2"] = True
    return wire.dump_json(found)


def decode_envelope(content):
    """And what it reads: of the older one, the field is missing."""
    found = json.loads(content)
    found.get("message", {}).pop("new_in_2", None)
    return _decode(wire.dump_json(found))


_encode, _decode = wire.encode_envelope, wire.decode_envelope
if SPOKEN > 1:
    wire.encode_envelope = client.encode_envelope = encode_envelope
    wire.decode_envelope = client.decode_envelope = decode_envelope
