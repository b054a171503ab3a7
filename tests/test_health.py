"""What a load balancer is told; by nodes that are well, and by nodes that are not."""

import pytest
from django.db import DatabaseError, connection
from django.test import Client, override_settings
from django.urls import path
from health_check.views import HealthCheckView

from raft_config import health
from raft_config.health_check import RaftConfigReady

from .peers import append, elect, from_peer
from .storage.helpers import statements

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("raft_settings")]

CHECKS = ["health_check.checks.Database", "raft_config.health_check.RaftConfigReady"]
urlpatterns = [path("health/", HealthCheckView.as_view(checks=CHECKS))]

LIVE, READY = "/raft/health/live", "/raft/health/ready"


@pytest.fixture
def node(one_of_three):
    return one_of_three


def ready():
    response = Client().get(READY)
    return response.status_code, response.json().get("problems", [])


def test_live_asks_nothing_of_the_database_or_the_cluster(node):
    with statements() as found:
        response = Client().get(LIVE)
    assert (response.status_code, response.json()) == (200, {"status": "live"})
    assert found == []
    assert "no-store" in response.headers["Cache-Control"]


def test_leader_and_follower_are_ready(node):
    node.receive(from_peer(node, append(1)))
    assert ready() == (200, [])
    elect(node)
    assert ready() == (200, [])


def test_node_without_a_leader_is_not_ready_but_lives(node):
    node.tick()
    assert ready() == (503, ["no leader"])
    assert Client().get(LIVE).status_code == 200


def test_node_that_applies_nothing_more_is_not_ready(node):
    elect(node)
    node.storage.halt("Upgrade this node.")
    assert ready() == (503, ["halted"])


def test_node_that_was_found_to_differ_is_not_ready_the_others_are(node):
    elect(node)
    node.journal.note("disagreement", subject="c")
    assert ready() == (200, [])
    node.journal.note("disagreement", subject="a")
    assert ready() == (503, ["disagreement"])


def test_node_without_its_database_is_not_ready(node, monkeypatch):
    def fail():
        raise DatabaseError("no such file: /secret/place")

    monkeypatch.setattr(node.storage, "load", fail)
    assert ready() == (503, ["database"])


def test_cluster_of_one_is_ready_before_its_first_use(tmp_path):
    with override_settings(RAFT_CONFIG={"VERSION_FILE": tmp_path / "v"}):
        assert ready() == (200, [])


def test_ready_is_cheap_and_writes_nothing(node):
    elect(node)
    with statements() as found:
        health.check()
    assert found == ["SELECT node", "SELECT node", "SELECT event"]
    assert not connection.in_atomic_block


@pytest.mark.parametrize("address", [LIVE, READY])
def test_only_looking_is_allowed(node, address):
    assert Client().post(address).status_code == 405
    assert Client().head(address).status_code in (200, 503)


# -- django-health-check


@pytest.fixture
def checked(settings):
    """What the project's own health page says."""
    settings.ROOT_URLCONF = __name__

    def ask():
        response = Client().get("/health/?format=json")
        return response.status_code, response.json()[repr(RaftConfigReady())]

    return ask


def test_check_of_django_health_check_says_what_ready_says(node, checked):
    node.receive(from_peer(node, append(1)))
    assert checked() == (200, "OK")


def test_check_of_django_health_check_names_the_problems(node, checked):
    node.tick()
    node.storage.halt("Upgrade this node.")
    status, told = checked()
    assert status == 500
    assert "no leader, halted" in told
