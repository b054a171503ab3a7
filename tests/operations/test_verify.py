"""What raft_verify finds in a node's tables once somebody has changed them behind its back."""

import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import translation

from raft_config.models import Change, LogEntry, Member, Node, Snapshot, SnapshotChunk, StoredValue
from raft_config.operations.findings import Level
from raft_config.operations.verify import verify

from ..cli.conftest import Screen, run
from ..peers import make_node, put


@pytest.fixture
def written(leader):
    """A leader with a snapshot, and a log behind it."""
    for number in range(3):
        leader.propose([put("LIMIT", str(number))], timeout_seconds=10)
    assert run(command="raft_snapshot").code == 0
    leader.propose([put("LIMIT", "7"), put("OTHER", "8")], timeout_seconds=10)
    return leader


def wrong(node):
    return [
        (each.subject, each.text)
        for each in verify(node, ask_peers=False)
        if each.level is Level.ERROR
    ]


def test_node_that_is_well_is_told_so_line_by_line(written):
    assert wrong(written) == []
    subjects = [each.subject for each in verify(written, ask_peers=False)]
    assert subjects == ["indexes", "log", "snapshot", "members", "tables"]
    assert run("--local", command="raft_verify").lines[-1] == "All is well."


def test_progress_is_told_entry_by_entry(written):
    screen = Screen()
    call_command("raft_verify", "--local", stdout=StringIO(), stderr=screen)
    assert screen.percents == [0, 50, 100]


def test_findings_are_told_in_the_language_of_who_reads_them(written):
    with translation.override("de"):
        found = verify(written, ask_peers=False)
    assert [each.text for each in found] == [
        "in Ordnung",
        f"{LogEntry.objects.count()} Einträge, ohne Lücke",
        "wie sein Digest sagt",
        "wie das Log sagt",
        "wie das Abspielen des Logs sie ergibt",
    ]


def last():
    return LogEntry.objects.order_by("-index").first()


@pytest.mark.parametrize(
    ("damage", "subject", "text"),
    [
        (lambda: StoredValue.objects.update(text="9"), "tables", "values differ .*LIMIT, OTHER"),
        (lambda: StoredValue.objects.all().delete(), "tables", "values differ"),
        (lambda: Change.objects.first().delete(), "tables", "history differ"),
        (lambda: Node.objects.update(values_hash=1), "tables", "rolling hash"),
        (lambda: Member.objects.first().delete(), "members", r"table of members \(b, c\)"),
        (lambda: Snapshot.objects.all().delete(), "snapshot", "missing"),
        (lambda: Snapshot.objects.update(last_included_index=1), "snapshot", "stands at 1"),
        (lambda: SnapshotChunk.objects.update(data=b"{}"), "snapshot", "bytes are not"),
        (lambda: Node.objects.update(current_term=0), "indexes", "above 0"),
        (lambda: Node.objects.update(base_index=99), "indexes", "base .99. is above"),
        (lambda: LogEntry.objects.filter(index=last().index - 1).delete(), "log", "is missing"),
        (lambda: LogEntry.objects.filter(index=last().index).delete(), "log", "it ends at"),
        (lambda: LogEntry.objects.filter(index=last().index).update(term=0), "log", "term falls"),
    ],
)
def test_damage_is_found_and_named(written, damage, subject, text):
    written.courier.close()  # a reply on its way would bring the term back
    damage()
    found = wrong(written)
    assert any(each == subject and re.search(text, told) for each, told in found), found
    ended = run("--local", command="raft_verify")
    assert ended.code == 1
    assert "let it join anew" in ended.out


def test_no_value_is_shown_for_it_may_be_a_secret(written):
    StoredValue.objects.filter(name="LIMIT").update(text='"hunter2"')
    assert "hunter2" not in run("--local", command="raft_verify").out


def test_node_that_has_not_begun_is_unknown(raft_settings, peers):
    node = make_node(peers)
    (found,) = verify(node)
    assert (found.level, found.remedy) == (Level.UNKNOWN, "Start raft_node or raft_tick.")
    node.close()


# -- the peers


def by_subject(node):
    return {each.subject: each for each in verify(node)}


def test_peers_that_hold_the_same_are_told(written, peers):
    index, digest = written.storage.digest()
    peers.answers["digest"] = lambda **_: {"index": index, "digest": digest}
    assert by_subject(written)["node b"].text == f"the same at index {index}"


def test_peer_is_compared_at_its_own_index(written, peers):
    """While writes go on no two nodes stand at the same one."""
    index, digest = written.storage.digest()
    written.propose([put("LIMIT", "10")], timeout_seconds=10)
    peers.answers["digest"] = lambda **_: {"index": index, "digest": digest}
    assert by_subject(written)["node b"].level is Level.OK


def test_peer_with_other_values_is_an_error(written, peers):
    index, _ = written.storage.digest()
    peers.answers["digest"] = lambda **_: {"index": index, "digest": "another"}
    ended = run(command="raft_verify")
    assert ended.code == 1
    assert f"node b: it holds other values, history or schedules at index {index}" in ended.out


def test_peer_that_cannot_be_compared_is_unknown_and_why(written, peers):
    peers.down = {"b"}
    peers.answers["digest"] = lambda **_: {"index": 1, "digest": "x"}
    found = by_subject(written)
    assert (found["node b"].level, "is down" in found["node b"].text) == (Level.UNKNOWN, True)
    assert "compacted here" in found["node c"].text
    ended = run(command="raft_verify")
    assert ended.code == 0
    assert ended.lines[-1].startswith("Nothing is wrong; look at 2 of 7")
