"""The demo's nodes over an etcd: DEMO_ENGINE and DEMO_ETCD say which engine and where."""

import os

from demo_site.settings import *  # noqa: F403 - all of it, as it is
from demo_site.settings import RAFT_CONFIG

RAFT_CONFIG = {
    **RAFT_CONFIG,
    "ENGINE": os.environ["DEMO_ENGINE"],
    "ETCD": {"ENDPOINTS": [os.environ["DEMO_ETCD"]]},
}
