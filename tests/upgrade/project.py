"""A node alone, in the database that RAFT_CONFIG_UPGRADE_DB names."""

import os
import tempfile
from pathlib import Path

from raft_config.schema import Setting
from raft_config.storage import sqlite_database

NAME = os.environ["RAFT_CONFIG_UPGRADE_DB"]

SECRET_KEY = "for the tests only"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "raft_config"]
USE_TZ = True
DATABASES = {
    "default": sqlite_database(NAME)
    if NAME.endswith(".sqlite3")
    else {"ENGINE": "django.db.backends.postgresql", "NAME": NAME}
}
RAFT_CONFIG = {
    "SETTINGS": {
        "SITE_NAME": Setting("Shop"),
        "MAX_ITEMS": Setting(20),
        "CLOSED": Setting(default=False),
        "DECLARED_LATER": Setting(""),
    },
    "VERSION_FILE": str(Path(tempfile.gettempdir()) / f"{NAME.replace('/', '_')}.version"),
}
