"""Environment, former names, and values that must fit together."""

import logging

import pytest
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.test import override_settings

from raft_config.exceptions import ConfigurationError
from raft_config.schema import (
    Setting,
    Settings,
    clean_together,
    environment_values,
    in_force,
    listeners,
    problems,
    resolve,
    stored_name_of,
)
from raft_config.schema.classes import registry


@pytest.fixture(autouse=True)
def _restored():
    classes = registry.classes
    in_force._told.clear()
    yield
    registry.classes = classes


def declare(**settings):
    return override_settings(RAFT_CONFIG={"SETTINGS": settings})


# -- the environment


@pytest.mark.parametrize(
    ("setting", "text", "value"),
    [
        (Setting(5, env="X"), "7", 7),
        (Setting(default=False, env="X"), "yes", True),
        (Setting([1], env="X"), "[2]", [2]),
        (Setting("a", env="X"), "", ""),
    ],
)
def test_a_variable_is_read_as_it_would_be_typed(monkeypatch, setting, text, value):
    monkeypatch.setenv("X", text)
    assert setting.is_from_environment
    assert setting.environment_value() == value
    with declare(A=setting, B=Setting(1)):
        assert environment_values() == {"A": value}


def test_without_the_variable_the_environment_decides_nothing():
    setting = Setting(5, env="RAFT_CONFIG_NO_SUCH_VARIABLE")
    assert not setting.is_from_environment
    with declare(A=setting):
        assert environment_values() == {}


def test_a_variable_that_cannot_be_read_is_told_once_and_left_out(monkeypatch, caplog):
    monkeypatch.setenv("X", "many")
    setting = Setting(5, env="X")
    assert setting.is_set_in_environment
    assert not setting.is_from_environment
    with declare(A=setting), caplog.at_level(logging.WARNING, "raft_config"):
        assert environment_values() == {}
        assert environment_values() == {}
    (message,) = caplog.messages
    assert "variable X is not used for the setting A" in message
    assert "Enter a whole number" in message


@pytest.mark.parametrize("name", ["A B", "1A", "A=B"])
def test_a_variable_must_have_a_name_that_a_shell_can_set(name):
    with declare(A=Setting(5, env=name)):
        assert "no name of an environment variable" in str(problems()[0])


# -- former names


def test_a_former_name_is_read_while_the_new_one_is_not_set():
    with declare(NEW=Setting(5, renamed_from=("OLD", "OLDER")), OTHER=Setting(1)):
        assert resolve({"OLDER": "c", "STRANGER": "x"}) == {"NEW": "c"}
        assert resolve({"OLDER": "c", "OLD": "b"}) == {"NEW": "b"}
        assert resolve({"OLDER": "c", "OLD": "b", "NEW": "a", "OTHER": "o"}) == {
            "NEW": "a",
            "OTHER": "o",
        }
        assert stored_name_of("NEW", {"OLDER": 1}) == "OLDER"
        assert stored_name_of("NEW", {}) is None


@pytest.mark.parametrize("former", ["NEW", "OTHER"])
def test_a_former_name_must_not_be_declared_any_more(former):
    with declare(NEW=Setting(5, renamed_from=former), OTHER=Setting(1)):
        assert f"is renamed from {former}" in str(problems()[0])


# -- who hears of changes


def test_listeners_are_callables_or_dotted_paths_to_them():
    with declare(A=Setting(5, on_change=(print, "os.path.join"))):
        assert [each.__name__ for each in listeners("A")] == ["print", "join"]


@pytest.mark.parametrize("path", ["no.such.module", "os.path.no_such", "os.sep", "print"])
def test_a_listener_that_cannot_be_called_is_named(path):
    with declare(A=Setting(5, on_change=path)), pytest.raises(ConfigurationError, match="of A"):
        listeners("A")


# -- together


def low_below_high(values):
    if values["LOW"] > values["HIGH"]:
        raise ValidationError({"LOW": "It is above HIGH."})


def never(values):
    raise ValidationError("Never.")


@pytest.mark.parametrize("check", [low_below_high, f"{__name__}.low_below_high"])
def test_the_project_judges_the_values_that_would_be_in_force(check):
    with override_settings(
        RAFT_CONFIG={"SETTINGS": {"LOW": Setting(1), "HIGH": Setting(5)}, "CLEAN": check}
    ):
        clean_together({"LOW": 4}, lambda: {"LOW": 1, "HIGH": 5})
        with pytest.raises(ValidationError) as caught:
            clean_together({"LOW": 6}, lambda: {"LOW": 1, "HIGH": 5})
    assert caught.value.message_dict == {"LOW": ["It is above HIGH."]}


def test_a_class_judges_only_when_a_setting_of_it_changes():
    class Shop(Settings):
        A = Setting(1)

        def clean(cls, values):  # noqa: N805 -- a classmethod, even where the decorator is forgotten
            assert cls is Shop
            raise ValidationError(f"{values['SHOP_A']} of {sorted(values)}")

    with declare(B=Setting(1)):
        clean_together({"B": 2}, lambda: {"B": 1, "SHOP_A": 1})
        with pytest.raises(ValidationError) as caught:
            clean_together({"SHOP_A": 2}, lambda: {"B": 1, "SHOP_A": 1})
    assert caught.value.message_dict == {NON_FIELD_ERRORS: ["2 of ['B', 'SHOP_A']"]}


def test_all_that_is_wrong_is_told_at_once():
    class Shop(Settings):
        A = Setting(1)

        @classmethod
        def clean(cls, values):
            raise ValidationError({"SHOP_A": ["One.", f"{values['SHOP_A']}."]})

    with override_settings(RAFT_CONFIG={"CLEAN": never}), pytest.raises(ValidationError) as caught:
        clean_together({"SHOP_A": 2}, lambda: {"SHOP_A": 1})
    assert caught.value.message_dict == {NON_FIELD_ERRORS: ["Never."], "SHOP_A": ["One.", "2."]}


def test_without_a_judge_everything_fits():
    class Shop(Settings):
        A = Setting(1)

    with override_settings(RAFT_CONFIG={}):
        clean_together({"SHOP_A": 2}, lambda: {"SHOP_A": 1})
