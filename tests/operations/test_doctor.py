"""What raft_doctor finds, each with its remedy; also that all is well."""

import re
import time

import pytest
from django.db import connection
from django.test import override_settings

from raft_config.exceptions import PeerRejectedError, PeerUnavailableError, PeerUnreachableError
from raft_config.models import Node as NodeRow
from raft_config.operations.survey import describe

from ..cli.conftest import run
from ..peers import adopt, append, from_peer, make_node


@pytest.fixture
def well(leader, peers):
    """A leader whose peers are as they should be."""
    own = describe(leader)
    common = {"signs_with": own.signs_with, "verifies": own.verifies}
    peers.facts = {each: dict(common) for each in "bc"}
    peers.answers["probe"] = lambda **_: {"address": "http://a.test/raft", "problem": ""}
    leader.journal.sample(leader.storage.load)
    return leader


def doctor():
    return run("--json", command="raft_doctor").json


def of(subject, *, level=None):
    found = [each for each in doctor()["findings"] if each["subject"] == subject]
    return [each for each in found if level is None or each["level"] == level]


def fail(error):
    def answer(**_):
        raise error

    return answer


def test_cluster_that_is_well_is_told_so_peer_by_peer(well):
    found = doctor()
    assert found["errors"] == 0
    told = {(each["subject"], each["level"]) for each in found["findings"]}
    assert {("own URL", "ok"), ("driver", "ok"), ("leader", "ok"), ("node b", "ok")} <= told
    texts = " ".join(each["text"] for each in of("node b"))
    for expected in ("reached at", "reaches this node", "its clock is", "same secrets", "release"):
        assert expected in texts
    assert run(command="raft_doctor").code == 0


def test_newcomer_is_told_to_be_one_and_not_to_start_voters(raft_settings, peers):
    joining = {"NODE_ID": "d", "URL": "http://d.test/raft", "JOIN": "http://a.test/raft"}
    kept = {each: raft_settings[each] for each in ("SECRETS", "VERSION_FILE")}
    with override_settings(RAFT_CONFIG={**joining, **kept}):
        node = adopt(make_node(peers))
        try:
            (found,) = of("node")
            assert found["text"] == "it waits to be let in"
            assert of("leader") == []
        finally:
            node.close()


def test_every_finding_that_is_no_good_news_has_a_remedy(well, peers):
    peers.down = {"c"}
    peers.facts["b"] |= {"drained": True, "may_lead": False, "halted_by": "x", "release": "9"}
    peers.facts["b"] |= {"verifies": (), "incarnation": "another", "clock_ms": 0}
    found = [each for each in doctor()["findings"] if each["level"] in ("warning", "error")]
    assert len(found) >= 8
    assert [each for each in found if not each["remedy"]] == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"incarnation": "another"}, ("error", "another database", "raft_members remove b")),
        ({"generation": "g"}, ("error", "another life", "raft_recover --join")),
        ({"halted_by": "kind 9"}, ("error", "applies nothing more: kind 9", "Do as it says")),
        ({"is_rolled_back": True}, ("error", "an older copy of itself", "raft_members remove b")),
        ({"is_driven": False}, ("error", "nothing ticks for it", "raft_doctor there")),
        ({"drained": True}, ("warning", "is drained", "raft_drain b --off")),
        ({"may_lead": False}, ("warning", "own URL does not answer", "raft_doctor there")),
        ({"verifies": ("x",)}, ("warning", "SECRETS are not the same", "rotation")),
        ({"signs_with": "x"}, ("warning", "SECRETS are not the same", "rotation")),
        ({"release": "0.0.9"}, ("warning", "runs release 0.0.9", "Upgrade all")),
    ],
)
def test_what_a_peer_tells_of_itself_is_a_finding(well, peers, facts, expected):
    level, text, remedy = expected
    peers.facts["b"] |= facts
    found = of("node b", level=level)
    assert any(text in each["text"] and remedy in each["remedy"] for each in found), found


def test_peer_that_is_an_older_copy_is_told_of_nothing_else(well, peers):
    peers.facts["b"] |= {"is_rolled_back": True, "is_driven": False, "halted_by": "x"}
    (found,) = of("node b")
    assert "raft_recover --join URL on it" in found["remedy"]


@pytest.mark.parametrize(("seconds", "word"), [(20, "ahead"), (-20, "behind")])
def test_clock_that_is_off_is_a_finding_before_messages_are_refused(well, peers, seconds, word):
    peers.facts["b"]["clock_ms"] = int((time.time() + seconds) * 1000)
    (found,) = of("node b", level="warning")
    assert word in found["text"]
    assert "NTP: messages are refused from 30 s on" in found["remedy"]


def test_peer_that_is_down_is_told_with_its_url(well, peers):
    peers.down = {"b"}
    (found,) = of("node b")
    assert "not reached at http://b.test/raft" in found["text"]
    assert run(command="raft_doctor").code == 1


def test_peer_that_refuses_says_itself_what_to_correct(well, monkeypatch, peers):
    monkeypatch.setattr(peers, "call", fail(PeerRejectedError("Compare SECRETS of both nodes.")))
    call = peers.call
    monkeypatch.setattr(peers, "call", lambda *_: call())
    (found,) = of("node b")
    assert "Compare SECRETS" in found["text"]
    assert found["remedy"] == "The text says what to correct."
    (found,) = of("own URL")
    assert "with other settings than this command" in found["remedy"]


def test_node_that_is_refused_is_not_told_to_start_voters(node, peers, monkeypatch):
    monkeypatch.setattr(peers, "call", lambda *_: fail(PeerRejectedError("Compare SECRETS."))())
    (found,) = of("leader")
    assert found["text"] == "this node knows of none, and members refuse it: b, c"
    assert "what the findings on those members say" in found["remedy"]


def test_peer_that_hangs_is_not_told_to_be_gone(well, monkeypatch, peers):
    peers.down = {"b"}
    assert "It may hang" in of("node b")[0]["remedy"]
    monkeypatch.setattr(peers, "_require_up", lambda _peer: fail(PeerUnreachableError("none"))())
    assert "Start it, or correct its URL" in of("node b")[0]["remedy"]


def test_way_back_is_looked_at_too(well, peers):
    peers.answers["probe"] = lambda **_: {"address": "http://old/raft", "problem": "no route"}
    (found,) = of("node b", level="error")
    assert "does not reach this node at http://old/raft: no route" in found["text"]
    peers.answers["probe"] = fail(PeerUnavailableError("slow"))
    assert "did not say" in of("node b", level="unknown")[0]["text"]


def test_own_url_that_does_not_answer_is_told(well, peers):
    peers.answers["ping"] = fail(PeerUnavailableError("refused"))
    (found,) = of("own URL")
    assert found["level"] == "error"
    assert "until then it will not lead" in found["remedy"]


def test_this_node_tells_of_itself(well):
    NodeRow.objects.update(halted_by="Entry 9: unknown", drained=True)
    texts = [(each["level"], each["remedy"]) for each in of("node")]
    remedy = "Do as it says; if it names no other remedy, upgrade."
    assert texts == [("error", remedy), ("warning", "raft_drain --off")]


def test_node_that_nobody_drives_is_told(well):
    well.clock.skipped += 60
    (found,) = of("driver")
    assert re.fullmatch(r"nothing has ticked for \d\d s", found["text"])
    assert found["remedy"] == "Start raft_node or raft_tick."


def test_node_that_nothing_has_ticked_for_yet_is_told_so_until_the_first_tick(node, peers):
    peers.down = {"b", "c"}
    node.rest = lambda _seconds: None
    assert of("driver")[0]["text"] == "nothing has ticked yet"
    node.run_for(0.01)
    (found,) = of("driver")
    assert (found["level"], "last sample is" in found["text"]) == ("ok", True)


def test_missing_leader_is_told(node, peers):
    peers.down = {"b", "c"}
    (found,) = of("leader")
    assert "2 of 3 voters are needed" in found["text"]
    peers.down = {"c"}
    peers.answers["probe"] = fail(PeerUnavailableError("slow"))
    peers.facts["b"] = {"leader_id": ""}
    (found,) = of("leader")
    assert found["text"] == "there is none, and 2 of 3 voters answer"
    assert "drained nodes" in found["remedy"]
    peers.facts["b"] = {"leader_id": "b"}
    (found,) = of("leader")
    assert found["text"] == "this node hears none, and node b leads others"
    node.receive(from_peer(node, append(1)))
    assert of("leader")[0]["text"] == "node b leads term 1"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PRAGMA is SQLite's")
def test_database_that_does_not_keep_its_promises_is_told(well, monkeypatch):
    options = {**connection.settings_dict["OPTIONS"], "transaction_mode": None}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    (found,) = of("raft_config.E007")
    assert "begins its transactions without the lock" in found["text"]
    assert "IMMEDIATE" in found["remedy"]


def test_settings_that_do_not_fit_are_told(well, raft_settings):
    with override_settings(SILENCED_SYSTEM_CHECKS=[]):
        assert of("raft_config.W021")[0]["level"] == "warning"
