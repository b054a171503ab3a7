"""The planted bugs are edits of the real code: whoever changes it there hears of it at once."""

from __future__ import annotations

import os
import subprocess
import sys

from demo_site.processes import ROOT

PLANT_ALL = (
    "import django; django.setup()\n"
    "from tests.faults.mutants import MUTANTS\n"
    "for each in MUTANTS.values(): each.plant()"
)


def test_every_bug_can_still_be_planted() -> None:
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", PLANT_ALL],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
