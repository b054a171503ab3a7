"""`import_constance` in a project that used django-constance, with the database backend."""

from __future__ import annotations

import json

MEMORY = "constance.backends.memory.MemoryBackend"


SET = """
from constance import config
import datetime as dt
from decimal import Decimal
config.SITE_NAME = "Käse & Co"
config.MAX_ITEMS                        # read only: constance stores the default
config.TAX = Decimal("0.070")
config.OPEN = False
config.SALE_FROM = dt.date(2025, 3, 1)
config.OPENS_AT = dt.time(9, 0)
config.BUILT_AT = dt.datetime(2025, 3, 1, 12, 0)
config.PAUSE = dt.timedelta(hours=1)
config.FEEDBACK = "no"
"""
CHECK = """
from raft_config import config
import datetime as dt
from decimal import Decimal
assert config.SITE_NAME == "Käse & Co"
assert (config.MAX_ITEMS, config.source("MAX_ITEMS")) == (20, "default")
assert config.TAX == Decimal("0.070")
assert config.OPEN is False
assert config.SALE_FROM == dt.date(2025, 3, 1)
assert config.OPENS_AT == dt.time(9, 0)
assert config.BUILT_AT == dt.datetime(2025, 3, 1, 11, 0, tzinfo=dt.timezone.utc)
assert config.PAUSE == dt.timedelta(hours=1)
assert config.FEEDBACK == "no"
"""


def test_values_that_differ_from_their_default_are_moved_as_one_entry(project):
    _, _, dry, moved, _, again, history = project(
        ["migrate", "--verbosity=0"],
        ["!", SET],
        ["import_constance", "--dry-run"],
        ["import_constance", "--user", "eve"],
        ["!", CHECK],
        ["import_constance"],
        ["raft_config", "history", "--json"],
    )
    shown = dry.out.splitlines()
    assert shown[0] == "SITE_NAME: Shop -> Käse & Co"
    assert "PAUSE: 00:05:00 -> 01:00:00" in shown
    assert not any(line.startswith(("MAX_ITEMS", "RATIO")) for line in shown)
    assert shown[-1] == "Nothing was moved: this is a dry run"
    assert moved.out.splitlines()[:-1] == shown[:-1]
    assert moved.out.splitlines()[-1].startswith("Moved 8 (index ")
    assert (again.code, again.out.splitlines()) == (0, ["Nothing to move"])
    found = json.loads(history.out)
    assert len({each["index"] for each in found}) == 1
    assert {each["origin"] for each in found} == {"import"}


def test_what_was_changed_here_already_is_left_alone_unless_told_otherwise(project):
    _, _, _, left, value, overwritten, other_value = project(
        ["migrate", "--verbosity=0"],
        ["!", "from constance import config; config.MAX_ITEMS = 30"],
        ["raft_config", "set", "MAX_ITEMS=40"],
        ["import_constance"],
        ["raft_config", "get", "MAX_ITEMS"],
        ["import_constance", "--overwrite"],
        ["raft_config", "get", "MAX_ITEMS"],
    )
    assert left.out.splitlines() == [
        "MAX_ITEMS: changed here already, left alone (--overwrite)",
        "Nothing to move",
    ]
    assert (value.out, other_value.out) == ("40\n", "30\n")
    assert overwritten.out.splitlines()[0] == "MAX_ITEMS: 40 -> 30"


def test_value_that_cannot_be_moved_is_told_by_name_and_nothing_is_moved_without_partial(project):
    spoil = """
from constance.models import Constance
from constance import config
config.SITE_NAME = "Deli"
Constance.objects.create(key="MAX_ITEMS", value='{"__type__": "default", "__value__": "many"}')
Constance.objects.create(key="TAX", value="{")
"""
    _, _, refused, value, partial, other_value = project(
        ["migrate", "--verbosity=0"],
        ["!", spoil],
        ["import_constance"],
        ["raft_config", "get", "SITE_NAME"],
        ["import_constance", "--partial", "--json"],
        ["raft_config", "get", "SITE_NAME"],
    )
    assert refused.code == 1
    assert "MAX_ITEMS: cannot be moved: Enter a whole number." in refused.out
    assert "TAX: cannot be moved: constance cannot read it" in refused.out
    assert refused.out.splitlines()[-1].startswith("Nothing was moved: ")
    assert value.out == "Shop\n"
    assert partial.code == 0
    assert json.loads(partial.out)["problems"].keys() == {"MAX_ITEMS", "TAX"}
    assert other_value.out == "Deli\n"


def test_undeclared_settings_are_told_with_what_to_paste(project):
    _, _, refused = project(
        ["migrate", "--verbosity=0"],
        ["import_constance", "--dry-run"],
        ["import_constance"],
        declared=False,
    )
    assert refused.code == 1
    lines = refused.out.splitlines()
    assert lines[0].startswith("Not declared yet: SITE_NAME, MAX_ITEMS, ")
    assert lines[2:] == [
        "RAFT_CONFIG = {",
        '    "SETTINGS": CONSTANCE_CONFIG,',
        '    "FIELDS": CONSTANCE_ADDITIONAL_FIELDS,',
        '    "FIELDSETS": CONSTANCE_CONFIG_FIELDSETS,',
        "}",
    ]


def test_missing_table_is_an_error_and_not_an_empty_one(project):
    _, refused = project(["migrate", "raft_config", "--verbosity=0"], ["import_constance"])
    assert refused.code == 1
    assert "constance cannot read SITE_NAME: no such table: constance_constance." in refused.error


def test_other_backends_are_read_through_constance_too(project):
    _, _, moved = project(
        ["migrate", "raft_config", "--verbosity=0"],
        ["!", "from constance import config; config.MAX_ITEMS = 30"],
        ["import_constance"],
        backend=MEMORY,
    )
    assert moved.out.splitlines()[0] == "MAX_ITEMS: 20 -> 30"


def test_backend_that_is_not_there_is_named(project):
    (refused,) = project(["import_constance"], backend="shop.backends.Backend")
    assert (refused.code, refused.out) == (1, "")
    assert refused.error.startswith("The backend shop.backends.Backend cannot be used: ")


def test_fields_are_taken_after_constance_has_put_classes_into_them_as_well(project):
    _, _, moved = project(
        ["migrate", "raft_config", "--verbosity=0"],
        ["!", "import constance.forms; constance.forms.config.FEEDBACK = 'no'"],
        ["import_constance"],
        backend=MEMORY,
    )
    assert moved.out.splitlines()[0] == "FEEDBACK: yes -> no"
