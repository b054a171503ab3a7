"""One node of the demo, told by its environment who it is.

NODE_ID, PORT, DATA_DIR (the node's own folder), PEERS and SITES ("a=http://...,b=http://..."),
JOIN, SECRET, BROKER_URL, PROCESS (a word for its log lines). Without any of them: a cluster of
one in demo_data/node-solo. For this machine only: it listens on loopback, and Django itself
serves the static files.
"""

import os
from pathlib import Path

from raft_config.schema import Setting
from raft_config.storage import sqlite_database

ROOT = Path(__file__).resolve().parent.parent


def pairs(text: str) -> dict[str, str]:
    """The mapping in "a=1,b=2"."""
    return dict(part.split("=", 1) for part in text.split(",") if part)


NODE_ID = os.environ.get("NODE_ID", "solo")
PORT = int(os.environ.get("PORT", "8000"))
DATA_DIR = Path(os.environ.get("DATA_DIR", ROOT / "demo_data" / "node-solo"))
SITES = pairs(os.environ.get("SITES", ""))
SECRET = os.environ.get("SECRET", "known to everyone: a cluster of one, on loopback")

LOG_DIR = DATA_DIR / "log"
LOG_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = SECRET
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "demo_site.urls"
WSGI_APPLICATION = "demo_site.wsgi.application"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"

# Cookies know no ports: under one name, a login on one node would end the one on another.
SESSION_COOKIE_NAME = f"sessionid_{NODE_ID}"
CSRF_COOKIE_NAME = f"csrftoken_{NODE_ID}"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "raft_config",
    "demo_site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "raft_config.middleware.read_your_writes",
    "raft_config.middleware.pinned_settings",
    "demo_site.middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
                "raft_config.context_processors.settings",
            ],
        },
    }
]

DATABASES = {"default": sqlite_database(DATA_DIR / "db.sqlite3")}

RAFT_CONFIG = {
    "NODE_ID": NODE_ID,
    "CLUSTER_ID": "demo",
    "URL": f"http://127.0.0.1:{PORT}/raft",
    "PEERS": pairs(os.environ.get("PEERS", "")),
    "JOIN": os.environ.get("JOIN", ""),
    "SECRETS": [SECRET],
    "ENCRYPTION_KEYS": [SECRET],
    "SETTINGS": {
        "SHOP_NAME": Setting(
            "Corner shop", "The name at the top of every page.", group="Look", public=True
        ),
        "BANNER": Setting(
            "Fresh bread every morning.",
            "A line above the goods; empty hides it.",
            type="text",
            group="Look",
        ),
        "ACCENT_COLOUR": Setting("#1f6f50", "Links and badges.", type="colour", group="Look"),
        "SALE": Setting(default=False, help_text="Show the reduced prices.", group="Sale"),
        "SALE_PERCENT": Setting(15, "How much the goods are reduced, in per cent.", group="Sale"),
        "GOODS_SHOWN": Setting(4, "How many goods the page lists.", group="Sale"),
        "CURRENCY": Setting(
            "€",
            "In front of each price.",
            choices=[("€", "Euro"), ("£", "Pound"), ("$", "Dollar")],
            group="Payment",
        ),
        "CARD_KEY": Setting(
            "", "The key for card payment; without it, cash only.", secret=True, group="Payment"
        ),
        "SUPPORT_EMAIL": Setting(
            "help@example.com",
            "Told at the foot of every page.",
            type="email",
            env="DEMO_SUPPORT_EMAIL",
            group="Payment",
        ),
    },
}

CELERY_BROKER_URL = os.environ.get("BROKER_URL", "memory://")
CELERY_TASK_IGNORE_RESULT = True

PROCESS = os.environ.get("PROCESS", "manage")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": f"{{asctime}} {PROCESS:<4} {{levelname:<7}} {{message}}", "style": "{"},
        "event": {"format": "{asctime} {message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        # The supervisor shows these lines; every process of the node appends to the one file.
        "events": {
            "class": "logging.FileHandler",
            "filename": LOG_DIR / "events.log",
            "formatter": "event",
            "level": "INFO",
            "delay": True,
        },
    },
    "loggers": {"raft_config": {"level": "INFO", "handlers": ["events"]}},
    "root": {"level": "INFO", "handlers": ["console"]},
}
