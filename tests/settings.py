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
    "django.contrib.admin",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "raft_config",
]

# What the admin asks for.
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# A login in a test need not be slow.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"

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

# As a project that documents its API does.
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
