"""Secrets are encrypted in the log and at rest, and shown nowhere."""

import json
import sys

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MinLengthValidator
from django.http import QueryDict
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from raft_config.conf import get_config
from raft_config.exceptions import ConfigurationError
from raft_config.schema import (
    KINDS,
    SchemaError,
    Setting,
    declared,
    encryption,
    needs_reencryption,
    problems,
)

FIRST = "the first key of the tests, 32 characters"
SECOND = "the second key of the tests, as long as it"
PASSWORD = Setting("", secret=True)


def keys(*given_keys, **more):
    return override_settings(RAFT_CONFIG={"ENCRYPTION_KEYS": list(given_keys), **more})


@pytest.fixture(autouse=True)
def _ring():
    with keys(FIRST):
        yield


# -- at rest


def test_the_text_states_that_it_is_a_secret_and_shows_nothing_of_it():
    text = PASSWORD.encode("hunter2")
    assert json.loads(text).keys() == {"type", "value"}
    assert json.loads(text)["type"] == "secret"
    assert "hunter2" not in text
    assert PASSWORD.encode("hunter2") != text
    assert PASSWORD.decode(text) == "hunter2"


def test_what_an_earlier_release_encrypted_is_read():
    """With FIRST: another derivation of the key would lose every secret that is stored."""
    token = (
        "gAAAAABrBcRqynfPzbFaROlcqgoa47Mrg6k71iFenaKt_vcNZ91kOadcOf9obdMyokqnab_wW1iKioiqiSnygzTX0H2s"
        "BTEFJBjm1XMMPL0NXHRB0FL34ZBuCTJaoaulBN1AXj-sZY8G"
    )
    assert PASSWORD.decode(json.dumps({"type": "secret", "value": token})) == "hunter2"


def test_a_key_of_the_ring_decrypts_and_another_one_does_not():
    text = PASSWORD.encode("hunter2")
    with keys(SECOND, FIRST):
        assert PASSWORD.decode(text) == "hunter2"
    with keys(SECOND), pytest.raises(SchemaError, match="ENCRYPTION_KEYS"):
        PASSWORD.decode(text)


def test_without_keys_a_secret_is_neither_written_nor_read():
    text = PASSWORD.encode("hunter2")
    with keys():
        with pytest.raises(SchemaError, match="token_urlsafe"):
            PASSWORD.encode("hunter2")
        with pytest.raises(SchemaError, match="token_urlsafe"):
            PASSWORD.decode(text)
        assert PASSWORD.decode_or_default(text) == ""


def test_without_cryptography_it_is_told_what_to_install(monkeypatch):
    text = PASSWORD.encode("hunter2")
    monkeypatch.setattr(encryption, "find_spec", lambda _: None)
    for each in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.setitem(sys.modules, each, None)
    for use in (lambda: PASSWORD.encode("x"), lambda: PASSWORD.decode(text)):
        with pytest.raises(SchemaError, match=r"pip install 'raft_config\[secrets\]'"):
            use()


def test_a_setting_that_becomes_or_was_a_secret_reads_what_is_stored():
    assert Setting(5, secret=True).decode(Setting(5).encode(7)) == 7
    assert Setting(5).decode(Setting(5, secret=True).encode(7)) == 7


@pytest.mark.parametrize(
    "inner", ['{"type":"text","value":"hunter2"}', '{"type":"secret","value":"hunter2"}', "hunter2"]
)
@pytest.mark.parametrize("secret", [True, False])
def test_a_secret_of_another_type_is_refused_without_being_repeated(inner, secret):
    text = json.dumps({"type": "secret", "value": encryption.encrypt(inner)})
    with pytest.raises(SchemaError) as caught:
        Setting(5, secret=secret).decode(text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ['{"type":"date","value":"20240101"}', "2024"])
def test_a_plain_value_that_a_secret_cannot_read_is_not_repeated(text):
    with pytest.raises(SchemaError) as caught:
        Setting(None, type="date", secret=True).decode(text)
    assert "2024" not in str(caught.value)
    assert caught.value.__cause__ is None


TOKENS = st.none() | st.integers() | st.text() | st.binary().map(lambda data: data.hex())


@given(TOKENS, st.booleans())
def test_whatever_the_token_is_decode_raises_nothing_but_schema_error(token, secret):
    with pytest.raises(SchemaError):
        Setting("", secret=secret).decode(json.dumps({"type": "secret", "value": token}))


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_token_that_was_changed_is_refused(position, value):
    text = PASSWORD.encode("hunter2")
    token = bytearray(json.loads(text)["value"].encode())
    position %= len(token) - 2  # the padding may be spelt otherwise
    changed = bytes([value % 128])
    if token[position : position + 1] == changed:
        return
    token[position : position + 1] = changed
    with pytest.raises(SchemaError):
        PASSWORD.decode(json.dumps({"type": "secret", "value": token.decode()}))


# -- the ring


def test_texts_of_former_keys_are_found_for_rotation():
    text = PASSWORD.encode("hunter2")
    assert not needs_reencryption(text)
    assert not needs_reencryption(Setting("x").encode("x"))
    assert not needs_reencryption("whatever")
    with keys(SECOND, FIRST):
        assert needs_reencryption(text)
        again = PASSWORD.encode(PASSWORD.decode(text))
        assert not needs_reencryption(again)
    with keys(SECOND):
        assert PASSWORD.decode(again) == "hunter2"
        with pytest.raises(SchemaError):
            needs_reencryption(text)


def test_what_is_stored_otherwise_than_it_would_be_today_is_found():
    plain, encrypted = Setting("x").encode("y"), PASSWORD.encode("y")
    assert PASSWORD.needs_rewriting(plain)
    assert not PASSWORD.needs_rewriting(encrypted)
    assert Setting("x").needs_rewriting(encrypted)
    assert not Setting("x").needs_rewriting(plain)
    with keys(SECOND, FIRST):
        assert PASSWORD.needs_rewriting(encrypted)


@pytest.mark.parametrize("wrong", [FIRST, ["short"], [FIRST, FIRST], [FIRST + "\n"], [5], {FIRST}])
def test_a_key_that_cannot_be_right_is_refused_and_not_shown(wrong):
    with (
        override_settings(RAFT_CONFIG={"ENCRYPTION_KEYS": wrong}),
        pytest.raises(ConfigurationError) as caught,
    ):
        get_config()
    assert str(caught.value).startswith('RAFT_CONFIG["ENCRYPTION_KEYS"] ')
    assert FIRST not in str(caught.value)
    assert "short" not in str(caught.value)


def test_keys_are_not_shown_with_the_configuration():
    assert FIRST not in repr(get_config())


# -- never shown


def test_the_default_of_a_secret_is_not_shown():
    assert "hunter2" not in repr(Setting("hunter2", secret=True))
    for wrong in (
        Setting("hunter2", secret=True, type=int),
        Setting("hunter2", secret=True, choices=[("a", "A")]),
        Setting(object(), secret=True),
    ):
        with keys(FIRST, SETTINGS={"A": wrong}):
            assert "hunter2" not in str(problems()[0])
            assert "object" not in str(problems()[0])


def refuse(value):
    raise ValidationError(f"{value} is well known.")


def refuse_by_parameter(value):
    raise ValidationError("%(value)s is well known.", params={"value": value})


@pytest.mark.parametrize("validator", [refuse, refuse_by_parameter])
@pytest.mark.parametrize("way", ["clean", "parse", "from_json", "formfield"])
def test_no_error_repeats_a_secret(validator, way):
    setting = Setting("", secret=True, validators=(validator,))
    use = setting.formfield().clean if way == "formfield" else getattr(setting, way)
    with pytest.raises(ValidationError) as caught:
        use("hunter2")
    assert "hunter2" not in str(caught.value)
    assert "not repeated" in str(caught.value)
    assert caught.value.__cause__ is None


def test_no_error_repeats_a_secret_as_python_writes_it():
    def refuse_as_written(value):
        raise ValidationError(f"{value!r} is well known.")

    with pytest.raises(ValidationError) as caught:
        Setting("", secret=True, validators=(refuse_as_written,)).clean("hunter2\n")
    assert "hunter2" not in str(caught.value)


def test_no_error_repeats_a_part_of_a_secret():
    setting = Setting([], secret=True, validators=(lambda value: refuse(value[0]["a"]),))
    with pytest.raises(ValidationError) as caught:
        setting.clean([{"a": "hunter2"}])
    assert "hunter2" not in str(caught.value)


def test_an_error_that_repeats_nothing_says_what_is_wrong():
    setting = Setting("", secret=True, validators=(MinLengthValidator(12),))
    with pytest.raises(ValidationError, match="at least 12 characters"):
        setting.clean("hunter2")


# -- the form


class Form(forms.Form):
    def __init__(self, setting, *arguments):
        super().__init__(*arguments, initial={"x": "hunter2"})
        self.fields["x"] = setting.formfield()
        self.fields["x"].show_hidden_initial = True


@pytest.mark.parametrize(
    "setting",
    [
        Setting("hunter2", secret=True),
        Setting("hunter2\n", secret=True),
        Setting("hunter2", secret=True, choices=[("hunter2", "H")]),
        Setting(["hunter2"], secret=True),
    ],
)
def test_a_form_never_shows_a_secret(setting):
    for data in (None, QueryDict("x=hunter2"), QueryDict("x=")):
        form = Form(setting, data)
        form.fields["x"].widget.render_value = True  # as a page's own widget might
        assert "hunter2" not in str(form)


def test_a_secret_left_blank_is_unchanged_and_one_that_is_typed_is_taken():
    blank, typed = Form(PASSWORD, QueryDict("x=")), Form(PASSWORD, QueryDict("x=hunter3"))
    assert blank.is_valid()
    assert typed.is_valid()
    assert blank.changed_data == []
    assert typed.changed_data == ["x"]
    assert typed.cleaned_data["x"] == "hunter3"


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (Setting(5, secret=True), "7", 7),
        (Setting(default=True, secret=True), "off", False),
        (Setting({"a": 1}, secret=True), '{"a": 2}', {"a": 2}),
        (Setting("a\nb", secret=True), "c\r\nd", "c\nd"),
    ],
)
def test_a_secret_of_any_type_is_typed_as_text(setting, text, value):
    data = QueryDict(mutable=True)
    data["x"] = text
    form = Form(setting, data)
    assert form.is_valid()
    assert form.cleaned_data["x"] == value


def test_a_secret_cannot_be_public():
    with keys(FIRST, SETTINGS={"A": Setting("", secret=True, public=True)}):
        assert "secret and public" in str(problems()[0])


def test_a_secret_without_a_key_can_be_declared_for_its_default():
    with keys(SETTINGS={"A": Setting("x", secret=True)}):
        assert declared()["A"].default == "x"


def test_every_kind_can_be_a_secret():
    for name in KINDS:
        setting = Setting(None, type=name, secret=True, choices=[("a", "A")])
        assert setting.decode(setting.encode(None)) is None
