"""The smallest Django project the app runs in; for the tests, mypy and makemigrations.

The database is a SQLite file, or PostgreSQL if RAFT_CONFIG_TEST_DB=postgres says so: then libpq's
own variables (PGHOST, PGPORT, PGUSER, PGPASSWORD) say where. `tests/postgres.sh COMMAND` starts one
for the length of a command.
"""

import os
import tempfile
from pathlib import Path

from raft_config.storage import sqlite_database

SECRET_KEY = "for the tests only"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "raft_config",
]

# A file, because processes share it; one for each run, because runs do not.
SQLITE_FILE = Path(tempfile.gettempdir()) / f"raft_config_tests_{os.getuid()}_{os.getpid()}.sqlite3"

if os.environ.get("RAFT_CONFIG_TEST_DB") == "postgres":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ.get("PGDATABASE", "postgres"),
            "TEST": {"NAME": f"raft_config_tests_{os.getpid()}"},
        }
    }
else:
    DATABASES = {"default": {**sqlite_database(":memory:"), "TEST": {"NAME": str(SQLITE_FILE)}}}

# No DEFAULT_AUTO_FIELD: the app must name its own, or each project would get other migrations.

USE_TZ = True
