"""How much processor time raft_config adds to the start of Django."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

CODE = """
import sys, time
from django.conf import settings
apps = ["django.contrib.auth", "django.contrib.contenttypes", *sys.argv[2:]]
settings.configure(
    INSTALLED_APPS=apps,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    RAFT_CONFIG={"SETTINGS": {"LIMIT": (10, "How many.")}, "VERSION_FILE": sys.argv[1]},
)
begun_at = time.process_time()
import django
django.setup()
print(time.process_time() - begun_at)
"""


def main() -> None:
    """Start in turn with and without it; print the medians, and that of the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = [(start(folder), start(folder, "raft_config")) for _ in range(options.starts)]
    without, with_it = zip(*pairs, strict=True)
    added = statistics.median(second - first for first, second in pairs)
    print(
        f"django.setup(): {1000 * statistics.median(without):.1f} ms without raft_config, "
        f"{1000 * statistics.median(with_it):.1f} ms with it; it adds {1000 * added:.1f} ms"
    )


def start(folder: str, *apps: str) -> float:
    """The seconds of processor that one start takes."""
    environment = {each: os.environ[each] for each in os.environ if "DJANGO" not in each}
    command = [sys.executable, "-c", CODE, f"{folder}/version", *apps]
    found = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603
    return float(found.stdout)


if __name__ == "__main__":
    main()
