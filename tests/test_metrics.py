"""What Prometheus reads, and that the dashboard asks for nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from raft_config import measures, metrics
from raft_config.exceptions import PeerUnavailableError

from .peers import append, elect, eventually, from_peer, put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("raft_settings")]

ROOT = Path(__file__).resolve().parent.parent
DASHBOARD = ROOT / "docs" / "grafana.json"


@pytest.fixture
def node(one_of_three):
    return one_of_three


def scraped():
    """Every sample as {name: {labels: value}}."""
    response = Client().get("/raft/metrics/")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for each in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(each.labels.items()))
            found.setdefault(each.name, {})[labels] = each.value
    return found


def test_leader_tells_how_far_each_peer_is(node):
    elect(node)
    node.transport.down = {"c"}
    node.propose([put("X", "1")], timeout_seconds=20)
    found = scraped()
    assert found["raft_config_role"] == {
        "role=follower": 0.0,
        "role=pre_candidate": 0.0,
        "role=candidate": 0.0,
        "role=leader": 1.0,
    }
    last = node.state.last_log_index
    assert found["raft_config_commit_index"] == found["raft_config_last_applied"] == {"": last}
    assert found["raft_config_peer_lag_entries"]["peer=c"] == 1
    assert found["raft_config_peer_match_index"]["peer=b"] == last
    assert found["raft_config_voters"] == {"": 3}
    assert found["raft_config_node_info"] == {"node=a,protocol=1,release=0.1.0": 1.0}


def test_follower_tells_who_leads_and_nothing_of_its_peers(node):
    node.receive(from_peer(node, append(4)))
    found = scraped()
    assert found["raft_config_has_leader"] == {"": 1}
    assert found["raft_config_term"] == {"": 4}
    assert 0 <= found["raft_config_leader_silence_seconds"][""] < 60
    assert "raft_config_peer_lag_entries" not in found
    assert "raft_config_voters_up" not in found


def test_alarms_are_told(node):
    elect(node)
    assert scraped()["raft_config_disagreement"] == {"": 0}
    node.journal.note("disagreement", subject="c")
    node.storage.halt("Upgrade this node.")
    found = scraped()
    assert found["raft_config_disagreement"] == found["raft_config_halted"] == {"": 1}


def test_errors_are_counted_by_peer_and_reason_and_elections_and_commits(node):
    labels = "peer=c,reason=PeerUnavailableError"
    before = scraped()
    node.transport.down = {"c"}
    elect(node)
    node.propose([put("X", "1")], timeout_seconds=20)

    def counted():
        now = scraped().get("raft_config_rpc_errors_total", {})
        return now.get(labels, 0) > before.get("raft_config_rpc_errors_total", {}).get(labels, 0)

    assert PeerUnavailableError.__name__ in labels
    eventually(counted)
    after = scraped()
    assert after["raft_config_campaigns_total"][""] > before["raft_config_campaigns_total"][""]
    flushed = after["raft_config_commit_seconds_count"]
    assert flushed["flush=yes"] > 0
    assert flushed["flush=no"] > 0


def test_exposition_holds_no_value_of_a_setting(node):
    elect(node)
    node.propose([put("X", "hunter2")], timeout_seconds=20)
    assert "hunter2" not in Client().get("/raft/metrics/").content.decode()


def test_without_the_library_the_view_says_what_to_install(monkeypatch):
    monkeypatch.setattr(measures, "IS_AVAILABLE", False)
    response = Client().get("/raft/metrics/")
    assert response.status_code == 501
    assert b"pip install prometheus-client" in response.content


WITHOUT_LIBRARY = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "prometheus_client" else find_spec(name)
from raft_config import measures
measures.WRITES.labels("applied").observe(1.0)
measures.RPC_ERRORS.labels("a", "b").inc()
assert not measures.IS_AVAILABLE
print("counted nothing")
"""

COUNT = "from raft_config import measures; measures.CAMPAIGNS.inc()"
LOOK = """
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
found = CollectorRegistry()
multiprocess.MultiProcessCollector(found)
print(generate_latest(found).decode())
"""


def run_python(text, **variables):
    run = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", text],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_counters_of_several_processes_are_added_up(tmp_path):
    for _ in range(2):
        run_python(COUNT, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    found = run_python(LOOK, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    assert "raft_config_campaigns_total 2.0" in found


def test_without_the_library_measuring_does_nothing():
    assert run_python(WITHOUT_LIBRARY) == "counted nothing"


# -- the dashboard


def names():
    """Every metric that can be scraped, as queries name it."""
    found = {*metrics.GAUGES, *metrics.MEMBER_GAUGES, "raft_config_role", "raft_config_node_info"}
    found |= {"raft_config_has_leader", "raft_config_halted", "raft_config_disagreement"}
    found |= {"raft_config_leader_silence_seconds", "raft_config_voters", "raft_config_voters_up"}
    for family in measures.REGISTRY.collect():
        if family.type == "histogram":
            found |= {f"{family.name}_{end}" for end in ("bucket", "count", "sum")}
        else:
            found.add(f"{family.name}_total")
    return found


def queries():
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_dashboard_asks_for_metrics_that_exist():
    asked = {name for each in queries() for name in re.findall(r"raft_config_\w+", each)}
    assert asked
    assert asked - names() == set()


def test_every_panel_of_the_dashboard_has_a_title_a_place_and_a_query():
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    assert len({each["id"] for each in panels}) == len(panels)
    for each in panels:
        assert each["title"]
        assert each["targets"]
        assert each["gridPos"].keys() == {"h", "w", "x", "y"}


def test_documented_metrics_are_those_that_exist():
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    told = set(re.findall(r"\braft_config_\w+", page))
    known = names() | {re.sub(r"_(bucket|count|sum)$", "", each) for each in names()}
    assert told - known == set()
    assert {each for each in metrics.GAUGES if each not in told} == set()
