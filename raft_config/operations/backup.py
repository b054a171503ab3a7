"""Backups: values, history and scheduled changes of one instant, in one file.

    {"raft_config_backup":1,"cluster_id":...,"index":...}   what it is
    {"answered":...,"history":...,"values":...}             the state machine's own snapshot
    sha256 ...                                              of all that stands above

Texts stand in it as they are stored, so secrets stay encrypted. A backup is no copy of a database:
it holds no vote and no log, and what is restored from it is another cluster.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from ..exceptions import InvalidBackupError, UnknownCommandError, noop
from ..node import Node
from ..state_machine import load_snapshot
from .survey import release

FORMAT = 1
_KEY = "raft_config_backup"


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file holds."""

    cluster_id: str
    node_id: str
    index: int
    term: int
    made_at: float
    """Seconds since the epoch."""
    release: str
    settings: int
    """How many are set."""
    data: bytes


def take_backup(node: Node) -> Backup:
    """All that is applied on this node now."""
    state, data = node.storage.snapshot()
    values, _ = load_snapshot(data)
    return Backup(
        cluster_id=node.config.cluster_id,
        node_id=node.node_id,
        index=state.last_applied,
        term=state.current_term,
        made_at=time.time(),
        release=release(),
        settings=len(values.values),
        data=data,
    )


def encode_backup(backup: Backup) -> bytes:
    """The file."""
    names = [name for name in Backup.__dataclass_fields__ if name != "data"]
    header = {_KEY: FORMAT, **{name: getattr(backup, name) for name in names}}
    text = json.dumps(header, separators=(",", ":")).encode() + b"\n" + backup.data + b"\n"
    return text + b"sha256 " + hashlib.sha256(text).hexdigest().encode() + b"\n"


def decode_backup(content: bytes) -> Backup:
    """What a file holds. Raises InvalidBackupError."""
    lines = content.split(b"\n")
    if len(lines) != 4 or not lines[0].startswith(b'{"' + _KEY.encode()):  # noqa: PLR2004
        raise InvalidBackupError(noop("This is no backup of raft_config, or it was cut off."))
    text = lines[0] + b"\n" + lines[1] + b"\n"
    if lines[2] != b"sha256 " + hashlib.sha256(text).hexdigest().encode():
        raise InvalidBackupError(noop("The backup is not as it was written: its checksum differs."))
    header = json.loads(lines[0])
    found = header.pop(_KEY)
    if found != FORMAT:
        raise InvalidBackupError(
            noop("The backup has format %(format)s: upgrade this node first."), format=found
        )
    try:
        load_snapshot(lines[1])
    except UnknownCommandError as error:
        raise InvalidBackupError(
            noop("The backup is of a newer release: %(problem)s"), problem=error
        ) from error
    return Backup(**header, data=lines[1])
