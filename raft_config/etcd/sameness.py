"""Whether a node may follow what is in etcd: it has to be the log that it has followed so far."""

from __future__ import annotations

from ..core.log import LogView
from ..core.state import NodeState
from ..exceptions import PeerRejectedError, noop
from .log import EtcdLog, View


def require_same(state: NodeState, log: LogView, view: View, etcd: EtcdLog) -> None:
    """Raise PeerRejectedError if what this node has taken in is not what etcd has."""
    configuration = state.configuration
    if not configuration.is_unknown and configuration.generation != view.life.generation:
        raise etcd.of_another_life()
    last = state.last_log_index
    if view.tail < last or _differs(last, log, view):
        raise PeerRejectedError(
            noop(
                "etcd has lost entries that node %(node)s has applied, through %(index)d: was "
                "it restored from a backup? Restore a later one, or bring what this node has "
                "there: manage.py raft_config move --to etcd."
            ),
            node=state.node_id,
            index=last,
        )
    if start := _gap_after(last, view):
        raise PeerRejectedError(
            noop(
                "etcd has lost the entry %(index)d of %(tail)d: somebody has deleted keys "
                "under %(prefix)s. Bring what the node with the most has there: manage.py "
                "raft_config move --to etcd."
            ),
            index=start,
            tail=view.tail,
            prefix=etcd.prefix,
        )


def _differs(index: int, log: LogView, view: View) -> bool:
    """Whether our last entry is another one there."""
    theirs = dict(view.entries).get(index)
    if theirs is None:
        return False
    ours = log.entries(index, max_entries=1, max_bytes=1)
    return bool(ours) and ours[0].command != theirs


def _gap_after(index: int, view: View) -> int:
    """The next entry, if it is neither there nor in the snapshot; else 0."""
    start = index + 1
    is_there = start > view.tail or start in dict(view.entries)
    return 0 if is_there or start <= view.snapshot.index else start
