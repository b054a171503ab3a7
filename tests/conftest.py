"""What every test shares."""

import sys
from pathlib import Path

import pytest
from hypothesis import settings

# A loaded machine is slow, not wrong; a failure prints the blob that replays it.
settings.register_profile("raft_config", deadline=None, print_blob=True)
settings.load_profile("raft_config")


@pytest.fixture(scope="session", autouse=True)
def _no_file_left_behind():
    """What lies beside a SQLite file is no part of what Django takes away with it."""
    yield
    from django.conf import settings as django_settings  # noqa: PLC0415, TID251 - set up by now

    for entry in django_settings.DATABASES.values():
        name = entry.get("TEST", {}).get("NAME")
        folder, stem = Path(str(name)).parent, Path(str(name)).stem
        for path in folder.glob(f"{stem}*-saves") if name else ():
            path.unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def _nobody_watches_on():
    """The thread that a test's first change has started would look into the next ones' nodes."""
    yield
    if module := sys.modules.get("raft_config.watcher"):
        module.watcher.stop()


@pytest.fixture
def node(transactional_db):
    """A cluster of one that leads already."""
    from raft_config.node import get_node  # noqa: PLC0415 - before Django is set up it cannot be

    found = get_node()
    found.tick()
    return found


@pytest.fixture
def raft_settings(tmp_path):
    """Those of the node a of three."""
    from django.test import override_settings  # noqa: PLC0415 - before Django is set up it cannot be

    from .peers import SECRETS, URLS  # noqa: PLC0415 - likewise

    config = {"NODE_ID": "a", "PEERS": URLS, "SECRETS": SECRETS, "VERSION_FILE": tmp_path / "v"}
    with override_settings(RAFT_CONFIG=config):
        yield config


@pytest.fixture
def one_of_three(raft_settings, transactional_db):
    """That node, as the one of this process, among peers that answer as a test says."""
    from .peers import Peers, adopt, make_node  # noqa: PLC0415 - likewise

    made = adopt(make_node(Peers()))
    yield made
    made.close()
