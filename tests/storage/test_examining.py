"""A whole node, read as of one instant."""

import pytest

from raft_config.core.log import Entry
from raft_config.storage.examining import examine
from raft_config.storage.renewal import NOTHING, begin_from_backup

from .helpers import put, state_of, storage_of
from .test_renewal import founder

pytestmark = pytest.mark.django_db(transaction=True)


def test_node_that_has_not_begun_is_none():
    assert examine("default") is None


def test_log_without_a_snapshot_is_read_with_its_gaps():
    entries = [Entry(1, 1, put("X")), Entry(3, 1, put("Y"))]
    state = state_of(current_term=1, last_log_index=3, last_log_term=1)
    storage_of(state, entries)
    found = examine("default")
    assert (found.state, found.entries, found.base) == (state, tuple(entries), (0, 0))
    assert (found.snapshot, found.snapshot_data) == (None, b"")


def test_snapshot_members_and_hash_are_read_with_it():
    begin_from_backup("default", founder(), NOTHING)
    found = examine("default")
    assert found.snapshot.last_included_index == 9
    assert found.snapshot_data == found.data == NOTHING
    assert found.members.members == founder().configuration.members
    assert found.values_hash == found.expected_hash == 0
