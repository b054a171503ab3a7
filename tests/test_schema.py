"""Settings are typed: cleaned on the way in, stored with their type, read strictly."""

import datetime as dt
import enum
import json
import subprocess
import sys
from decimal import Decimal
from uuid import UUID

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinLengthValidator
from django.http import QueryDict
from django.test import override_settings
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from raft_config import schema
from raft_config.exceptions import ConfigurationError
from raft_config.schema import KINDS, SchemaError, Setting, declared

UTC = dt.timezone.utc
AN_ID = UUID("12345678-1234-5678-1234-567812345678")


# Away from the ends of the calendar, where UTC would be another year 0.
AWARE_DATETIMES = st.datetimes(
    dt.datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
    timezones=st.timezones(),
)


class Size(enum.Enum):
    SMALL = "small"


EXAMPLES = [
    # default, the kind, the text
    (True, "bool", '{"type":"bool","value":true}'),
    (5, "int", '{"type":"int","value":5}'),
    (1.5, "float", '{"type":"float","value":1.5}'),
    (Decimal("1.50"), "decimal", '{"type":"decimal","value":"1.50"}'),
    ("x", "str", '{"type":"text","value":"x"}'),
    ("two\nlines", "text", '{"type":"text","value":"two\\nlines"}'),
    (dt.date(2024, 2, 29), "date", '{"type":"date","value":"2024-02-29"}'),
    (dt.time(8, 30), "time", '{"type":"time","value":"08:30:00"}'),
    (
        dt.datetime(2024, 2, 29, 8, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        "datetime",
        '{"type":"datetime","value":"2024-02-29T07:00:00+00:00"}',
    ),
    (dt.timedelta(seconds=1), "timedelta", '{"type":"timedelta","value":1000000}'),
    (AN_ID, "uuid", f'{{"type":"uuid","value":"{AN_ID}"}}'),
    ([1, "a"], "list", '{"type":"json","value":[1,"a"]}'),
    ({"b": 1, "a": None}, "dict", '{"type":"json","value":{"a":null,"b":1}}'),
]

NAMED = [
    ("email", "a@example.com", "not an address"),
    ("URL", "https://example.com/x", "javascript:alert(1)"),
    ("colour", "#00ff00", "#0f0"),
    ("text", "x", 5),
    ("choice", "a", "c"),
]


A_OR_B = [("a", "A"), ("b", "B")]


def named(kind, default):
    return Setting(default, type=kind, choices=A_OR_B if kind == "choice" else ())


# -- text and back


@pytest.mark.parametrize(("default", "kind", "text"), EXAMPLES)
def test_the_type_is_told_by_the_default_and_stated_in_the_text(default, kind, text):
    setting = Setting(default)
    assert setting.kind_name == kind
    assert setting.encode(setting.clean(default)) == text
    assert setting.decode(text) == default
    assert type(setting.decode(text)) is type(default)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bool", st.booleans()),
        ("int", st.integers(-(2**63) + 1, 2**63 - 1)),
        ("float", st.floats(allow_nan=False, allow_infinity=False)),
        ("decimal", st.decimals(allow_nan=False, allow_infinity=False, places=3)),
        ("str", st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
        ("date", st.dates()),
        ("time", st.times()),
        ("datetime", AWARE_DATETIMES),
        ("timedelta", st.timedeltas(dt.timedelta(days=-(10**7)), dt.timedelta(days=10**7))),
        ("uuid", st.uuids()),
        ("choices", st.lists(st.sampled_from("ab"), unique=True)),
        ("colour", st.from_regex(r"\A#[0-9a-f]{6}\Z")),
        (
            "json",
            st.recursive(
                st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("abcäö€"),
                lambda inner: (
                    st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz"), inner, max_size=3)
                ),
                max_leaves=10,
            ),
        ),
    ],
)
@pytest.mark.parametrize("secret", [False, True])
def test_every_value_of_a_type_comes_back_the_same(kind, values, secret):
    setting = Setting(None, type=kind, secret=secret, choices=A_OR_B if kind == "choices" else ())

    @given(values)
    def check(value):
        # Where clocks change, Python finds a local time unequal to the same instant in UTC.
        expected = value.astimezone(UTC) if kind == "datetime" else value
        assert setting.decode(setting.encode(value)) == expected
        text = setting.encode_plain(value)
        assert setting.decode(text) == expected
        assert setting.encode_plain(setting.decode(text)) == text
        assert setting.from_json(setting.to_json(value)) == setting.clean(value)

    with override_settings(RAFT_CONFIG={"ENCRYPTION_KEYS": ["k" * 32]}):
        check()


@given(st.sampled_from(sorted(KINDS)), st.text() | st.from_regex(r"\A\[{0,50}[0-9]{0,5000}\Z"))
def test_whatever_the_text_is_decode_raises_nothing_but_schema_error(kind, text):
    with pytest.raises(SchemaError):
        Setting(None, type=kind).decode(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(sorted({kind.stored for kind in KINDS.values()})) | st.text(max_size=5),
    JSON_VALUES,
)
def test_what_decode_takes_is_exactly_what_encode_writes(kind, stored, raw):
    setting = Setting(None, type=kind)
    text = json.dumps({"type": stored, "value": raw}, sort_keys=True, separators=(",", ":"))
    try:
        value = setting.decode(text)
    except SchemaError:
        return
    if stored == setting.kind.stored and raw is not None:
        assert setting.encode(value) == text
    else:
        assert setting.decode(setting.encode(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "null",
        "[]",
        "{}",
        '{"type":"int"}',
        '{"value":5}',
        '{"type":"int","value":5,"more":1}',
        '{"type":"int","value":5,"value":6}',
        '{"type":["int"],"value":5}',
        '{"type":"int","value":5.0}',
        '{"type":"int","value":"5"}',
        '{"type":"int","value":true}',
        '{"type":"int","value":null}',
        '{"type":"int","value":NaN}',
        '{"type":"int","value":9223372036854775808}',
        '{"type":"int","value":' + "9" * 5000 + "}",
        '{"type":"text","value":"5"}',
        "[" * 100_000,
        None,
        5,
    ],
)
def test_an_int_is_read_from_its_own_form_only(text):
    with pytest.raises(SchemaError):
        Setting(5).decode(text)


@pytest.mark.parametrize(
    ("default", "value"),
    [
        (Decimal(1), '"1_0"'),
        (Decimal(1), '" 1"'),
        (Decimal(1), '"NaN"'),
        (Decimal(1), '"Infinity"'),
        (Decimal(1), '"1E+1000000"'),
        (1.5, "1e999"),
        (AN_ID, '"{12345678-1234-5678-1234-567812345678}"'),
        (dt.date(2024, 1, 1), '"20240101"'),
        (dt.time(1), '"01:00:00+00:00"'),
        (dt.datetime(2024, 1, 1, tzinfo=UTC), '"2024-01-01T00:00:00"'),
        (dt.datetime(2024, 1, 1, tzinfo=UTC), '"2024-01-01T01:00:00+01:00"'),
        (dt.timedelta(1), "1e99"),
        ([], "{}"),
        ({}, "[]"),
        ("x", '"\\ud800"'),
        ("x", '"\\u0000"'),
        ([], "[" * 40 + "]" * 40),
    ],
)
def test_other_spellings_are_refused(default, value):
    setting = Setting(default)
    with pytest.raises(SchemaError):
        setting.decode(f'{{"type":"{setting.kind.stored}","value":{value}}}')


@pytest.mark.parametrize(
    ("default", "wrong"),
    [
        (5, "5"),
        (5, True),
        (5, 5.0),
        (True, 1),
        (1.5, "1.5"),
        (1.5, float("nan")),
        (5, 2**63),
        ("x", 5),
        ("x", b"x"),
        ("x", "\ud800"),
        (dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=UTC)),
        (dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(2024, 1, 1)),  # noqa: DTZ001 - that it is naive
        (dt.datetime(2024, 1, 1, tzinfo=UTC), dt.date(2024, 1, 1)),
        ([], {"a": 1}),
        ([], [object()]),
        ({}, {1: 2}),
        (5, None),
    ],
)
def test_encode_takes_no_value_of_another_type(default, wrong):
    with pytest.raises(SchemaError):
        Setting(default).encode(wrong)


def test_a_list_that_contains_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(SchemaError):
        Setting([]).encode(endless)
    with pytest.raises(ValidationError):
        Setting([]).clean(endless)


# -- what another release wrote


@pytest.mark.parametrize(
    ("was", "value", "default", "seen"),
    [
        (5, 7, 1.5, 7.0),
        (5, 7, Decimal(1), Decimal(7)),
        ("x", "y", "two\nlines", "y"),
    ],
)
def test_a_wider_type_reads_what_a_narrower_one_wrote(was, value, default, seen):
    found = Setting(default).decode(Setting(was).encode(value))
    assert found == seen
    assert type(found) is type(seen)


@pytest.mark.parametrize(("kind", "fine", "wrong"), NAMED[:3])
def test_text_is_read_as_an_email_url_or_colour_only_if_it_is_one(kind, fine, wrong):
    setting = named(kind, fine)
    assert setting.decode(Setting("x").encode(fine)) == fine
    with pytest.raises(SchemaError):
        setting.decode(Setting("x").encode(wrong))


@pytest.mark.parametrize(("was", "now"), [("5", 5), (5, "5"), (1.5, 1), (True, 1), (1, True)])
def test_any_other_type_falls_back_to_the_default(was, now):
    text = Setting(was).encode(was)
    with pytest.raises(SchemaError, match="was stored as"):
        Setting(now).decode(text)
    assert Setting(now).decode_or_default(text) == now


def test_an_int_that_a_float_cannot_hold_falls_back_too():
    assert Setting(1.5).decode_or_default(Setting(5).encode(2**53 + 1)) == 1.5


def test_reading_asks_no_validator_and_no_choices():
    text = Setting(5).encode(100)
    assert Setting(5, validators=(MaxValueValidator(10),)).decode(text) == 100
    assert Setting(5, choices=[(5, "five")]).decode(text) == 100


# -- cleaning


@pytest.mark.parametrize(
    ("default", "given_value", "cleaned"),
    [
        (5, "7", 7),
        (5, 7.0, 7),
        (1.5, 2, 2.0),
        (1.5, "2.5", 2.5),
        (Decimal(1), "1.50", Decimal("1.50")),
        (Decimal(1), 0.1, Decimal("0.1")),
        (False, "yes", True),
        (True, "off", False),
        ("x", " kept ", " kept "),
        ("x", "", ""),
        ("x", "a\r\nb", "a\nb"),
        ("x", Size.SMALL, "small"),
        ("x", gettext_lazy("y"), "y"),
        (dt.date(2024, 1, 1), "2024-02-29", dt.date(2024, 2, 29)),
        (dt.time(1), "08:30", dt.time(8, 30)),
        (dt.timedelta(1), "01:00:00", dt.timedelta(hours=1)),
        (dt.timedelta(1), 90, dt.timedelta(seconds=90)),
        (AN_ID, str(AN_ID), AN_ID),
        ([], (1, 2), [1, 2]),
        ({}, {"a": (1,)}, {"a": [1]}),
    ],
)
def test_clean_gives_the_value_as_it_will_be_stored(default, given_value, cleaned):
    found = Setting(default).clean(given_value)
    assert found == cleaned
    assert type(found) is type(cleaned)


@pytest.mark.parametrize(
    ("default", "wrong"),
    [
        (5, "x"),
        (5, ""),
        (5, None),
        (5, True),
        (5, 1.5),
        (5, 2**63),
        (5, "9" * 5000),
        (5, [5]),
        (1.5, True),
        (1.5, "nan"),
        (Decimal(1), "1E+1000000"),
        (Decimal(1), "NaN"),
        (True, 1),
        (True, "maybe"),
        (True, None),
        ("x", 5),
        ("x", None),
        ("x", "\0"),
        ("x", "\ud800"),
        (dt.date(2024, 1, 1), dt.datetime(2024, 1, 1, tzinfo=UTC)),
        (dt.date(2024, 1, 1), "29.02.2024"),
        (dt.time(1), dt.time(1, tzinfo=UTC)),
        (dt.datetime(2024, 1, 1, tzinfo=UTC), dt.date(2024, 1, 1)),
        (AN_ID, "x"),
        ([], "[]"),
        ([], {}),
        ({}, []),
        ({}, {1: 2}),
        ({}, None),
    ],
)
def test_clean_refuses_what_does_not_fit(default, wrong):
    with pytest.raises(ValidationError):
        Setting(default).clean(wrong)


def test_a_datetime_beyond_the_calendar_is_refused():
    early = dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14)))
    with pytest.raises(ValidationError):
        Setting(dt.datetime(2024, 1, 1, tzinfo=UTC)).clean(early)


def test_a_datetime_without_a_zone_is_of_the_current_one():
    setting = Setting(dt.datetime(2024, 1, 1, tzinfo=UTC))
    with override_settings(TIME_ZONE="Europe/Berlin"):
        assert setting.clean("2024-07-01T12:00") == dt.datetime(2024, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "fine", "wrong"), NAMED)
def test_named_types_are_validated(kind, fine, wrong):
    setting = named(kind, fine)
    assert setting.clean(fine) == fine
    with pytest.raises(ValidationError):
        setting.clean(wrong)


def test_a_colour_is_written_in_lower_case():
    assert named("colour", "#000000").clean("#00FF00") == "#00ff00"


@pytest.mark.parametrize("kind", ["email", "URL"])
def test_where_the_default_is_blank_a_blank_is_a_value(kind):
    assert Setting("", type=kind).clean("") == ""
    with pytest.raises(ValidationError):
        named(kind, {"email": "a@example.com", "URL": "https://example.com"}[kind]).clean("")


def test_validators_are_asked_on_every_path():
    number = Setting(5, validators=(MaxValueValidator(10),))
    items = Setting([1, 2], validators=[MinLengthValidator(2)])
    for setting, wrong, typed in ((number, 11, "11"), (items, [1], "[1]")):
        with pytest.raises(ValidationError):
            setting.clean(wrong)
        with pytest.raises(ValidationError):
            setting.formfield().clean(typed)
        with pytest.raises(ValidationError):
            setting.parse(typed)


def test_none_is_a_value_where_it_is_the_default():
    setting = Setting(None, type=int)
    assert setting.clean(None) is None
    assert setting.clean("") is None
    assert setting.decode(setting.encode(None)) is None
    assert setting.clean(5) == 5
    with pytest.raises(SchemaError):
        Setting(5).decode(setting.encode(None))


def test_json_takes_python_values_and_parse_takes_text():
    setting = Setting({}, type="JSON")
    assert setting.clean("[1]") == "[1]"
    assert setting.parse("[1]") == [1]
    assert setting.parse("null") is None
    assert setting.clean([]) == []
    with pytest.raises(ValidationError):
        setting.parse("{")


@pytest.mark.parametrize(("default", "kind", "text"), EXAMPLES)
def test_raw_json_is_what_the_text_holds_and_comes_back(default, kind, text):
    setting = Setting(default)
    assert setting.to_json(default) == json.loads(text)["value"]
    assert setting.from_json(setting.to_json(default)) == default


def test_raw_json_is_read_strictly_and_then_cleaned():
    assert Setting(1.5).from_json(2) == 2.0
    assert Setting(Decimal(1)).from_json(2) == Decimal(2)
    assert Setting(None, type=int).from_json(None) is None
    limited = Setting(5, validators=(MaxValueValidator(10),))
    for setting, wrong in (
        (Setting(5), "5"),
        (Setting(5), True),
        (Setting(5), 5.0),
        (Setting(5), None),
        (Setting(Decimal(1)), 1.5),
        (Setting("x"), 5),
        (Setting([1]), {}),
        (Setting([1]), [float("nan")]),
        (limited, 11),
        (Setting("a", choices=[("a", "A")]), "b"),
    ):
        with pytest.raises(ValidationError):
            setting.from_json(wrong)


def test_one_former_name_or_one_listener_need_no_tuple():
    setting = Setting(5, renamed_from="OLD", on_change="shop.changed")
    assert setting.renamed_from == ("OLD",)
    assert setting.on_change == ("shop.changed",)
    assert Setting(5, on_change=print).on_change == (print,)
    assert Setting(5, renamed_from=["A", "B"]).renamed_from == ("A", "B")


def test_parse_takes_what_is_typed_for_every_type():
    assert Setting(5).parse("7") == 7
    assert Setting(default=True).parse("false") is False
    assert Setting([1]).parse("[]") == []
    with pytest.raises(ValidationError):
        Setting([1]).parse('{"a": 1}')


# -- choices


@pytest.mark.parametrize("given_value", [6, "6"])
def test_a_choice_is_the_key_itself(given_value):
    setting = Setting(5, choices=[(5, "five"), ("more", [(6, "six")])])
    assert setting.clean(given_value) == 6
    assert setting.formfield().clean("6") == 6
    for wrong in ("7", 7, "", None):
        with pytest.raises(ValidationError):
            setting.clean(wrong)


def test_a_blank_choice_may_be_declared():
    setting = Setting("", choices=[("", "none"), ("a", "A")])
    assert setting.clean("") == ""
    assert setting.formfield().clean("") == ""


# -- form fields


def posted(setting, text):
    class Form(forms.Form):
        x = setting.formfield()

    return Form(QueryDict(f"x={text}" if text is not None else ""))


@pytest.mark.parametrize(
    ("setting", "widget", "html"),
    [
        (Setting(default=True), forms.CheckboxInput, 'type="checkbox"'),
        (Setting(5), forms.NumberInput, 'type="number"'),
        (Setting("x"), forms.TextInput, 'type="text"'),
        (Setting("x", type="text"), forms.Textarea, "<textarea"),
        (Setting("#000000", type="colour"), forms.ColorInput, 'type="color"'),
        (Setting("a", choices=[("a", "A")]), forms.Select, "<select"),
        (Setting("a@example.com", type="email"), forms.EmailInput, 'type="email"'),
        (Setting("https://example.com", type="URL"), forms.URLInput, 'type="url"'),
        (Setting(dt.date(2024, 1, 1)), forms.DateInput, 'type="date" name="x" value="2024-01-01"'),
        (Setting(dt.time(8)), forms.TimeInput, 'value="08:00:00"'),
        (Setting(dt.datetime(2024, 1, 1, tzinfo=UTC)), forms.DateTimeInput, "datetime-local"),
        (Setting({"a": 1}), forms.Textarea, "<textarea"),
    ],
)
def test_each_type_has_its_widget(setting, widget, html):
    field = setting.formfield()
    assert type(field.widget) is widget
    assert html in field.widget.render("x", field.prepare_value(setting.default))


@pytest.mark.parametrize(("default", "kind", "text"), EXAMPLES)
def test_what_a_form_shows_and_gets_back_is_no_change(default, kind, text):
    setting = Setting(default)

    class Form(forms.Form):
        x = setting.formfield(show_hidden_initial=True)

    shown = Form(initial={"x": default})["x"]
    data = QueryDict(mutable=True)
    if default is not False:
        data["x"] = shown.field.widget.format_value(shown.value()) or ""
    if kind == "bool":
        data["x"] = "on"
    data["initial-x"] = shown.field.hidden_widget().format_value(shown.value()) or ""
    form = Form(data)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["x"] == default
    assert form.changed_data == []
    assert setting.encode(form.cleaned_data["x"]) == text


def test_an_unticked_box_is_false():
    form = posted(Setting(default=True), None)
    assert form.is_valid()
    assert form.cleaned_data["x"] is False


@pytest.mark.parametrize(
    "typed", ["{", "[" * 50_000, "9" * 5000, '{"a": 1, "a": 2}', "NaN", "", "5", '"\\u0000"']
)
def test_a_form_answers_hostile_json_with_an_error_and_shows_it_again(typed):
    form = posted(Setting({"a": 1}), typed)
    assert not form.is_valid()
    assert "<textarea" in str(form["x"])


def test_what_no_column_can_hold_is_an_error_of_the_form():
    assert not posted(Setting(5), str(2**63)).is_valid()
    assert not posted(Setting(Decimal(1)), "1e99999").is_valid()


def test_the_field_carries_help_and_options():
    field = Setting(5, "How many.").formfield(label="N")
    assert (field.help_text, field.initial, field.label) == ("How many.", 5, "N")


# -- declarations


def declare(**settings):
    return override_settings(RAFT_CONFIG={"SETTINGS": settings})


def test_settings_and_tuples_are_declared_alike():
    with declare(A=Setting(5), B=(5, "help"), C=(1, "help", float), D=("x",)):
        found = declared()
    assert found["A"] == Setting(5)
    assert found["B"] == Setting(5, "help")
    assert list(found) == ["A", "B", "C", "D"]
    assert type(found["C"].default) is float


def test_declared_is_kept_until_the_setting_changes():
    with declare(A=Setting(5)):
        assert declared() is declared()
        with declare(B=Setting(5)):
            assert list(declared()) == ["B"]
        assert list(declared()) == ["A"]


def test_a_translated_default_stays_lazy():
    with declare(A=Setting(gettext_lazy("x"))):
        assert not isinstance(declared()["A"].default, str)
        assert declared()["A"].kind_name == "str"


@pytest.mark.parametrize(
    ("declaration", "problem"),
    [
        (5, "must be Setting(...) or a tuple"),
        ((), "must be Setting(...) or a tuple"),
        ((1, "h", int, 4), "must be Setting(...) or a tuple"),
        (Setting(None), "tells no type"),
        (Setting(object()), "tells no type"),
        (Setting(5, type=complex), "unknown"),
        (Setting("x", type="colr"), "Did you mean 'colour'?"),
        (Setting("x", type=int), "default that is not valid"),
        (Setting("#fff", type="colour"), "default that is not valid"),
        (Setting(5, validators=(MaxValueValidator(1),)), "default that is not valid"),
        (Setting(5, choices=[(6, "six")]), "default that is not valid"),
        (Setting("a", type="choice"), "no choices"),
        (Setting("a", choices=["a", "bcd"]), "not pairs of a key and a label"),
    ],
)
def test_a_wrong_declaration_is_named(declaration, problem):
    with declare(GOOD=Setting(1), BAD=declaration), pytest.raises(ConfigurationError) as caught:
        declared()
    assert str(caught.value).startswith("RAFT_CONFIG[\"SETTINGS\"]['BAD'] ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "1A", "", "class", "_A", "get", "pinned", "A" * 256])
def test_a_name_must_be_an_attribute_of_config(name):
    with declare(**{name: Setting(1)}), pytest.raises(ConfigurationError):
        declared()


def test_problems_tells_of_every_wrong_declaration():
    with declare(A=5, B=Setting(1), C=None):
        assert len(schema.problems()) == 2


def test_a_settings_module_may_import_setting():
    """Before Django is set up: nothing in there may ask for the settings that are being made."""
    code = "import raft_config.schema as s; s.Setting(5, validators=()); s.Setting('x', type='URL')"
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"DJANGO_SETTINGS_MODULE": "no.such.module"},
    )
    assert done.returncode == 0, done.stderr
