"""Node b of three under attack; its peers a and c are the tests themselves."""

import json
import os
from pathlib import Path

from raft_config.schema import Setting
from raft_config.storage import sqlite_database

from ..settings import *  # noqa: F403

DATA_DIR = Path(os.environ["DATA_DIR"])
ALLOWED_HOSTS = ["127.0.0.1"]
DATABASES = {"default": sqlite_database(DATA_DIR / "db.sqlite3")}
WSGI_APPLICATION = None
RAFT_CONFIG = {
    "NODE_ID": "b",
    "CLUSTER_ID": "attacked",
    "PEERS": {each: f"http://127.0.0.1:1/raft/{each}" for each in "abc"},
    "URL": "",
    "SECRETS": json.loads(os.environ["SECRETS"]),
    "VERSION_FILE": str(DATA_DIR / "version"),
    "SETTINGS": {"LIMIT": Setting(10)},
}
