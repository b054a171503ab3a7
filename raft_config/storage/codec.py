"""NodeState <-> the columns of the node's row; one small function per value and direction.

JSON texts are ASCII and without spaces: the same value gives the same text on every database. A new
field with a default needs nothing here while it is a number, a text or a boolean, except a column
if it is one of `NodeState`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..core.configuration import Configuration, Member
from ..core.log import SnapshotMeta
from ..core.state import (
    PROTOCOL_VERSION,
    Candidate,
    Follower,
    IncomingSnapshot,
    Leader,
    NodeState,
    PendingRead,
    PreCandidate,
    Progress,
    Role,
    SnapshotTransfer,
    Transfer,
)

PLAIN_COLUMNS = (
    "node_id",
    "incarnation",
    "current_term",
    "voted_for",
    "last_log_index",
    "last_log_term",
    "commit_index",
    "last_applied",
    "snapshot_index",
    "unsnapshotted_bytes",
    "may_lead",
    "drained",
)
"""Those that hold a field of `NodeState` as it is."""

STATE_COLUMNS = (
    *PLAIN_COLUMNS,
    "role",
    "role_data",
    "configuration",
    "previous_configuration",
    "incoming",
)

Columns = dict[str, Any]
"""Values by column."""


def dump_json(content: object) -> str:
    """The one JSON text of this content. Raises ValueError for NaN and infinities."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


def _content(value: Any, **instead: object) -> Columns:
    """The fields of a dataclass by name; those that JSON cannot hold are given `instead`."""
    # What the constructor takes, in a tuple that Python makes for `match`.
    return {name: getattr(value, name) for name in value.__match_args__} | instead


# -- the state


def encode_state(state: NodeState) -> Columns:
    """Every column of a state."""
    columns = {name: getattr(state, name) for name in PLAIN_COLUMNS}
    return {
        **columns,
        **_encode_role_columns(state.role),
        "configuration": encode_configuration(state.configuration),
        "previous_configuration": encode_configuration(state.previous_configuration),
        "incoming": encode_incoming(state.incoming),
    }


def encode_changes(before: NodeState, after: NodeState) -> Columns:
    """The columns in which two states differ; none when nothing has changed."""
    if after is before:
        return {}
    columns = {
        name: getattr(after, name)
        for name in PLAIN_COLUMNS
        if getattr(after, name) != getattr(before, name)
    }
    if after.role != before.role:
        columns.update(_encode_role_columns(after.role))
    for name in ("configuration", "previous_configuration"):
        if getattr(after, name) != getattr(before, name):
            columns[name] = encode_configuration(getattr(after, name))
    if after.incoming != before.incoming:
        columns["incoming"] = encode_incoming(after.incoming)
    return columns


def decode_state(row: Mapping[str, Any]) -> NodeState:
    """The state in a row's columns."""
    return NodeState(
        **{name: row[name] for name in PLAIN_COLUMNS}
        | {name: bool(row[name]) for name in ("may_lead", "drained")},
        # Of this process's code, not of the code that made the row: an upgrade changes it.
        version=PROTOCOL_VERSION,
        role=decode_role(row["role"], row["role_data"]),
        configuration=decode_configuration(row["configuration"]),
        previous_configuration=decode_configuration(row["previous_configuration"]),
        incoming=decode_incoming(row["incoming"]),
    )


# -- roles


def _encode_role_columns(role: Role) -> Columns:
    return {"role": role.name, "role_data": encode_role(role)}


def encode_role(role: Role) -> str:
    """What is known in a role; its name stands in a column of its own."""
    if isinstance(role, Leader):
        return dump_json(_leader_content(role))
    if isinstance(role, Follower):
        return dump_json(_content(role))
    return dump_json(_content(role, votes=sorted(role.votes)))


def decode_role(name: str, text: str) -> Role:
    """The role of this name."""
    found = json.loads(text)
    if name == Leader.name:
        return _leader_from(found)
    if name == Follower.name:
        return Follower(**found)
    kind = Candidate if name == Candidate.name else PreCandidate
    return kind(**found | {"votes": frozenset(found["votes"])})


def _leader_content(role: Leader) -> Columns:
    return _content(
        role,
        progress={peer: _progress_content(each) for peer, each in role.progress.items()},
        reads=[_content(read, acknowledged_by=sorted(read.acknowledged_by)) for read in role.reads],
        transfer=_content(role.transfer) if role.transfer else None,
    )


def _leader_from(found: Columns) -> Leader:
    progress = {peer: _progress_from(each) for peer, each in found["progress"].items()}
    reads = tuple(
        PendingRead(**read | {"acknowledged_by": frozenset(read["acknowledged_by"])})
        for read in found["reads"]
    )
    transfer = Transfer(**found["transfer"]) if found["transfer"] else None
    return Leader(**found | {"progress": progress, "reads": reads, "transfer": transfer})


def _progress_content(progress: Progress) -> Columns:
    sending = progress.snapshot
    snapshot = _content(sending, meta=_meta_content(sending.meta)) if sending else None
    return _content(progress, snapshot=snapshot)


def _progress_from(found: Columns) -> Progress:
    sending = found["snapshot"]
    snapshot = (
        SnapshotTransfer(**sending | {"meta": _meta_from(sending["meta"])}) if sending else None
    )
    return Progress(**found | {"snapshot": snapshot})


# -- configurations; the same few are read and written again and again


@lru_cache(maxsize=32)
def encode_configuration(configuration: Configuration) -> str:
    """A configuration as text."""
    return dump_json(_configuration_content(configuration))


@lru_cache(maxsize=32)
def decode_configuration(text: str) -> Configuration:
    """The configuration of a text."""
    return _configuration_from(json.loads(text))


def _configuration_content(configuration: Configuration) -> Columns:
    return _content(configuration, members=[_content(each) for each in configuration.members])


def _configuration_from(found: Columns) -> Configuration:
    members = tuple(Member(**member) for member in found["members"])
    return Configuration(**found | {"members": members, "removed": tuple(found["removed"])})


# -- snapshots


def encode_incoming(incoming: IncomingSnapshot | None) -> str:
    """A snapshot on its way in; "" for none."""
    if incoming is None:
        return ""
    return dump_json(_content(incoming, meta=_meta_content(incoming.meta)))


def decode_incoming(text: str) -> IncomingSnapshot | None:
    """The snapshot on its way in, if any."""
    if not text:
        return None
    found = json.loads(text)
    return IncomingSnapshot(**found | {"meta": _meta_from(found["meta"])})


def _meta_content(meta: SnapshotMeta) -> Columns:
    return _content(meta, configuration=_configuration_content(meta.configuration))


def _meta_from(found: Columns) -> SnapshotMeta:
    return SnapshotMeta(**found | {"configuration": _configuration_from(found["configuration"])})
