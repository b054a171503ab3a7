"""A prefix of its own for each test."""

import itertools

import pytest
from django.test import override_settings

from raft_config.node import get_node
from raft_config.schema import Setting

from .server import Etcd, the_etcd

_prefixes = itertools.count(1)


@pytest.fixture
def shared_etcd(tmp_path_factory):
    return the_etcd(tmp_path_factory)


@pytest.fixture
def own_etcd(tmp_path):
    """One that a test may kill."""
    server = Etcd(tmp_path)
    yield server
    server.kill()


def settings_for(etcd, folder, **more):
    return {
        "NODE_ID": "a",
        "ENGINE": "etcd",
        "ETCD": {"ENDPOINTS": [etcd.url], "PREFIX": f"/raft_config/test{next(_prefixes)}"},
        "SETTINGS": {"LIMIT": Setting(10), "NAME": Setting("")},
        "VERSION_FILE": folder / "version",
        **more,
    }


@pytest.fixture
def etcd_node(transactional_db, shared_etcd, tmp_path):
    with override_settings(RAFT_CONFIG=settings_for(shared_etcd, tmp_path)):
        found = get_node()
        yield found
        found.close()
