"""To mypy --strict and pyright, `Shop.MAX_ITEMS` is an int, without any plugin."""

import ast
import datetime as dt
import json
import os
import re
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from django import forms
from django.test import override_settings

from raft_config.schema import Setting, stubs

ROOT = Path(__file__).resolve().parent.parent
# Kept between runs, or each would read the whole of Django anew.
CACHE = Path(tempfile.gettempdir()) / "raft_config_tests_mypy"

PROJECT = """\
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from typing_extensions import assert_type

from raft_config.schema import Setting, Settings


class Shop(Settings, prefix="S_", group="Shop"):
    MAX_ITEMS = Setting(20, "help", group="x", validators=[])
    OPEN = Setting(default=True, public=True)
    LIMIT = Setting(None, type=int)
    CONTACT = Setting(None, type="email")
    SENDER = Setting("a@example.com", type="email")
    PRICE = Setting("1.50", type=Decimal)
    TAGS = Setting(("a", "b"))
    SIZES = Setting(["a"], choices=[("a", "A")])
    LIMITS: Setting[dict[str, int]] = Setting({})
    ADDRESS = Setting("127.0.0.1", type=forms.GenericIPAddressField)
    TOKEN = Setting("", secret=True, env="X", renamed_from="A", on_change=print)
    DAY = Setting(dt.date(2024, 1, 1))

    @classmethod
    def clean(cls, values: Mapping[str, Any]) -> None: ...


assert_type(Shop.MAX_ITEMS, int)
assert_type(Shop.OPEN, bool)
assert_type(Shop.LIMIT, int | None)
assert_type(Shop.CONTACT, str | None)
assert_type(Shop.SENDER, str)
assert_type(Shop.PRICE, Decimal)
assert_type(Shop.TAGS, list[str])
assert_type(Shop.SIZES, list[str])
assert_type(Shop.LIMITS, dict[str, int])
assert_type(Shop.ADDRESS, str)
assert_type(Shop.TOKEN, str)
assert_type(Shop.DAY, dt.date)
assert_type(Setting(20), Setting[int])
assert_type(Setting(20).clean("5"), int)
"""

WRONG = """\
title: str = Shop.MAX_ITEMS
half = Shop.LIMIT / 2
Shop.MAX_ITEMS = 3
Shop.MIN_ITEMS
Setting(20, hepl="x")
Setting(20, secret="yes")
"""


DECLARED = {
    "SITE_NAME": Setting("Shop", 'Shown "at the top".'),
    "LIMIT": Setting(None, type=int),
    "PRICE": Setting(Decimal(1)),
    "DAY": Setting(dt.date(2024, 1, 1)),
    "TAGS": Setting(["a"]),
    "SIZES": Setting(["s"], choices=[("s", "Small"), ("l", "Large")]),
    "ANYTHING": Setting({}, type="JSON"),
    "SENDER": Setting("", type="email", secret=True),
    "ADDRESS": Setting("127.0.0.1", type=forms.GenericIPAddressField),
}
READING = """\
import datetime as dt
from decimal import Decimal
from typing import Any

from typing_extensions import assert_type

from live_settings import config

assert_type(config.SITE_NAME, str)
assert_type(config.LIMIT, int | None)
assert_type(config.PRICE, Decimal)
assert_type(config.DAY, dt.date)
assert_type(config.TAGS, list[Any])
assert_type(config.SIZES, list[str])
assert_type(config.ANYTHING, Any)
assert_type(config.SENDER, str)
assert_type(config.ADDRESS, str)
assert_type(config["SITE_NAME"], Any)
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shop.py").write_text(PROJECT + WRONG)
    (tmp_path / "reading.py").write_text(READING)
    (tmp_path / "live_settings.py").write_text("from raft_config import config\n")
    with override_settings(RAFT_CONFIG={"SETTINGS": DECLARED}):
        (tmp_path / "live_settings.pyi").write_text(stubs())
    return tmp_path / "shop.py"


FIRST = PROJECT.count("\n") + 1
WRONG_LINES = {("shop.py", FIRST + number) for number in range(WRONG.count("\n"))}


FILES = ("shop.py", "reading.py")


def run(*command, cwd):
    return subprocess.run(  # noqa: S603 - the type checkers of this environment
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )


def test_mypy_knows_the_type_of_each_value(project, tmp_path):
    configuration = tmp_path / "mypy.ini"
    configuration.write_text("[mypy]\nstrict = True\nfollow_imports = silent\n")
    done = run(
        "mypy", f"--config-file={configuration}", f"--cache-dir={CACHE}", *FILES, cwd=tmp_path
    )
    assert done.returncode == 1, done.stdout + done.stderr
    found = re.findall(r"^(.*?):(\d+): error", done.stdout, re.MULTILINE)
    assert {(name, int(line)) for name, line in found} == WRONG_LINES, done.stdout


def test_pyright_knows_the_type_of_each_value(project, tmp_path):
    configuration = tmp_path / "pyrightconfig.json"
    configuration.write_text(
        json.dumps({"typeCheckingMode": "strict", "extraPaths": [str(ROOT)], "include": [*FILES]})
    )
    options = ("--outputjson", f"--pythonpath={sys.executable}")
    done = run("basedpyright", *options, f"--project={tmp_path}", cwd=tmp_path)
    told = json.loads(done.stdout)["generalDiagnostics"]
    errors = [each for each in told if each["severity"] == "error"]
    found = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}
    assert found == WRONG_LINES, errors


def test_a_stub_without_settings_is_python_too():
    with override_settings(RAFT_CONFIG={}):
        ast.parse(stubs())
