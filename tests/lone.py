"""A node of its own, whose rows a test changes as another process of it would."""

from __future__ import annotations

from django.db import connection

from raft_config.conf import get_config
from raft_config.models import NODE_ROW, Node, StoredValue
from raft_config.schema import declared
from raft_config.version_file import version_file_of


def store(**values):
    """What another process of this node applied."""
    row = Node.objects.get(pk=NODE_ROW)
    index = row.last_applied + 1
    for name, value in values.items():
        text = declared()[name].encode(value) if name in declared() else value
        StoredValue.objects.update_or_create(name=name, defaults={"text": text, "index": index})
    Node.objects.update(last_applied=index, commit_index=index, last_log_index=index)
    version_file_of(get_config()).publish(index)
    return index


def store_elsewhere(value):
    """The same by another thread, which has a connection of its own."""
    try:
        store(LIMIT=value)
    finally:
        connection.close()
