"""A project that has used django-constance: run as a child, with its folder as the argument.

It reads a JSON list of command lines from standard input, and answers with how each ended.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import django
from django.conf import settings  # noqa: TID251 - it is the project
from django.core.management import call_command
from django.core.management.base import CommandError

from raft_config.storage import sqlite_database

CONFIG = {
    "SITE_NAME": ("Shop", "Shown at the top"),
    "MAX_ITEMS": (20, "How many items a page lists"),
    "TAX": (Decimal("0.19"), "Of all goods", Decimal),
    "OPEN": (True, "Whether orders are taken", bool),
    "RATIO": (0.5, "A float"),
    "SALE_FROM": (dt.date(2024, 2, 29), "A date"),
    "OPENS_AT": (dt.time(8, 30), "A time"),
    "BUILT_AT": (dt.datetime(2024, 2, 29, 8, 0), "Naive, as constance has them"),  # noqa: DTZ001
    "PAUSE": (dt.timedelta(minutes=5), "A duration"),
    "FEEDBACK": ("yes", "A field of the project's own", "yes_no_select"),
}
FIELDS = {
    "yes_no_select": [
        "django.forms.fields.ChoiceField",
        {"widget": "django.forms.Select", "choices": (("yes", "Yes"), ("no", "No"))},
    ]
}
FIELDSETS = {"Prices": ("TAX", "SALE_FROM"), "Other": tuple(CONFIG.keys() - {"TAX", "SALE_FROM"})}


def configure(folder, *, is_declared, backend):
    """The settings of the project, before or after the declarations were pasted."""
    raft_config = {"VERSION_FILE": str(folder / "version")}
    if is_declared:
        raft_config |= {"SETTINGS": CONFIG, "FIELDS": FIELDS, "FIELDSETS": FIELDSETS}
    settings.configure(
        SECRET_KEY="x",
        USE_TZ=True,
        TIME_ZONE="Europe/Berlin",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "constance",
            "raft_config",
        ],
        DATABASES={"default": sqlite_database(folder / "db.sqlite3")},
        CONSTANCE_BACKEND=backend,
        CONSTANCE_CONFIG=CONFIG,
        CONSTANCE_ADDITIONAL_FIELDS=FIELDS,
        CONSTANCE_CONFIG_FIELDSETS=FIELDSETS,
        RAFT_CONFIG=raft_config,
    )
    django.setup()


def run(words):
    """How a command ended; "!" runs a line of Python instead."""
    out = io.StringIO()
    if words[0] == "!":
        exec(words[1], {})  # noqa: S102 - the test's own
        return {"code": 0}
    try:
        call_command(*words, stdout=out)
    except CommandError as error:
        return {"code": error.returncode, "out": out.getvalue(), "error": str(error)}
    except SystemExit as error:
        return {"code": error.code, "out": out.getvalue(), "error": ""}
    return {"code": 0, "out": out.getvalue(), "error": ""}


if __name__ == "__main__":
    configure(Path(sys.argv[1]), is_declared=sys.argv[2] == "declared", backend=sys.argv[3])
    print(json.dumps([run(words) for words in json.load(sys.stdin)]))  # noqa: T201 - the answer
