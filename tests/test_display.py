"""What people see of a value: all of it, as it is typed, and nothing of a secret."""

import datetime as dt
from decimal import Decimal

import pytest
from django.test import override_settings

from raft_config.schema import MASK, Setting, display, display_text, groups

NOTHING = "\N{EN DASH}"
NOON = dt.datetime(2024, 7, 1, 12, 0, 0, 5, dt.timezone.utc)


@pytest.mark.parametrize(
    ("setting", "value", "shown"),
    [
        (Setting(default=True), True, "on"),
        (Setting(default=True), False, "off"),
        (Setting(5), 1234567, "1234567"),
        (Setting(Decimal(1)), Decimal("1.50"), "1.50"),
        (Setting("x"), "a b", "a b"),
        (Setting("x"), "", "“”"),
        (Setting(None, type=int), None, NOTHING),
        (Setting(dt.date(2024, 1, 1)), dt.date(2024, 2, 29), "2024-02-29"),
        (Setting(dt.timedelta(1)), dt.timedelta(1, 30), "1 00:00:30"),
        (Setting(["ä"]), ["ä", 1], '["ä", 1]'),
        (Setting("s", choices=[("Sizes", [("s", "Small")])]), "s", "Small"),
        (Setting("s", choices=[("s", "Small")]), "gone", "gone"),
    ],
)
def test_a_value_is_shown_as_it_can_be_typed(setting, value, shown):
    assert display(setting, value) == shown


def test_an_instant_is_shown_in_the_time_of_the_place_with_its_zone():
    with override_settings(TIME_ZONE="Europe/Berlin"):
        assert display(Setting(NOON), NOON) == "2024-07-01 14:00:00.000005+02:00"


@pytest.mark.parametrize("value", ["hunter2", "", 5, [1]])
def test_a_secret_is_masked_and_its_length_too(value):
    setting = Setting(value, secret=True)
    assert display(setting, value) == MASK
    with override_settings(RAFT_CONFIG={"SETTINGS": {"PASSWORD": setting}}):
        assert display_text("PASSWORD", Setting(value).encode(value)) == MASK
        assert display_text("PASSWORD", "of another release") == MASK


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (None, NOTHING),
        ('{"type":"int","value":7}', "7"),
        ('{"type":"text","value":"ä"}', '"ä"'),
        ('{"type":"secret","value":"gAAAAA"}', MASK),
        ("no JSON", "no JSON"),
        ("9" * 5000, "9" * 200),
        ("[1]", "[1]"),
    ],
)
@pytest.mark.parametrize("name", ["DECLARED", "UNDECLARED"])
def test_what_is_stored_can_be_shown_whatever_it_is(name, text, shown):
    with override_settings(RAFT_CONFIG={"SETTINGS": {"DECLARED": Setting(5)}}):
        assert display_text(name, text) == shown


def test_groups_keep_the_order_of_declaration():
    declared = {"A": Setting(1, group="x"), "B": Setting(1), "C": Setting(1, group="x")}
    with override_settings(RAFT_CONFIG={"SETTINGS": declared}):
        assert groups() == {"x": ["A", "C"], "": ["B"]}
