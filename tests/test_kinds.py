"""Types beyond the plain ones: several choices, any form field, and kinds of the project's own."""

import datetime as dt
import fractions
import json
from decimal import Decimal

import pytest
from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.http import QueryDict
from django.test import override_settings

from raft_config.exceptions import ConfigurationError
from raft_config.schema import (
    KINDS,
    Kind,
    SchemaError,
    Setting,
    declared,
    display,
    register_kind,
    registry,
)

SIZES = [("s", "Small"), ("more", [("l", "Large"), (5, "Five")])]


def submitted(setting, **data):
    class Form(forms.Form):
        x = setting.formfield()

    query = QueryDict(mutable=True)
    for name, values in data.items():
        query.setlist(name, values)
    form = Form(query, initial={"x": setting.default})
    assert form.is_valid(), form.errors
    return form


def refusal(setting):
    with (
        override_settings(RAFT_CONFIG={"SETTINGS": {"A": setting}}),
        pytest.raises(ConfigurationError) as caught,
    ):
        declared()
    return str(caught.value)


# -- several choices


@pytest.mark.parametrize(
    "setting",
    [
        Setting(["s"], type="choices", choices=SIZES),
        Setting(["s"], choices=SIZES),
        Setting(("s",), type=list, choices=SIZES),
    ],
)
def test_several_choices_are_a_list_of_keys_in_the_order_of_the_choices(setting):
    assert setting.kind_name == "choices"
    assert setting.clean([5, "s"]) == ["s", 5]
    assert setting.clean(()) == []
    assert setting.decode(setting.encode(["s", 5])) == ["s", 5]
    assert setting.parse('["l"]') == ["l"]
    assert submitted(setting, x=["5", "l"]).cleaned_data["x"] == ["l", 5]
    assert submitted(setting, x=[]).cleaned_data["x"] == []
    assert display(setting, ["l", 5]) == "Large, Five"


@pytest.mark.parametrize("wrong", [["m"], "s", {"s": 1}, None, 5, [["s"]]])
def test_what_is_no_list_of_the_keys_is_refused(wrong):
    with pytest.raises(ValidationError):
        Setting(["s"], choices=SIZES).clean(wrong)


def test_a_box_for_each_choice_is_ticked_or_not():
    setting = Setting(["s"], choices=SIZES)
    field = setting.formfield()
    assert type(field.widget) is forms.CheckboxSelectMultiple
    html = field.widget.render("x", field.prepare_value(["s", 5]))
    assert html.count("checked") == 2
    assert submitted(setting, x=["s"]).changed_data == []
    assert submitted(setting, x=["l"]).changed_data == ["x"]


def test_choices_need_choices():
    assert "no choices" in refusal(Setting([], type="choices"))


# -- any form field


@pytest.mark.parametrize(
    ("field", "default", "kind", "given", "value"),
    [
        (forms.GenericIPAddressField, "10.0.0.1", "str", "10.0.0.2", "10.0.0.2"),
        (forms.SlugField, "a-b", "str", "c", "c"),
        (lambda: forms.IntegerField(max_value=9), 5, "int", "7", 7),
        (forms.DecimalField, 5, "decimal", "1.50", Decimal("1.50")),
        (forms.IntegerField, None, "int", "7", 7),
        (forms.DecimalField, None, "decimal", "1.50", Decimal("1.50")),
        (forms.SplitDateTimeField, None, "datetime", None, None),
        (
            lambda: forms.TypedChoiceField(coerce=int, choices=[(1, "one"), (2, "two")]),
            1,
            "int",
            "2",
            2,
        ),
        (
            lambda: forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")]),
            ["a"],
            "list",
            ["b"],
            ["b"],
        ),
        (forms.JSONField, {"a": 1}, "dict", {"b": 2}, {"b": 2}),
        (forms.DurationField, dt.timedelta(1), "timedelta", "2 00:00:00", dt.timedelta(2)),
    ],
)
def test_a_form_field_edits_and_the_default_tells_how_it_is_stored(
    field, default, kind, given, value
):
    with override_settings(RAFT_CONFIG={"SETTINGS": {"A": Setting(default, type=field)}}):
        setting = declared()["A"]
    assert setting.kind_name == kind
    assert setting.clean(given) == value
    assert setting.decode(setting.encode(value)) == value
    assert isinstance(setting.formfield(), type(field()))


def test_a_form_field_of_several_inputs_takes_and_gives_the_whole():
    noon = dt.datetime(2024, 7, 1, 12, tzinfo=dt.timezone.utc)
    setting = Setting(noon, type=forms.SplitDateTimeField)
    assert setting.clean(noon) == noon
    with override_settings(TIME_ZONE="UTC"):
        form = submitted(setting, x_0=["2024-07-01"], x_1=["12:00"])
    assert form.cleaned_data["x"] == noon
    with pytest.raises(ValidationError):
        setting.clean("2024-07-01 12:00")


def test_a_form_field_keeps_its_own_rules_and_gets_those_of_the_setting():
    setting = Setting(
        5, "Help.", type=lambda: forms.IntegerField(min_value=1), validators=(MaxValueValidator(9),)
    )
    for wrong in (0, 10, "x", True):
        with pytest.raises(ValidationError):
            setting.clean(wrong)
    field = setting.formfield(label="N")
    assert (field.help_text, field.label, field.initial) == ("Help.", "N", 5)


def test_a_form_field_is_required_unless_blank_is_the_default():
    assert Setting("a", type=forms.SlugField).formfield().required
    assert not Setting("", type=forms.SlugField).formfield().required
    assert not Setting(None, type=forms.SlugField).formfield().required
    assert (
        not Setting("a", type=lambda: forms.SlugField(required=False))
        .formfield()
        .widget.is_required
    )


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        (Setting("x", type=forms.FileField), "a file, which no log holds"),
        (
            Setting(None, type=lambda: forms.ModelChoiceField(User.objects.none())),
            "a row of the database",
        ),
        (Setting(None, type=forms.Field), "how its values are stored"),
        (Setting("x", type=lambda: "no field"), "no form field"),
        (Setting("x", type=forms.CharField()), "which is unknown"),
        (Setting("a", type=forms.CharField, choices=[("a", "A")]), "which has its own"),
        (Setting("x", type=forms.IntegerField), "default that is not valid"),
    ],
)
def test_a_form_field_that_cannot_be_stored_is_refused(setting, problem):
    assert problem in refusal(setting)


def test_a_form_field_whose_values_change_their_type_is_refused_at_the_change():
    class Lax(forms.Field):
        def to_python(self, value):
            return 5 if value == "five" else value

    with pytest.raises(ValidationError):
        Setting("x", type=Lax).clean("five")


# -- kinds of the project's own


class Ratio(fractions.Fraction):
    pass


def ratio_field(*, nullable, **options):
    return forms.CharField(**options)


RATIO = Kind(
    stored="ratio",
    reads={"ratio": Ratio, "int": Ratio},
    dump=str,
    accepts=(fractions.Fraction, int),
    field=ratio_field,
)


@pytest.fixture
def _ratio():
    kinds, types = dict(registry._kinds), dict(registry._types)
    register_kind("Ratio", RATIO, Ratio)
    yield
    for known, before in ((registry._kinds, kinds), (registry._types, types)):
        known.clear()
        known.update(before)


@pytest.mark.usefixtures("_ratio")
def test_a_registered_kind_is_told_by_name_by_type_and_by_default():
    for setting in (
        Setting(Ratio(1, 2)),
        Setting(None, type="ratio"),
        Setting(None, type=Ratio),
    ):
        assert setting.kind_name == "ratio"
        assert json.loads(setting.encode(Ratio(1, 3))) == {"type": "ratio", "value": "1/3"}
        assert setting.decode(setting.encode(Ratio(1, 3))) == Ratio(1, 3)
        assert setting.clean("2/4") == Ratio(1, 2)
        with pytest.raises(SchemaError):
            setting.decode('{"type":"ratio","value":"x"}')


@pytest.mark.usefixtures("_ratio")
def test_a_registered_subclass_of_a_plain_type_comes_before_it():
    class Name(str):
        __slots__ = ()

    register_kind("name", KINDS["str"], Name)
    assert Setting(Name("x")).kind_name == "name"
    assert Setting("x").kind_name == "str"


@pytest.mark.usefixtures("_ratio")
def test_a_kind_may_be_registered_again_but_not_replaced():
    register_kind("ratio", RATIO, Ratio)
    for name, kind, python_type in (
        ("int", RATIO, None),
        ("choice", RATIO, None),
        ("other", RATIO, int),
        ("other", Kind(stored="secret", reads={"secret": str}, field=forms.CharField), None),
        ("other", Kind(stored="other", reads={}, field=forms.CharField), None),
    ):
        with pytest.raises(SchemaError):
            register_kind(name, kind, python_type)
    assert "other" not in KINDS
