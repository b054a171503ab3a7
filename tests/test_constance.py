"""What a django-constance project has in its settings is taken as it stands."""

import copy
import datetime as dt
from decimal import Decimal

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.test import override_settings

from raft_config.exceptions import ConfigurationError
from raft_config.schema import declared, groups, problems

# The example of constance's documentation, with each shape that its pages show.
CONSTANCE_ADDITIONAL_FIELDS = {
    "yes_no_null_select": [
        "django.forms.fields.ChoiceField",
        {
            "widget": "django.forms.Select",
            "choices": ((None, "-----"), ("yes", "Yes"), ("no", "No")),
        },
    ],
    "email": ("django.forms.fields.EmailField",),
    "range": [
        "django.forms.fields.IntegerField",
        {
            "widget": "django.forms.TextInput",
            "widget_kwargs": {"attrs": {"size": 40}},
            "min_value": 0,
        },
    ],
    "json": ["django.forms.fields.JSONField", {"widget": "django.forms.Textarea"}],
}
CONSTANCE_CONFIG = {
    "BANNER": ("The National Cheese Emporium", "name of the shop"),
    "OWNER_EMAIL": ("henry@example.com", "contact email for owner", "email"),
    "MUSICIANS": (4, "number of musicians inside the shop", int),
    "MAX_CHEESES": (40, "at most", "range"),
    "DATE_ESTABLISHED": (dt.date(1972, 11, 30), "the shop's first opening"),
    "OPENING": (dt.time(8), "on weekdays", dt.time),
    "PRICE": (Decimal("1.50"), "of the cheapest cheese"),
    "MY_SELECT_KEY": ("yes", "select yes or no", "yes_no_null_select"),
    "MULTILINE": ("Line one\nLine two", "multiline string"),
    "JSON_DATA": ({"a": 1000, "b": "test"}, "Some test data for json", "json"),
}
FIELDSETS = [
    {
        "Cheese shop": {
            "fields": ("BANNER", "OWNER_EMAIL", "MUSICIANS", "DATE_ESTABLISHED"),
            "collapse": True,
        },
        "Others": ("MY_SELECT_KEY", "MULTILINE"),
    },
    (
        ("Cheese shop", {"fields": ["BANNER", "OWNER_EMAIL", "MUSICIANS", "DATE_ESTABLISHED"]}),
        ("Others", ["MY_SELECT_KEY", "MULTILINE"]),
    ),
]


def paste(**changes):
    return override_settings(
        RAFT_CONFIG={
            "SETTINGS": CONSTANCE_CONFIG,
            "FIELDS": CONSTANCE_ADDITIONAL_FIELDS,
            **changes,
        }
    )


@pytest.fixture
def _pasted():
    with paste():
        yield


@pytest.mark.usefixtures("_pasted")
def test_the_whole_example_is_declared_with_its_defaults_and_help():
    assert list(declared()) == list(CONSTANCE_CONFIG)
    for name, (default, help_text, *_) in CONSTANCE_CONFIG.items():
        setting = declared()[name]
        assert (setting.default, setting.help_text) == (default, help_text)
        assert setting.decode(setting.encode(default)) == default


@pytest.mark.usefixtures("_pasted")
@pytest.mark.parametrize("name", CONSTANCE_CONFIG)
def test_each_form_field_takes_what_the_one_of_constance_takes(name):
    from constance.forms import FIELDS, parse_additional_fields  # noqa: PLC0415 -- needs Django

    default, _help, *third = CONSTANCE_CONFIG[name]
    known = {**FIELDS, **parse_additional_fields(copy.deepcopy(CONSTANCE_ADDITIONAL_FIELDS))}
    field_class, options = known[third[0] if third else type(default)]
    theirs, ours = field_class(**options), declared()[name].formfield()
    typed = ours.widget.format_value(ours.prepare_value(default))
    typed = typed[0] if isinstance(typed, list) else typed
    assert ours.clean(typed) == theirs.clean(typed) == default


@pytest.mark.usefixtures("_pasted")
def test_a_named_field_keeps_its_options_and_its_widget():
    field = declared()["MAX_CHEESES"].formfield()
    assert type(field.widget) is forms.TextInput
    assert field.widget.attrs["size"] == 40
    for wrong in (-1, "-1", "x"):
        with pytest.raises(ValidationError):
            declared()["MAX_CHEESES"].clean(wrong)
    with pytest.raises(ValidationError):
        declared()["MY_SELECT_KEY"].clean("perhaps")


@pytest.mark.parametrize("fieldsets", FIELDSETS, ids=["dict", "pairs"])
def test_fieldsets_are_the_groups_in_their_order(fieldsets):
    with paste(FIELDSETS=fieldsets):
        assert list(groups()) == ["Cheese shop", "Others", ""]
        assert groups()["Cheese shop"] == [
            "BANNER",
            "OWNER_EMAIL",
            "MUSICIANS",
            "DATE_ESTABLISHED",
        ]
        assert declared()["MULTILINE"].group == "Others"


@pytest.mark.parametrize(
    ("fieldsets", "problem"),
    [
        ({"A": ["NO_SUCH"]}, "names NO_SUCH, which is not declared"),
        ({"A": ["BANNER"], "B": ["BANNER"]}, "names BANNER more than once"),
        ({"A": "BANNER"}, "must be a dict of group"),
        ({"A": {"collapse": True}}, "must be a dict of group"),
        (5, "must be a dict of group"),
    ],
)
def test_fieldsets_that_cannot_be_right_are_refused(fieldsets, problem):
    with paste(FIELDSETS=fieldsets), pytest.raises(ConfigurationError, match=problem):
        declared()


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (["django.forms.NoSuchField"], "cannot be imported"),
        (["django.forms.CharField", {"widget": "django.NoSuchWidget"}], "cannot be imported"),
        (["django.forms.ImageField", {}], "a file, which no log holds"),
        (["django.utils.timezone.now"], "no form field"),
        ([], "must be \\[dotted path"),
        ("django.forms.CharField", "must be \\[dotted path"),
    ],
)
def test_a_named_field_that_cannot_be_right_is_refused(spec, problem):
    given = {"SETTINGS": {"A": ("x", "", "named")}, "FIELDS": {"named": spec}}
    with paste(**given), pytest.raises(ConfigurationError, match=problem):
        declared()


def test_a_named_field_comes_before_a_kind_of_that_name():
    with paste(SETTINGS={"A": ("x", "", "email")}, FIELDS={"email": ["django.forms.CharField"]}):
        assert problems() == []
