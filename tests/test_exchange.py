"""Export and import: what is in the file, what is refused, and that nothing is half imported."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator

from raft_config import exchange
from raft_config.exceptions import ConflictError, InvalidCommandError, InvalidImportError
from raft_config.models import StoredValue
from raft_config.proposals import propose
from raft_config.schema import Setting
from raft_config.storage import stored_settings, stored_version

pytestmark = pytest.mark.django_db(transaction=True)

SETTINGS = {
    "SITE_NAME": Setting("Shop"),
    "MAX_ITEMS": Setting(20, validators=(MaxValueValidator(100),)),
    "TAX": Setting(Decimal("0.19")),
    "PLANS": Setting([]),
}


@pytest.fixture(autouse=True)
def node(settings, tmp_path):
    settings.RAFT_CONFIG = {
        "CLUSTER_ID": "shop",
        "SETTINGS": SETTINGS,
        "VERSION_FILE": str(tmp_path / "version"),
    }


def file_of(**values):
    """A file as `export` writes it, of (type, value) pairs."""
    return {
        "format": 1,
        "settings": {name: {"type": kind, "value": raw} for name, (kind, raw) in values.items()},
    }


def stored():
    """What is set, as values."""
    found = stored_settings("default")[1].items()
    return {name: SETTINGS[name].decode(value.text) for name, value in found}


def apply(plan):
    return propose(plan.values, reset=plan.reset, expected=plan.expected)


# -- export


def test_export_holds_what_is_set_with_its_type_and_nothing_else():
    index = propose({"MAX_ITEMS": 30, "TAX": Decimal("0.070")}).index
    assert exchange.export() == {
        "format": 1,
        "cluster_id": "shop",
        "index": index,
        "secrets": False,
        "settings": {
            "MAX_ITEMS": {"type": "int", "value": 30},
            "TAX": {"type": "decimal", "value": "0.070"},
        },
    }


def test_export_of_names_holds_these_and_refuses_one_that_is_not_declared():
    propose({"MAX_ITEMS": 30, "SITE_NAME": "Deli"})
    assert exchange.export(["MAX_ITEMS", "TAX"])["settings"].keys() == {"MAX_ITEMS"}
    with pytest.raises(InvalidCommandError, match="no setting MAX_ITEM,"):
        exchange.export(["MAX_ITEM"])


def test_export_leaves_out_what_no_setting_declares():
    StoredValue.objects.create(name="GONE", text='{"type":"int","value":1}', index=1)
    assert exchange.export()["settings"] == {}


# -- import


def test_what_was_exported_comes_back_the_same():
    propose({"SITE_NAME": "Käse & Co", "TAX": Decimal("0.070"), "PLANS": [{"b": 1, "a": None}]})
    before = {name: value.text for name, value in stored_settings("default")[1].items()}
    text = exchange.to_text(exchange.export())
    propose({}, reset=list(SETTINGS))
    apply(exchange.plan_import(exchange.from_text(text)))
    assert {name: value.text for name, value in stored_settings("default")[1].items()} == before


def test_import_plans_only_what_differs_and_names_what_nobody_declares():
    propose({"SITE_NAME": "Deli", "PLANS": [1]})
    plan = exchange.plan_import(
        file_of(
            SITE_NAME=("text", "Deli"),
            PLANS=("json", [True]),
            MAX_ITEMS=("int", 30),
            COLOR=("text", "red"),
        )
    )
    assert plan.values == {"PLANS": [True], "MAX_ITEMS": 30}
    assert (plan.reset, plan.unchanged, plan.unknown) == ((), ("SITE_NAME",), ("COLOR",))
    assert not plan.is_empty


def test_import_is_one_entry():
    before = propose({"SITE_NAME": "Deli"}).index
    plan = exchange.plan_import(file_of(MAX_ITEMS=("int", 30), TAX=("decimal", "0.07")), prune=True)
    assert apply(plan).index == stored_version("default") == before + 1
    assert stored() == {"MAX_ITEMS": 30, "TAX": Decimal("0.07")}


def test_import_without_prune_leaves_alone_what_the_file_does_not_name():
    propose({"SITE_NAME": "Deli"})
    apply(exchange.plan_import(file_of(MAX_ITEMS=("int", 30))))
    assert stored() == {"MAX_ITEMS": 30, "SITE_NAME": "Deli"}


def test_prune_leaves_alone_what_no_setting_declares():
    StoredValue.objects.create(name="GONE", text='{"type":"int","value":1}', index=1)
    assert exchange.plan_import(file_of(), prune=True).is_empty


def test_import_is_refused_if_somebody_changed_one_of_its_names_meanwhile():
    index = propose({"SITE_NAME": "Deli"}).index
    plan = exchange.plan_import(file_of(MAX_ITEMS=("int", 30), SITE_NAME=("text", "Bar")))
    assert plan.expected == {"MAX_ITEMS": 0, "SITE_NAME": index}
    propose({"SITE_NAME": "Cinema"})
    with pytest.raises(ConflictError, match="SITE_NAME"):
        apply(plan)
    assert stored() == {"SITE_NAME": "Cinema"}


def test_one_wrong_value_refuses_the_whole_file_and_every_wrong_name_is_told():
    with pytest.raises(InvalidImportError, match=r"^Nothing was imported: .*TAX: ") as raised:
        exchange.plan_import(
            file_of(MAX_ITEMS=("int", 101), TAX=("float", 0.5), SITE_NAME=("text", "Deli"))
        )
    assert raised.value.problems.keys() == {"MAX_ITEMS", "TAX"}
    assert "less than or equal to 100" in raised.value.problems["MAX_ITEMS"]
    assert "'float'" in raised.value.problems["TAX"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ([], "not one that raft_config exports"),
        ({"MAX_ITEMS": 30}, "not one that raft_config exports"),
        ({"format": True, "settings": {}}, "format True"),
        ({"format": 2, "settings": {}}, "this release reads 1"),
        ({"format": 1, "settings": []}, "must be an object"),
        ({"format": 1, "settings": {}, "prune": True}, "'prune'"),
        ({"format": 1, "settings": {"MAX_ITEMS": 30}}, "MAX_ITEMS: is not of the form"),
        ({"format": 1, "settings": {"MAX_ITEMS": {"type": "int"}}}, "MAX_ITEMS: is not of the"),
        ({"format": 1, "settings": {"MAX_ITEMS": float("nan")}}, "finite"),
    ],
)
def test_what_is_no_file_of_ours_is_refused_with_the_reason(data, problem):
    with pytest.raises(InvalidImportError, match=problem):
        exchange.plan_import(data)


@pytest.mark.parametrize("text", ["", "{", '{"format": 1, "format": 1}', "[" * 10_000])
def test_text_that_is_no_strict_json_is_refused(text):
    with pytest.raises(InvalidImportError, match=r"^Nothing was imported: the file "):
        exchange.from_text(text)


# -- what other releases and other nodes have


def redeclare(settings, **declared):
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {**SETTINGS, **declared}}


def test_former_name_is_exported_and_imported_as_the_present_one(settings):
    propose({"MAX_ITEMS": 30})
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "SETTINGS": {"PAGE_SIZE": Setting(20, renamed_from=("MAX_ITEMS",))},
    }
    exported = exchange.export()
    assert exported["settings"] == {"PAGE_SIZE": {"type": "int", "value": 30}}
    assert exchange.plan_import(exported).unchanged == ("PAGE_SIZE",)
    assert exchange.plan_import(exported, prune=True).is_empty
    plan = exchange.plan_import(file_of(MAX_ITEMS=("int", 40)))
    assert (plan.values, plan.unknown) == ({"PAGE_SIZE": 40}, ())
    apply(plan)
    assert exchange.export()["settings"] == {"PAGE_SIZE": {"type": "int", "value": 40}}
    both = file_of(MAX_ITEMS=("int", 1), PAGE_SIZE=("int", 2))
    assert exchange.plan_import(both).values == {"PAGE_SIZE": 2}


def test_what_the_environment_decides_is_left_alone(settings, monkeypatch):
    propose({"SITE_NAME": "Deli"})
    monkeypatch.setenv("SHOP_SITE_NAME", "Bar")
    redeclare(settings, SITE_NAME=Setting("Shop", env="SHOP_SITE_NAME"))
    plan = exchange.plan_import(file_of(SITE_NAME=("text", "Pub"), MAX_ITEMS=("int", 30)))
    assert (plan.values, plan.from_environment) == ({"MAX_ITEMS": 30}, ("SITE_NAME",))
    assert exchange.plan_import(file_of(), prune=True).is_empty


def test_values_that_do_not_fit_together_are_refused_before_anything_is_proposed(settings):
    def clean(values):
        if values["MAX_ITEMS"] > 50 and values["SITE_NAME"] == "Shop":
            raise ValidationError({"MAX_ITEMS": "Too many for a shop."})
        if values["MAX_ITEMS"] == 13:
            raise ValidationError("Bad luck.")

    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "CLEAN": clean}
    propose({"SITE_NAME": "Store"})
    with pytest.raises(InvalidImportError, match="imported: MAX_ITEMS: Too many for a shop"):
        exchange.plan_import(file_of(MAX_ITEMS=("int", 60)), prune=True)
    with pytest.raises(InvalidImportError, match="imported: Bad luck"):
        exchange.plan_import(file_of(MAX_ITEMS=("int", 13)))
    assert exchange.plan_import(file_of(MAX_ITEMS=("int", 60))).values == {"MAX_ITEMS": 60}
