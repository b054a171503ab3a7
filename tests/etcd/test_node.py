"""One node that follows a real etcd."""

from raft_config import config
from raft_config.conf import ETCD

from .server import needs_etcd

pytestmark = needs_etcd


def test_change_goes_to_etcd_and_is_applied_here(etcd_node):
    index = config.set("LIMIT", 20)
    assert config.LIMIT == 20
    assert etcd_node.etcd.tail() == index
    assert etcd_node.state.leader_id == ETCD
