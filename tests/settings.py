"""The smallest Django project the app runs in; for the tests, mypy and makemigrations."""

SECRET_KEY = "for the tests only"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "raft_config",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": ":memory:",
        # With the default, most concurrent writers die at once: "database is locked".
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}

# No DEFAULT_AUTO_FIELD: the app must name its own, or each project would get other migrations.

USE_TZ = True
