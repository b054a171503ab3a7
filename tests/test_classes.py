"""Apps declare settings as attributes of a class, which read as their values."""

import sys
import types

import pytest
from django.apps import apps
from django.test import override_settings

from raft_config.exceptions import ConfigurationError
from raft_config.schema import (
    Setting,
    Settings,
    autodiscover,
    bind,
    declared,
    groups,
    problems,
)
from raft_config.schema.classes import _source, registry


@pytest.fixture(autouse=True)
def _restored():
    """Forget the classes of the test, and who reads them."""
    classes, read = registry.classes, _source.read
    with override_settings(RAFT_CONFIG={}):
        yield
    registry.classes = classes
    bind(read)


def test_an_attribute_is_a_setting_named_after_class_and_attribute():
    class ShopFront(Settings):
        MAX_ITEMS = Setting(20)
        TITLE = Setting("Shop", group="Look")

    assert declared()["SHOP_FRONT_MAX_ITEMS"].default == 20
    assert groups()["ShopFront"] == ["SHOP_FRONT_MAX_ITEMS"]
    assert groups()["Look"] == ["SHOP_FRONT_TITLE"]


@pytest.mark.parametrize(
    ("name", "setting"),
    [("Shop", "SHOP_X"), ("HTTPClient", "HTTP_CLIENT_X"), ("Oauth2Login", "OAUTH2_LOGIN_X")],
)
def test_the_class_name_is_spelt_in_upper_case(name, setting):
    types.new_class(name, (Settings,), exec_body=lambda body: body.update(X=Setting(1)))
    assert setting in declared()


def test_prefix_and_group_may_be_named():
    class Shop(Settings, prefix="", group="Of the shop"):
        OPEN = Setting(default=True)

    assert declared()["OPEN"].group == "Of the shop"


def test_an_attribute_reads_its_default_until_a_reader_is_bound():
    class Shop(Settings):
        PRICE = Setting("1.50", type=float)

    assert Shop.PRICE == 1.5
    bind(lambda name: f"the value of {name}")
    assert Shop.PRICE == "the value of SHOP_PRICE"


def test_a_subclass_reads_what_its_parent_declares_and_declares_it_not_again():
    class Shop(Settings):
        MAX_ITEMS = Setting(20)

    class Big(Shop):
        EXTRA = Setting(1)

    assert Big.MAX_ITEMS == 20
    assert [name for name in declared() if "MAX_ITEMS" in name] == ["SHOP_MAX_ITEMS"]
    assert "BIG_EXTRA" in declared()


def test_a_setting_cannot_be_assigned_deleted_or_added_to_a_class():
    class Shop(Settings):
        MAX_ITEMS = Setting(20)

    class Big(Shop):
        pass

    for owner in (Shop, Big):
        with pytest.raises(AttributeError, match=r'config\.set\("SHOP_MAX_ITEMS"'):
            owner.MAX_ITEMS = 3
    with pytest.raises(AttributeError, match="only read here"):
        del Shop.MAX_ITEMS
    with pytest.raises(AttributeError, match="in the body"):
        Shop.MORE = Setting(5)
    with pytest.raises(TypeError, match="no instances"):
        Shop()
    assert Shop.MAX_ITEMS == 20


def test_other_attributes_are_the_classs_own():
    class Shop(Settings):
        note = "x"

    Shop.note = "y"
    assert Shop.note == "y"


def test_a_class_that_is_declared_later_is_noticed():
    before = declared()

    class Shop(Settings):
        MAX_ITEMS = Setting(20)

    assert "SHOP_MAX_ITEMS" not in before
    assert "SHOP_MAX_ITEMS" in declared()
    assert declared() is declared()


def test_a_module_that_is_loaded_again_declares_nothing_twice():
    def load():
        class Shop(Settings):
            MAX_ITEMS = Setting(20)

    load()
    load()
    assert problems() == []


def test_a_name_declared_twice_names_both_places():
    class Shop(Settings):
        MAX_ITEMS = Setting(20)

    class Other(Settings, prefix="SHOP_"):
        MAX_ITEMS = Setting(21)

    twice = {"SETTINGS": {"SHOP_MAX_ITEMS": Setting(1)}}
    with override_settings(RAFT_CONFIG=twice), pytest.raises(ConfigurationError) as caught:
        declared()
    assert "Shop.MAX_ITEMS" in str(caught.value)
    assert "RAFT_CONFIG[\"SETTINGS\"]['SHOP_MAX_ITEMS']" in str(caught.value)
    (problem,) = problems()
    assert "Shop.MAX_ITEMS" in str(problem)
    assert "Other.MAX_ITEMS" in str(problem)


def test_a_wrong_declaration_names_its_class():
    class Shop(Settings):
        MAX_ITEMS = Setting("x", type=int)

    with pytest.raises(ConfigurationError, match=r"test_classes.*Shop\.MAX_ITEMS has a default"):
        declared()


def test_clean_is_no_name_for_a_setting():
    with pytest.raises(TypeError, match="name it otherwise"):

        class Shop(Settings):
            clean = Setting(1)


@pytest.fixture
def app_with_settings(tmp_path, monkeypatch):
    """Install an app whose raft_settings.py holds the text."""
    name = "app_of_the_settings_tests"

    def install(text):
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "raft_settings.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        apps.set_installed_apps(["raft_config", name])  # as django.setup() does

    yield install
    apps.unset_installed_apps()
    for module in (name, f"{name}.raft_settings"):
        sys.modules.pop(module, None)


def test_the_raft_settings_of_every_app_are_found(app_with_settings):
    app_with_settings(
        "from raft_config.schema import Setting, Settings\n"
        "class Found(Settings):\n    X = Setting(5)\n"
    )
    autodiscover()  # once more, which changes nothing
    assert declared()["FOUND_X"].default == 5


@pytest.mark.parametrize(
    ("text", "error"), [("import no_such_module", ImportError), ("1 / 0", ZeroDivisionError)]
)
def test_raft_settings_that_cannot_be_loaded_fail_loudly(app_with_settings, text, error):
    with pytest.raises(error):
        app_with_settings(text)
