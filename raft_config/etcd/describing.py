"""What etcd is, in the words of a node: for the cluster page, the status and the doctor."""

from __future__ import annotations

import time
from collections.abc import Iterator

from django.utils.translation import gettext as _

from ..conf import ETCD, RaftConfig
from ..exceptions import RaftConfigError, noop
from ..language import told
from ..transport.client import signer_for
from .log import EtcdLog

OWN_TOOLS = noop(
    "etcd keeps the log, and its members are its own affair: etcdctl member list, member add, "
    "member remove, move-leader. Nodes need no membership: whoever reaches etcd follows it."
)


def describe_etcd(config: RaftConfig, log: EtcdLog) -> dict[str, object]:
    """As `operations.survey.Facts`; it asks etcd alone. Raises as `Gateway.ask`."""
    view = log.look(1, limit=1)
    if view is None:
        raise log.nothing()
    told_index, told_hash = log.told_hash()
    status = log.gateway.status(log.gateway.endpoint)
    signer = signer_for(config)
    return {
        "node_id": ETCD,
        "incarnation": "",
        "generation": view.life.generation,
        "role": "leader",
        "term": view.life.term,
        "leader_id": ETCD,
        "last_log_index": view.tail,
        "last_log_term": view.life.term,
        "commit_index": view.tail,
        "last_applied": view.tail,
        "values_hash": None,  # it applies nothing
        "checked_index": told_index,
        "checked_hash": told_hash,
        "snapshot_index": view.snapshot.index,
        "is_newcomer": False,
        "may_lead": True,
        "drained": False,
        "halted_by": "",
        "release": f"etcd {status.get('version', '?')}",
        "version": 1,
        "clock_ms": int(time.time() * 1000),  # it tells no time; nothing depends on it
        "signs_with": signer.key_id if signer else "",
        "verifies": tuple(signer.key_ids) if signer else (),
        "members": (ETCD, config.node_id),
        "up": (ETCD, config.node_id),
        "log_entries": view.tail - view.snapshot.index,
        "log_bytes": int(status.get("dbSizeInUse", 0)),
        "snapshot_bytes": view.snapshot.size_bytes,
    }


def endpoints_of(log: EtcdLog) -> Iterator[tuple[str, str, str]]:
    """Each endpoint: its URL, what it says of itself, and what is wrong, "" if nothing is."""
    for endpoint in log.gateway.options.endpoints:
        yield endpoint, *_told_by(log, endpoint)


def _told_by(log: EtcdLog, endpoint: str) -> tuple[str, str]:
    try:
        found = log.gateway.status(endpoint)
    except RaftConfigError as error:
        return "", told(error)
    header = found.get("header", {})
    is_leader = found.get("leader") == header.get("member_id")
    text = (
        _("etcd %(release)s leads term %(term)s, revision %(revision)s, %(size).1f MB")
        if is_leader
        else _("etcd %(release)s follows in term %(term)s, revision %(revision)s, %(size).1f MB")
    ) % {
        "release": found.get("version", "?"),
        "term": found.get("raftTerm", "?"),
        "revision": header.get("revision", "?"),
        "size": int(found.get("dbSize", 0)) / 1e6,
    }
    problems = list(found.get("errors", ()))
    if found.get("leader", "0") == "0":
        problems.append(_("it has no leader"))
    return text, "; ".join(problems)
