"""Node a of three, in a database that a test names; its peers are played by the test."""

import json
import os

SECRET_KEY = "for the tests only"
DATABASES = {"default": json.loads(os.environ["POWER_DATABASE"])}
INSTALLED_APPS = ["raft_config"]
USE_TZ = True
RAFT_CONFIG = {
    "NODE_ID": "a",
    "CLUSTER_ID": "power",
    "PEERS": {each: f"http://{each}.test/raft" for each in "abc"},
    "SECRETS": ["for the tests only, and long enough for that"],
    "VERSION_FILE": os.environ["POWER_VERSION_FILE"],
    # So that snapshots are taken, and the log is compacted, within a short run.
    "SNAPSHOT_ENTRIES": 20,
    "TRAILING_ENTRIES": 5,
}
