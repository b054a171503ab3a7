"""What an operator sees of a node that follows etcd, and what is left to etcd's own tools."""

import io

import pytest
from django.core.management import CommandError, call_command

from raft_config import config, health, picture
from raft_config.etcd.describing import OWN_TOOLS
from raft_config.status import Health
from tests.peers import eventually

from .server import needs_etcd

pytestmark = needs_etcd


def told(*command):
    out = io.StringIO()
    call_command(*command, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_cluster_page_shows_etcd_and_this_node(etcd_node, admin_client):
    etcd_node.run_for(0.1)
    config.set("LIMIT", 20)
    found = picture.look()
    assert found.health is Health.HEALTHY
    assert "etcd keeps the log" in found.headline
    assert [(each.node_id, each.is_up, each.lag_entries) for each in found.nodes] == [
        ("a", True, 0),
        ("etcd", True, 0),
    ]
    assert found.warnings == ()
    page = admin_client.get("/admin/raft_config/node/").content.decode()
    assert "etcd keeps the log and answers" in page


def test_lag_is_how_much_of_the_log_is_not_applied_here(etcd_node):
    from .test_node import OtherNode, put, text  # noqa: PLC0415 - a helper of those tests

    config.set("LIMIT", 20)
    OtherNode(etcd_node).write(*(put("LIMIT", text(each)) for each in range(5)))

    def lags():
        nodes = {each.node_id: each.lag_entries for each in picture.look().nodes}
        return nodes == {"a": 5, "etcd": 0}

    eventually(lags)


def test_doctor_tells_of_each_endpoint_and_the_lag(etcd_node):
    etcd_node.run_for(0.1)
    config.set("LIMIT", 20)
    found = told("raft_doctor")
    assert f"{etcd_node.config.etcd.endpoints[0]}" in found
    assert "leads term" in found
    assert "lacks 0 of 2 entries" in found


@pytest.mark.parametrize(
    "command",
    [
        ("raft_members", "remove", "a"),
        ("raft_members", "promote", "a"),
        ("raft_members", "add", "b", "http://b.test/raft"),
        ("raft_transfer", "--yes"),
    ],
)
def test_members_are_the_affair_of_etcds_own_tools(etcd_node, command):
    config.set("LIMIT", 20)
    with pytest.raises(CommandError) as raised:
        told(*command)
    assert OWN_TOOLS in str(raised.value)


def test_status_and_health_are_those_of_a_node_that_follows(etcd_node):
    assert etcd_node.state.last_log_index == 0
    assert health.check().problems == ("no leader", "no member")
    etcd_node.run_for(0.1)
    config.set("LIMIT", 20)
    assert health.check().is_ready
    found = told("raft_status")
    assert "etcd keeps the log" in found


def test_backup_is_taken_and_restored_by_raft_alone(etcd_node, tmp_path):
    config.set("LIMIT", 20)
    told("raft_backup", str(tmp_path / "backup"))
    with pytest.raises(CommandError, match="with ENGINE 'raft', and move it"):
        told("raft_restore", str(tmp_path / "backup"), "--replace", "--confirm", "replace a")
    with pytest.raises(CommandError, match="etcdctl snapshot restore"):
        told("raft_recover", "--plan")


def test_snapshot_of_this_node_is_taken_when_asked_for(etcd_node):
    config.set("LIMIT", 20)
    told("raft_snapshot", "--yes")
    assert etcd_node.state.snapshot_index == 2
