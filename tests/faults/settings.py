"""A node of the fault harness: the demo's settings, registers to write, and what a test plants."""

import os

from demo_site.settings import *  # noqa: F403
from demo_site.settings import INSTALLED_APPS as DEMO_APPS
from demo_site.settings import PORT, SECRET
from demo_site.settings import RAFT_CONFIG as DEMO
from raft_config.schema import Setting

from .registers import REGISTERS

ROOT_URLCONF = "tests.faults.urls"

INSTALLED_APPS = [*DEMO_APPS, "tests.faults"]

# A login in a test need not be slow.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

RAFT_CONFIG = {
    **DEMO,
    "URL": os.environ.get("RAFT_URL", f"http://127.0.0.1:{PORT}/raft"),
    "SECRETS": os.environ.get("SECRETS", "").split() or [SECRET],
    "SETTINGS": {
        **DEMO["SETTINGS"],
        **{name: Setting("", "Written by the clients.", group="Test") for name in REGISTERS},
    },
    # So that snapshots are taken, and sent, within a run.
    "SNAPSHOT_ENTRIES": 100,
    "TRAILING_ENTRIES": 20,
    "SNAPSHOT_CHUNK_BYTES": 50_000,
    "MAX_CLOCK_SKEW_SECONDS": float(os.environ.get("MAX_CLOCK_SKEW_SECONDS", "30")),
    # A client goes to another node sooner.
    "WRITE_TIMEOUT_SECONDS": 2.0,
}
