"""The same on PostgreSQL: a database for each node, in the server of libpq's variables."""

import os

from demo_site.settings import PORT

from .settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("DATABASE_NAME", f"raft_e2e_{PORT}"),
        "HOST": os.environ.get("PGHOST", ""),
        "USER": os.environ.get("PGUSER", ""),
        "CONN_MAX_AGE": None,
    }
}
