"""A site with raft_config and its peers over one SQLite file, to measure them side by side.

`set_up()` in a process of its own; afterwards all can be used: django-constance, and
django-dynamic-preferences, which keeps a row for each value and a cache before it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def set_up(folder: Path, declarations: Mapping[str, tuple[object, str]], **more: Any) -> None:
    """Configure Django, and make the tables."""
    import django  # noqa: PLC0415 - as late as its settings are known
    from django.conf import settings  # noqa: PLC0415, TID251 - this makes them
    from django.core.management import call_command  # noqa: PLC0415

    from raft_config.storage import sqlite_database  # noqa: PLC0415

    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    settings.configure(
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="for measuring only",  # noqa: S106
        ROOT_URLCONF="benchmarks.both_urls",
        USE_TZ=True,
        STATIC_URL="static/",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "raft_config",
            "constance",
            "dynamic_preferences",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        DATABASES={"default": sqlite_database(folder / "both.sqlite3")},
        CACHES={
            "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            "files": {
                "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
                "LOCATION": str(folder / "cache"),
            },
        },
        CONSTANCE_BACKEND="constance.backends.database.DatabaseBackend",
        CONSTANCE_CONFIG=dict(declarations),
        RAFT_CONFIG={
            "SETTINGS": dict(declarations),
            "VERSION_FILE": str(folder / "version"),
        },
        **more,
    )
    django.setup()
    call_command("migrate", verbosity=0)
