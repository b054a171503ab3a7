"""The same site, with etcd in the place of the built-in Raft."""

import os

from benchmarks.beside.site_settings import *  # noqa: F403
from benchmarks.beside.site_settings import RAFT_CONFIG as BUILT_IN

RAFT_CONFIG = {
    **{name: value for name, value in BUILT_IN.items() if name not in ("PEERS", "JOIN")},
    "ENGINE": "etcd",
    "ETCD": {"ENDPOINTS": os.environ["ETCD_ENDPOINTS"].split()},
}
