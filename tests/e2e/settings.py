"""The demo's settings with small limits, so that snapshots happen within a test."""

import json
import os

from demo_site.settings import *  # noqa: F403
from demo_site.settings import RAFT_CONFIG as DEMO

RAFT_CONFIG = {
    **DEMO,
    "SNAPSHOT_ENTRIES": int(os.environ.get("SNAPSHOT_ENTRIES", "10")),
    "TRAILING_ENTRIES": 2,
    "SNAPSHOT_CHUNK_BYTES": int(os.environ.get("SNAPSHOT_CHUNK_BYTES", "200")),
    "SECRETS": json.loads(os.environ.get("SECRETS", "[]")) or DEMO["SECRETS"],
    "LEARNER": bool(os.environ.get("LEARNER")),
}
