"""`config` as it is written: on a real cluster of one."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction
from django.template import Context, Template, engines
from django.test import RequestFactory, override_settings
from django.utils import timezone

from raft_config import config, history, proposals
from raft_config.exceptions import (
    ConflictError,
    InvalidCommandError,
    NotPendingError,
    StaleReadError,
    UnavailableError,
)
from raft_config.loading import latest, overlay, written
from raft_config.node import get_node
from raft_config.schema import Setting

SETTINGS = {
    "SITE_NAME": Setting("Shop", group="Look"),
    "LIMIT": Setting(10),
    "TAGS": Setting(["a"], type=list, group="Look"),
}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def configured(settings, tmp_path):
    settings.RAFT_CONFIG = {"SETTINGS": SETTINGS, "VERSION_FILE": str(tmp_path / "version")}


# -- writes


def test_set_returns_the_index_and_is_read_at_once():
    index = config.set("LIMIT", 20)
    assert config.LIMIT == 20
    assert config.meta.index == index


def test_assignment_is_a_write():
    config.LIMIT = 20
    assert config.LIMIT == 20
    with pytest.raises(AttributeError, match="no setting LIMITS"):
        config.LIMITS = 20


def test_update_is_one_entry_for_all():
    before = config.set("LIMIT", 1)
    index = config.update({"LIMIT": 20, "SITE_NAME": "Bakery"}, reset=["TAGS"])
    assert index == before + 1
    assert config.get_many("LIMIT", "SITE_NAME") == {"LIMIT": 20, "SITE_NAME": "Bakery"}


def test_one_wrong_value_stores_nothing_and_names_every_fault():
    before = config.set("SITE_NAME", "Bakery")
    with pytest.raises(ValidationError) as raised:
        config.update({"SITE_NAME": "Other", "LIMIT": "many", "TAGS": 5})
    assert raised.value.error_dict.keys() == {"LIMIT", "TAGS"}
    assert config.SITE_NAME == "Bakery"
    assert config.meta.index == before


def test_unknown_name_is_refused():
    with pytest.raises(InvalidCommandError, match="no setting LIMITS"):
        config.set("LIMITS", 1)
    with pytest.raises(InvalidCommandError, match="no setting LIMITS"):
        config.reset("LIMITS")


def test_name_that_is_set_and_reset_at_once_is_refused():
    with pytest.raises(InvalidCommandError, match="Set and reset at once: LIMIT"):
        config.update({"LIMIT": 20}, reset=["LIMIT"])


def test_reset_goes_back_to_whatever_the_default_is(settings):
    config.set("LIMIT", 20)
    config.reset("LIMIT")
    assert config.source("LIMIT") == "default"
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {"LIMIT": Setting(99)}}
    assert config.LIMIT == 99


def test_write_that_expects_another_index_conflicts_and_changes_nothing():
    index = config.set("LIMIT", 20)
    with pytest.raises(ConflictError) as raised:
        config.set("LIMIT", 30, expected_index=index - 1)
    assert raised.value.names == ("LIMIT",)
    assert config.LIMIT == 20
    config.set("LIMIT", 30, expected_index=index)
    assert config.LIMIT == 30


def test_compare_and_set_changes_only_the_value_it_expects():
    assert not config.compare_and_set("LIMIT", 11, 20)
    assert config.compare_and_set("LIMIT", 10, 20)
    assert config.LIMIT == 20


def test_retry_under_the_same_request_id_has_one_effect():
    first = config.set("LIMIT", 20, request_id="r")
    config.set("LIMIT", 30)
    assert config.set("LIMIT", 20, request_id="r") == first
    assert config.LIMIT == 30


def test_write_within_atomic_is_refused_with_a_way_out():
    with transaction.atomic(), pytest.raises(InvalidCommandError, match="on_commit"):
        config.set("LIMIT", 20)
    with transaction.atomic():
        transaction.on_commit(lambda: config.set("LIMIT", 20))
    assert config.LIMIT == 20


def test_who_writes_within_a_pin_reads_what_was_written():
    with config.pinned():
        assert config.LIMIT == 10
        config.set("LIMIT", 20)
        assert config.LIMIT == 20


def test_asynchronous_twins_do_the_same():
    async def use():
        await config.aset("LIMIT", 20)
        await config.aupdate({"SITE_NAME": "Bakery"})
        assert await config.acompare_and_set("LIMIT", 20, 30)
        await config.areset("SITE_NAME")
        return await config.aread("LIMIT", consistency="linearizable"), config.SITE_NAME

    assert asyncio.run(use()) == (30, "Shop")


# -- who, why and when


def test_history_tells_who_changed_what_and_why(admin_user):
    config.set("LIMIT", 20, user=admin_user, comment="A busy day.")
    (change,) = history.changes()
    assert (change.name, change.old, change.new) == ("LIMIT", None, SETTINGS["LIMIT"].encode(20))
    note = change.note
    assert (note.user, note.comment, note.origin) == ("admin", "A busy day.", "python")
    assert note.node == "node"
    assert abs(note.changed_at - time.time()) < 60


def in_future(seconds=3600):
    return timezone.now() + timedelta(seconds=seconds)


def test_change_for_later_waits_and_can_be_cancelled():
    index = config.set("LIMIT", 20, apply_at=in_future())
    assert config.LIMIT == 10
    (planned,) = history.scheduled()
    assert planned.schedule_id == index
    proposals.cancel_schedule(index)
    assert history.scheduled() == []
    with pytest.raises(NotPendingError, match="not pending"):
        proposals.cancel_schedule(index)


def test_temporary_change_takes_effect_now_and_has_an_end():
    config.set("LIMIT", 20, expires_at=in_future())
    assert config.LIMIT == 20
    assert len(history.scheduled()) == 1


@pytest.mark.parametrize(
    ("times", "told"),
    [
        ({"apply_at": datetime(2100, 1, 1)}, "apply_at needs a time zone"),  # noqa: DTZ001
        ({"apply_at": in_future(-1)}, "apply_at must be in the future"),
        ({"expires_at": in_future(-1)}, "expires_at must be in the future"),
        ({"apply_at": in_future(9000), "expires_at": in_future(8000)}, "later than apply_at"),
    ],
)
def test_impossible_time_is_refused(times, told):
    with pytest.raises(InvalidCommandError, match=told):
        config.set("LIMIT", 20, **times)


# -- what a declaration asks for


def test_values_that_do_not_fit_together_are_refused(settings):
    def clean(values):
        if values["LOW"] > values["HIGH"]:
            raise ValidationError({"LOW": "must not be above HIGH"})

    pair = {"LOW": Setting(1), "HIGH": Setting(5)}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": pair, "CLEAN": clean}
    config.update({"LOW": 8, "HIGH": 9})
    with pytest.raises(ValidationError, match="above HIGH"):
        config.set("LOW", 10)
    with pytest.raises(ValidationError, match="above HIGH"):
        config.reset("HIGH")
    assert config.LOW == 8


def test_environment_wins_and_cannot_be_changed_here(settings, monkeypatch):
    declared = {"LIMIT": Setting(10, env="SHOP_LIMIT")}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    config.set("LIMIT", 20)
    assert config.source("LIMIT") == "cluster"
    monkeypatch.setenv("SHOP_LIMIT", "30")
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG}  # as in a process that starts with it
    assert config.LIMIT == 30
    assert config.source("LIMIT") == "environment"
    with pytest.raises(InvalidCommandError, match="environment variable SHOP_LIMIT"):
        config.set("LIMIT", 40)


def test_renamed_setting_keeps_its_value_until_it_is_changed(settings):
    config.set("LIMIT", 20)
    renamed = {"MAXIMUM": Setting(10, renamed_from=("LIMIT",))}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": renamed}
    assert config.MAXIMUM == 20
    assert config.source("MAXIMUM") == "cluster"
    index = latest().stored["LIMIT"].index
    config.set("MAXIMUM", 30, expected_index=index)
    assert config.MAXIMUM == 30
    config.reset("MAXIMUM")
    assert config.MAXIMUM == 10  # and not 20 again
    assert latest().stored == {}


# -- reads that must not be old


def test_linearizable_read_sees_every_acknowledged_write():
    config.set("LIMIT", 20)
    assert config.read("LIMIT", consistency="linearizable") == 20


def test_linearizable_read_without_a_leader_is_refused(monkeypatch):
    monkeypatch.setattr(get_node(), "read_index", _unavailable)
    with pytest.raises(UnavailableError):
        config.read("LIMIT", consistency="linearizable", timeout_seconds=0.1)
    assert config.read("LIMIT") == 10
    with overlay({"LIMIT": 3}):
        assert config.read("LIMIT", consistency="linearizable") == 3


def _unavailable(**_):
    raise UnavailableError("no majority")


def test_read_of_an_index_that_is_not_here_yet_says_so():
    index = config.set("LIMIT", 20)
    assert config.read("LIMIT", at_least=index) == 20
    with pytest.raises(StaleReadError, match=f"applied index {index} and not {index + 1}"):
        config.read("LIMIT", at_least=index + 1, timeout_seconds=0.05)


def test_unknown_consistency_is_refused():
    with pytest.raises(ValueError, match="'strong'"):
        config.read("LIMIT", consistency="strong")


def test_meta_tells_how_current_the_values_are():
    assert config.meta.leader_id is None
    assert config.meta.age_seconds is None
    index = config.set("LIMIT", 20)
    meta = config.meta
    assert (meta.node_id, meta.index, meta.leader_id) == ("node", index, "node")
    assert meta.age_seconds == 0


def test_dict_of_a_group_is_json():
    assert config.as_dict("Look") == {"SITE_NAME": "Shop", "TAGS": ["a"]}
    assert config.as_dict() == {"SITE_NAME": "Shop", "LIMIT": 10, "TAGS": ["a"]}


# -- templates


def test_templates_read_settings():
    config.set("SITE_NAME", "<Bakery>")
    shown = Template("{{ config.SITE_NAME }} {{ config.LIMIT }}").render(
        Context({"config": config})
    )
    assert shown == "&lt;Bakery&gt; 10"


def test_tag_gives_a_default_for_what_nobody_declares():
    source = (
        '{% load raft_config %}{% setting "LIMIT" %} {% setting "GONE" "none" %}'
        '{% setting "SITE_NAME" as name %} {{ name|lower }}'
    )
    assert Template(source).render(Context()) == "10 none shop"


def test_context_processor_gives_config():
    with override_settings(
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {"context_processors": ["raft_config.context_processors.settings"]},
            }
        ]
    ):
        template = engines["django"].from_string("{{ config.LIMIT }}")
        assert template.render({}, RequestFactory().get("/")) == "10"


def test_propose_tells_its_context_what_it_wrote():
    index = proposals.propose({"LIMIT": 5}).index
    assert written.get() == index
