"""The demo's settings with the fast profile of docs/benchmarks.md."""

from demo_site.settings import *  # noqa: F403
from demo_site.settings import RAFT_CONFIG as DEMO

RAFT_CONFIG = {
    **DEMO,
    "HEARTBEAT_INTERVAL_SECONDS": 0.1,
    "ELECTION_TIMEOUT_SECONDS": 0.4,
    "APPEND_RETRY_SECONDS": 0.25,
}
