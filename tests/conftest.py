"""What every test shares."""

from hypothesis import settings

# A loaded machine is slow, not wrong; a failure prints the blob that replays it.
settings.register_profile("raft_config", deadline=None, print_blob=True)
settings.load_profile("raft_config")
