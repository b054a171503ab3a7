"""docs/etcd.md runs as it stands, from top to bottom, on an etcd of the tests."""

import re
from pathlib import Path

from django.core.checks import run_checks

from raft_config.node import get_node
from tests.cli.test_pages import Shell, require_same

from .server import needs_etcd
from .test_node import forget_everything

pytestmark = needs_etcd

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "etcd.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_page_runs_from_top_to_bottom(settings, transactional_db, shared_etcd, tmp_path):
    names = {}
    cluster_id = None
    shell = Shell(lambda _: None)
    blocks = BLOCK.findall(PAGE.read_text())
    assert len(blocks) == 9
    for kind, block in blocks:
        if kind == "python":
            exec(block, names)  # noqa: S102 - our own page
            given = names["RAFT_CONFIG"]
            if given.get("CLUSTER_ID") != cluster_id:  # another cluster, of another chapter
                forget_everything()
                cluster_id = given["CLUSTER_ID"]
            settings.RAFT_CONFIG = {
                **given,
                "ETCD": {"ENDPOINTS": [shared_etcd.url]},
                "VERSION_FILE": str(tmp_path / f"version {cluster_id}"),
            }
            assert [each for each in run_checks(tags=["raft_config"]) if each.is_serious()] == []
        else:
            for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                command, _, expected = each.partition("\n")
                require_same(command, expected, shell(command))
    get_node().close()
