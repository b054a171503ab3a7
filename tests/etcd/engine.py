"""A pytest plugin: every cluster of one that a test makes follows a real etcd instead.

    RAFT_CONFIG_TEST_ETCD=1 pytest -p tests.etcd.engine tests/test_live.py tests/api

So the suites of all that stands above the node are run on both engines, as they are.
"""

import itertools
from collections.abc import Mapping

import pytest

LED_BY_THE_NODE = {
    "test_meta_tells_how_current_the_values_are",
    "test_meta_tells_what_is_applied_and_who_leads",
}
"""They say that a cluster of one leads itself; here, etcd leads."""

_prefixes = itertools.count(1)


def pytest_collection_modifyitems(config, items):
    left_out = [each for each in items if each.originalname in LED_BY_THE_NODE]
    items[:] = [each for each in items if each not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def engine(tmp_path_factory, monkeypatch):
    from raft_config.conf import reading  # noqa: PLC0415 - before Django is set up it cannot be

    from .server import the_etcd  # noqa: PLC0415 - likewise

    options = {
        "ENDPOINTS": [the_etcd(tmp_path_factory).url],
        "PREFIX": f"/raft_config/lone{next(_prefixes)}",
    }
    written = reading._raw

    def with_etcd():
        given = written()
        if isinstance(given, Mapping) and not {"PEERS", "JOIN", "ENGINE"} & given.keys():
            return {**given, "ENGINE": "etcd", "ETCD": options}
        return given

    monkeypatch.setattr(reading, "_raw", with_etcd)
    reading.get_config.cache_clear()
    yield
    reading.get_config.cache_clear()
