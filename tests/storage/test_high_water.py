"""A database that is an older copy of itself takes part in nothing, least of all in a vote."""

import multiprocessing

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, override_settings

from raft_config import health, picture
from raft_config.conf import get_config
from raft_config.core import messages
from raft_config.exceptions import RolledBackError
from raft_config.models import AnsweredRequest, Change, LogEntry, StoredValue
from raft_config.models import Node as NodeRow
from raft_config.operations.anew import plan_recovery, recover
from raft_config.operations.doctor import examine_cluster
from raft_config.operations.findings import Level
from raft_config.storage.high_water import HighWater, high_water_of
from raft_config.transport.auth import Signer
from raft_config.transport.wire import encode_envelope

from ..peers import SECRETS, Peers, adopt, append, elect, from_peer, make_node, put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("raft_settings")]


TABLES = (AnsweredRequest, Change, LogEntry, StoredValue)


@pytest.fixture
def node(one_of_three):
    return one_of_three


def copied():
    """What a copy of the database keeps."""
    return NodeRow.objects.values().get(), {each: list(each.objects.all()) for each in TABLES}


def restore(copy):
    row, tables = copy
    for model, rows in tables.items():
        model.objects.all().delete()
        model.objects.bulk_create(rows)
    NodeRow.objects.update(**row)


def vote(node, sender, term=7):
    request = messages.RequestVote(term, 9, 6)
    return node.receive(from_peer(node, request, sender=sender)).message.vote_granted


def test_older_copy_votes_for_no_other_candidate_of_the_same_term(node):
    node.receive(from_peer(node, append(1)))
    node.clock.skipped += 10
    copy = copied()
    assert vote(node, "b")
    restore(copy)
    with pytest.raises(RolledBackError, match="raft_members remove a"):
        vote(node, "c")


def test_older_copy_neither_campaigns_nor_leads_nor_acknowledges(node):
    elect(node)
    copy = copied()
    node.propose([put("X", "1")], timeout_seconds=20)
    restore(copy)
    node.clock.skipped += 10
    for door in (
        node.tick,
        lambda: node.propose([put("X", "2")], timeout_seconds=1),
        lambda: node.receive(from_peer(node, append(99), sender="c")),
    ):
        with pytest.raises(RolledBackError):
            door()


def test_another_process_of_the_node_recognises_it_as_well(node):
    elect(node)
    copy = copied()
    node.propose([put("X", "1")], timeout_seconds=20)
    restore(copy)
    fresh = make_node(Peers())
    try:
        assert fresh.storage.rolled_back() is not None
    finally:
        fresh.close()


def test_what_needs_no_flush_makes_no_older_copy(node):
    """After a power cut the row may be as of its last durable save, and is no copy."""
    node.receive(from_peer(node, append(1)))
    copy = copied()
    node.receive(from_peer(node, append(1)))
    node.clock.skipped += 0.1
    node.tick()
    restore(copy)
    assert node.storage.rolled_back() is None
    node.receive(from_peer(node, append(1)))


def test_node_that_saves_while_somebody_looks_is_no_older_copy(node, monkeypatch):
    elect(node)
    terms = iter(range(5, 9))
    look = node.storage._row.look

    def look_and_save(*columns):
        """The row as it was before a save that comes in between."""
        with monkeypatch.context() as patch:
            patch.setattr(node.storage._row, "look", look)
            row = look(*columns)
            node.receive(from_peer(node, append(next(terms))))
        return row

    monkeypatch.setattr(node.storage._row, "look", look_and_save)
    assert node.storage.rolled_back() is None
    assert node.storage.halted_by() == ""


def test_another_life_of_the_database_counts_anew(node):
    elect(node)
    NodeRow.objects.all().delete()
    assert node.state.current_term == 0
    assert node.storage.rolled_back() is None


def test_peer_status_and_health_are_told_what_to_do(node):
    elect(node)
    copy = copied()
    node.propose([put("X", "1")], timeout_seconds=20)
    restore(copy)
    assert "raft_recover --join" in node.storage.halted_by()
    assert "halted" in health.check().problems
    body = encode_envelope(from_peer(node, append(99)))
    path = "/raft/rpc/raft/"
    signed = Signer(SECRETS, "raft-config", "b").sign_request("POST", path, body, receiver="a")
    answer = Client().post(path, body, content_type="application/json", headers=signed)
    assert answer.status_code == 501
    assert b"raft_members remove a" in answer.content


def test_doctor_of_an_older_copy_tells_the_one_remedy_and_nothing_else(node):
    elect(node)
    copy = copied()
    node.propose([put("X", "1")], timeout_seconds=20)
    restore(copy)
    (found,) = examine_cluster(node)
    assert (found.level, found.subject) == (Level.ERROR, "node")
    remedy = "On another node: raft_members remove a. Then here: raft_recover --join "
    assert found.remedy.startswith(f"{remedy}http://b.test/raft. ")


def test_driver_of_an_older_copy_ends_with_the_remedy(node):
    elect(node)
    copy = copied()
    node.propose([put("X", "1")], timeout_seconds=20)
    restore(copy)
    with pytest.raises(CommandError, match="raft_members remove a; then on this one"):
        call_command("raft_tick", seconds=5)


def test_older_copy_is_seen_as_such_from_its_own_page(node):
    elect(node)
    copy = copied()
    node.propose([put("X", "1")], timeout_seconds=20)
    restore(copy)
    found = picture.look()
    (own,) = (each for each in found.nodes if each.member.is_self)
    assert (own.is_up, own.is_rolled_back) == (False, True)
    about_it = [each for each in found.warnings if "node a" in each.lower()]
    assert len(about_it) == 1
    assert "is an older copy of itself" in about_it[0]


def test_older_copy_of_a_cluster_of_one_goes_on_as_a_new_cluster(tmp_path):
    with override_settings(RAFT_CONFIG={"NODE_ID": "a", "VERSION_FILE": tmp_path / "v"}):
        node = adopt(make_node(Peers()))
        try:
            node.tick()
            copy = copied()
            node.propose([put("X", "1")], timeout_seconds=20)
            restore(copy)
            assert "older copy" in picture.look().warnings[0]
            assert [each.remedy for each in examine_cluster(node)] == ["raft_recover"]
            assert plan_recovery(node).refusal == ""
            generation = recover(node).configuration.generation
            assert generation
            assert node.storage.rolled_back() is None
            node.propose([put("X", "2")], timeout_seconds=20)
        finally:
            node.close()


# -- the word itself


def test_word_is_shared_by_processes_and_never_falls(tmp_path):
    path = str(tmp_path / "saves")
    HighWater(path).rise("life", 5)
    HighWater(path).rise("life", 3)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_seen, (path,)) == 5
    assert HighWater(path).of("another life") == 0


def _seen(path):
    return HighWater(path).of("life")


def test_file_that_cannot_be_used_is_told_once_and_stops_nothing(tmp_path, caplog):
    found = HighWater(str(tmp_path / "missing" / "saves"))
    found.rise("life", 5)
    assert found.of("life") == 5  # as far as this process knows
    assert [each.levelname for each in caplog.records] == ["WARNING"]


def test_file_is_for_the_owner_alone(tmp_path):
    path = tmp_path / "saves"
    HighWater(str(path)).rise("life", 1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_database_in_memory_has_no_file(node, monkeypatch):
    from django.db import connection  # noqa: PLC0415

    if connection.vendor == "sqlite":
        monkeypatch.setitem(connection.settings_dict, "NAME", "file:x?mode=memory&cache=shared")
        assert high_water_of(node.config)._path == ""


def test_word_of_another_database_stands_beside_the_version_file(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "postgresql")
    high_water_of(get_config()).rise("life", 3)
    assert HighWater(str(tmp_path / "v.saves")).of("life") == 3
