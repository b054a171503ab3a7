"""What a read gives, by which names, and that it costs nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from raft_config import config
from raft_config.conf import get_config
from raft_config.models import Node, StoredValue
from raft_config.schema import RESERVED_NAMES, Setting
from raft_config.version_file import version_file_of

from .lone import store

SETTINGS = {
    "SITE_NAME": Setting("Shop"),
    "LIMIT": Setting(10),
    "TAGS": Setting(["a"], type=list),
    "WAIT": Setting(timedelta(seconds=3)),
    "NOTHING": Setting(None, type=int),
}


@pytest.fixture(autouse=True)
def configured(settings, tmp_path):
    settings.RAFT_CONFIG = {"SETTINGS": SETTINGS, "VERSION_FILE": str(tmp_path / "version")}


# -- the value


def test_default_is_read_while_nothing_is_set(node):
    assert config.SITE_NAME == config["SITE_NAME"] == "Shop"
    assert config.source("SITE_NAME") == "default"


def test_change_of_another_process_is_read_at_once(node):
    assert config.LIMIT == 10
    store(LIMIT=20)
    assert config.LIMIT == 20
    assert config.source("LIMIT") == "cluster"


def test_none_is_a_value(node):
    store(NOTHING=3)
    assert config.NOTHING == 3
    store(NOTHING=None)
    assert config.NOTHING is None
    assert config.source("NOTHING") == "cluster"


def test_stored_default_outlives_a_change_of_the_default(node, settings):
    store(LIMIT=10)
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {"LIMIT": Setting(99)}}
    assert config.LIMIT == 10
    StoredValue.objects.all().delete()
    version_file_of(get_config()).publish(1)
    assert config.LIMIT == 99


def test_other_declarations_are_read_from_then_on(node, settings):
    assert config.SITE_NAME == "Shop"
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {"OTHER": Setting(1)}}
    assert config.OTHER == 1
    with pytest.raises(AttributeError):
        _ = config.SITE_NAME


def test_value_of_an_unknown_type_is_the_default_and_is_kept(node, caplog):
    store(LIMIT=20)
    StoredValue.objects.filter(name="LIMIT").update(text='{"type":"of the future","value":1}')
    version_file_of(get_config()).publish(1)
    assert config.LIMIT == 10
    assert "LIMIT" in caplog.text
    assert StoredValue.objects.filter(name="LIMIT").exists()


def test_stored_name_that_nobody_declares_is_ignored(node):
    store(GONE='{"type":"int","value":1}')
    assert "GONE" not in config
    assert config.LIMIT == 10


def test_list_is_the_readers_own(node):
    config.TAGS.append("mine")
    config["TAGS"].append("mine")
    config.get_many("TAGS")["TAGS"].append("mine")
    assert config.TAGS == config["TAGS"] == ["a"]


# -- the names


def test_unknown_name_is_told_with_the_nearest(node):
    with pytest.raises(AttributeError, match=r"no setting SITENAME.*SITE_NAME"):
        _ = config.SITENAME
    with pytest.raises(KeyError, match="no setting SITENAME"):
        config["SITENAME"]
    assert config.get("SITENAME", 5) == 5
    assert not hasattr(config, "SITENAME")


def test_config_is_a_collection_of_names(node):
    assert list(config) == list(SETTINGS)
    assert len(config) == len(SETTINGS)
    assert "LIMIT" in config
    assert {"LIMIT", "SITE_NAME", "get_many"} <= set(dir(config))
    assert config.all() == {name: setting.default for name, setting in SETTINGS.items()}
    assert config.get_many("LIMIT", "SITE_NAME") == {"LIMIT": 10, "SITE_NAME": "Shop"}


def test_every_name_that_config_needs_is_reserved():
    own = {name for name in dir(type(config)) if not name.startswith("_")} - SETTINGS.keys()
    assert own == RESERVED_NAMES


# -- queries


def test_read_costs_no_query_until_something_is_applied(node):
    _ = config.SITE_NAME
    with CaptureQueriesContext(connection) as queries:
        for _each in range(50):
            _ = config.SITE_NAME, config["LIMIT"], config.TAGS
    assert len(queries) == 0
    store(LIMIT=20)
    with CaptureQueriesContext(connection) as queries:
        _ = config.SITE_NAME, config.LIMIT, config.get("TAGS")
    assert len(queries) == 1


def test_read_writes_nothing(transactional_db):
    _ = config.SITE_NAME, config.meta, config.all()
    assert not Node.objects.exists()
    assert not StoredValue.objects.exists()
