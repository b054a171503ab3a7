"""What every test shares."""

import pytest
from hypothesis import settings

# A loaded machine is slow, not wrong; a failure prints the blob that replays it.
settings.register_profile("raft_config", deadline=None, print_blob=True)
settings.load_profile("raft_config")


@pytest.fixture
def node(transactional_db):
    """A cluster of one that leads already."""
    from raft_config.node import get_node  # noqa: PLC0415 - before Django is set up it cannot be

    found = get_node()
    found.tick()
    return found
