"""What the package of the core offers, each from the module that it lives in."""

import pytest

from raft_config import core


@pytest.mark.parametrize("name", core.__all__)
def test_each_name_is_offered(name):
    assert getattr(core, name).__name__ == name


def test_no_other_name_is_offered():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        core.nothing  # noqa: B018 - the access is the test
