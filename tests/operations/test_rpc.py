"""What operators of other members ask of this node, over signed HTTP."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from raft_config import views
from raft_config.exceptions import PeerUnavailableError
from raft_config.models import Event
from raft_config.operations import Facts
from raft_config.transport.auth import Signer
from raft_config.transport.client import REPLIES
from raft_config.transport.strict import fields_of, load_json

from ..peers import SECRETS

OPERATION = {
    "name": "snapshot",
    "node_id": "a",
    "address": "",
    "promote": True,
    "user": "eve",
    "only_plan": False,
    "force": False,
}


@pytest.fixture(autouse=True)
def served(leader, monkeypatch):
    monkeypatch.setattr(views, "get_node", lambda: leader)


def post(name, body, sender="b"):
    path, data = reverse(f"raft_config:{name}"), json.dumps(body).encode()
    signer = Signer(SECRETS, "raft-config", sender)
    headers = signer.sign_request("POST", path, data, receiver="a")
    return Client().post(path, data, content_type="application/json", headers=headers)


def answer(name, body, sender="b"):
    """What the peer's own client makes of it."""
    response = post(name, body, sender)
    assert response.status_code == 200, response.content
    return fields_of(load_json(response.content), REPLIES[name], is_newer=False)


def test_member_has_an_operation_done_and_it_is_noted_who_wanted_it(leader):
    assert answer("operate", OPERATION)["refusal"] == ""
    assert leader.state.snapshot_index > 0
    noted = Event.objects.filter(user="eve").values_list("kind", "subject")
    assert list(noted) == [("snapshot", "a")]


def test_member_has_an_operation_planned(leader):
    assert "snapshot" in answer("operate", {**OPERATION, "only_plan": True})["text"]
    assert leader.state.snapshot_index == 0


@pytest.mark.parametrize("name", ["operate", "probe", "digest"])
def test_stranger_is_refused(leader, name):
    body = OPERATION if name == "operate" else {}
    assert post(name, body, "x").status_code == 404
    assert leader.state.snapshot_index == 0


def test_refused_operation_is_a_conflict_that_says_why():
    response = post("operate", {**OPERATION, "name": "remove", "node_id": "x"})
    assert response.status_code == 409
    assert "There is no member x" in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": "erase"}, 422),
        ({"name": "set_url", "node_id": "c", "address": "ftp://c"}, 422),
        ({"node_id": "c"}, 400),
        ({"node_id": "-"}, 400),
        ({"force": 1}, 400),
        ({"promote": "yes"}, 400),
        ({"more": 1}, 400),
        ({"name": None}, 400),
    ],
    ids=str,
)
def test_malformed_operation_is_refused(leader, change, status):
    assert post("operate", {**OPERATION, **change}).status_code == status
    assert leader.state.snapshot_index == 0


@pytest.mark.parametrize("name", ["describe", "probe", "digest"])
def test_question_with_more_in_it_is_refused(name):
    assert post(name, {"more": 1}).status_code == 400


def test_node_describes_itself_to_any_node_with_the_secret(leader):
    found = Facts(**answer("describe", {}, "x"))
    assert (found.node_id, found.role) == ("a", "leader")
    assert found.up == ("a", "b", "c")
    assert found.log == (leader.state.last_log_term, leader.state.last_log_index)


def test_probe_tells_whether_the_caller_is_reached(leader, peers):
    assert answer("probe", {}) == {"address": "http://b.test/raft", "problem": ""}
    peers.answers["ping"] = lambda **_: (_ for _ in ()).throw(PeerUnavailableError("no route"))
    assert answer("probe", {})["problem"] == "no route"


def test_digest_is_that_of_all_that_is_applied(leader):
    assert answer("digest", {}) == dict(
        zip(("index", "digest"), leader.storage.digest(), strict=True)
    )
