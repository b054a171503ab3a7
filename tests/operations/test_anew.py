"""Backup, restore, recovery and joining anew: what is kept, and that the old never comes back."""

import sys
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import translation

from raft_config import history
from raft_config.core import messages
from raft_config.core.messages import Rejected, Rejection
from raft_config.core.state import Follower
from raft_config.exceptions import InvalidBackupError
from raft_config.models import LogEntry
from raft_config.operations.anew import AUDIT_NAME
from raft_config.operations.backup import decode_backup, encode_backup, take_backup

from ..cli.conftest import Screen, Stdin, run
from ..peers import append, from_peer, put

URL = "http://a.test/raft"


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin(""))


@pytest.fixture
def written(leader):
    """A leader that has stored something."""
    leader.propose([put("LIMIT", "7")], timeout_seconds=10)
    return leader


def texts(node):
    return {name: value.text for name, value in node.storage.values().items()}


def audit():
    return [each.note.comment for each in history.changes(names=[AUDIT_NAME])]


def backup_to(path):
    ended = run(path, command="raft_backup")
    assert ended.code == 0, ended.error
    return path


# -- the file


def test_backup_comes_back_as_it_went(written):
    backup = take_backup(written)
    assert decode_backup(encode_backup(backup)) == backup
    assert (backup.index, backup.settings) == (written.state.last_applied, 1)


@pytest.mark.parametrize("place", [5, 40, -80, -5])
def test_backup_that_was_changed_anywhere_is_refused(written, place):
    content = bytearray(encode_backup(take_backup(written)))
    content[place] ^= 1
    with pytest.raises(InvalidBackupError):
        decode_backup(bytes(content))


@pytest.mark.parametrize("content", [b"", b"{}", b"\n\n\n", b'{"raft_config_backup":1}'])
def test_what_is_no_backup_is_refused(content):
    with pytest.raises(InvalidBackupError, match="no backup"):
        decode_backup(content)


def test_backup_that_was_cut_off_is_refused(written):
    with pytest.raises(InvalidBackupError, match="cut off"):
        decode_backup(encode_backup(take_backup(written))[:-80])


def test_backup_of_another_format_is_refused(written):
    content = encode_backup(take_backup(written)).rsplit(b"sha256", 1)[0]
    content = content.replace(b'backup":1', b'backup":2')
    import hashlib  # noqa: PLC0415

    signed = content + b"sha256 " + hashlib.sha256(content).hexdigest().encode() + b"\n"
    with pytest.raises(InvalidBackupError, match="upgrade this node"):
        decode_backup(signed)


def test_backup_is_for_its_owner_only_and_never_overwrites(written, tmp_path):
    path = backup_to(tmp_path / "b")
    assert path.stat().st_mode & 0o777 == 0o600
    ended = run(path, command="raft_backup")
    assert (ended.code, "is there already" in ended.error) == (1, True)
    assert list(tmp_path.glob("*.part")) == []


def test_backup_asks_the_leader_unless_told_not_to(written, peers, tmp_path):
    written.receive(from_peer(written, append(written.state.current_term + 1)))
    peers.answers["read_index"] = lambda **_: {"index": written.state.last_applied + 1}
    ended = run(tmp_path / "b", command="raft_backup")
    assert (ended.code, "--local" in ended.error) == (3, True)
    assert not (tmp_path / "b").exists()
    assert run(tmp_path / "b", "--local", "--json", command="raft_backup").json["settings"] == 1


# -- restore


def test_backup_is_restored_as_another_cluster_of_one(written, tmp_path):
    path = backup_to(tmp_path / "b")
    before = written.state
    ended = run(path, "--replace", "--confirm", "replace a", command="raft_restore")
    assert ended.code == 0, ended.error
    assert "raft_recover --join http://a.test/raft" in ended.out
    state = written.state
    assert texts(written) == {"LIMIT": "7"}
    assert state.configuration.voters == {"a"}
    assert state.configuration.generation
    assert state.incarnation != before.incarnation
    assert audit()[0].startswith("Restored from the backup of node a")


def test_what_was_left_behind_is_refused_after_a_restore(written, tmp_path):
    """Also under an incarnation that nobody has bound yet, and with a higher term."""
    path = backup_to(tmp_path / "b")
    run(path, "--replace", "--confirm", "replace a", command="raft_restore")
    before = written.state
    envelope = from_peer(written, messages.RequestVote(99, 99, 98, transfer=True))
    assert written.receive(envelope).message == Rejected(
        before.current_term, Rejection.OTHER_GENERATION
    )
    assert written.state.current_term == before.current_term


def test_restore_over_a_log_has_to_be_asked_for_and_typed(written, tmp_path, terminal):
    path = backup_to(tmp_path / "b")
    before = written.state.incarnation
    ended = run(path, "--yes", command="raft_restore")
    assert (ended.code, "--replace" in ended.error) == (1, True)
    for words in ("replace b", ""):
        terminal(words)
        ended = run(path, "--replace", command="raft_restore")
        assert (ended.code, "was not typed" in ended.error) == (2, True)
    assert written.state.incarnation == before


def test_restore_into_an_empty_database_asks_once(written, tmp_path, node):
    path = backup_to(tmp_path / "b")
    LogEntry.objects.all().delete()
    node.storage._row.update({"last_log_index": 0, "commit_index": 0, "last_applied": 0})
    assert run(path, command="raft_restore").code == 2
    assert run(path, "--yes", command="raft_restore").code == 0
    assert texts(node) == {"LIMIT": "7"}


def test_damaged_backup_changes_nothing(written, tmp_path):
    path = backup_to(tmp_path / "b")
    path.write_bytes(path.read_bytes().replace(b"LIMIT", b"LIMIR"))
    before = written.state.incarnation
    ended = run(path, "--replace", "--confirm", "replace a", command="raft_restore")
    assert (ended.code, "checksum" in ended.error) == (1, True)
    assert written.state.incarnation == before
    assert run(tmp_path / "none", command="raft_restore").code == 1


# -- recovery


def recover(*words):
    return run(*words, command="raft_recover")


def test_survivor_of_a_lost_majority_begins_a_cluster_of_one(written, peers):
    peers.down = {"b", "c"}
    before = written.state
    shown = recover("--plan", "--json").json
    assert shown["words"] == "a without b c"
    assert shown["survivors"] == {"a": before.last_log_index}
    ended = recover("--confirm", "a without b c")
    assert ended.code == 0, ended.error
    state = written.state
    assert state.configuration.voters == {"a"}
    assert state.configuration.removed == ("b", "c")
    assert state.is_leader
    assert texts(written) == {"LIMIT": "7"}
    assert audit()[0].startswith("Recovered on node a without b c. Kept is")
    written.propose([put("LIMIT", "8")], timeout_seconds=10)


def test_recovery_is_told_in_the_readers_language_and_written_down_in_english(written, peers):
    peers.down = {"b", "c"}
    with translation.override("de"):
        shown = recover("--plan").out
        recover("--confirm", "a without b c")
    assert "Erhalten bleibt, was Knoten a gespeichert hat" in shown
    assert audit()[0].startswith("Recovered on node a without b c. Kept is what node a stores")


def test_old_majority_that_comes_back_is_refused(written, peers):
    peers.down = {"b", "c"}
    recover("--confirm", "a without b c")
    peers.down = set()
    before = written.state
    late = append(before.current_term + 5, commit=1)
    reply = written.receive(from_peer(written, late)).message
    assert reply == Rejected(before.current_term, Rejection.OTHER_GENERATION)
    assert written.state == before


def test_recovery_is_refused_while_the_quorum_lives(written, peers):
    peers.down = {"c"}
    before = written.state.incarnation
    ended = recover("--confirm", "a without b c")
    assert ended.code == 1
    assert "The quorum is not lost: 2 of 3 voters answer" in ended.error
    assert written.state.incarnation == before


def test_wiped_node_that_answers_is_no_survivor(written, peers):
    """The members refuse it: it helps no quorum."""
    peers.down, peers.facts["b"] = {"c"}, {"incarnation": "another life"}
    shown = recover("--plan", "--json").json
    assert shown["refusal"] == ""
    assert "another database" in shown["silent"]["b"]


def test_recovery_is_refused_where_another_survivor_has_the_longer_log(
    written, peers, raft_settings, settings
):
    from dataclasses import replace  # noqa: PLC0415

    configuration = written.state.configuration
    for name in "de":
        member = replace(configuration.by_id["b"], node_id=name, incarnation="", address=URL)
        configuration = configuration.with_member(member)
    from raft_config.storage.codec import encode_configuration  # noqa: PLC0415

    written.receive(from_peer(written, append(written.state.current_term + 1)))
    written.storage._row.update({"configuration": encode_configuration(configuration)})
    peers.down = {"c", "d", "e"}
    peers.facts["b"] = {"last_log_index": 999, "last_log_term": written.state.last_log_term}
    ended = recover("--confirm", "a without b c d e")
    assert ended.code == 1
    assert "Node b has the longer log, through index 999: run this there." in ended.error
    assert "stop it first" in ended.error


def test_older_copy_among_the_survivors_does_not_count_for_the_quorum(written, peers):
    peers.down = {"c"}
    assert "The quorum is not lost" in recover("--plan", "--json").json["refusal"]
    peers.facts["b"] = {"is_rolled_back": True, "last_log_index": 999}
    shown = recover("--plan", "--json").json
    assert (shown["refusal"], list(shown["survivors"])) == ("", ["a"])
    assert "an older copy" in shown["silent"]["b"]


def test_recovery_has_to_be_typed(written, peers, terminal):
    peers.down = {"b", "c"}
    before = written.state.incarnation
    terminal("yes")
    ended = recover()
    assert (ended.code, "was not typed" in ended.error) == (2, True)
    assert recover("--confirm", "a without b").code == 2
    assert written.state.incarnation == before


# -- joining anew


def member_found(peers, **more):
    peers.found["http://b.test/raft"] = "b"
    peers.facts["b"] = {"generation": "g", "members": ("b",), **more}
    peers.answers["join"] = lambda **_: {"index": 12}


def test_whoever_waits_for_a_recovery_or_to_be_let_in_sees_a_bar(written, peers):
    peers.down = {"b", "c"}
    screen = Screen()
    words = ("raft_recover", "--confirm", "a without b c")
    call_command(*words, stdout=StringIO(), stderr=screen)
    assert screen.percents == [0, 100, 0, 100]  # the members are asked, and the log is applied
    peers.down = set()
    member_found(peers)
    screen = Screen()
    words = ("raft_recover", "--join", "http://b.test/raft", "--confirm", "forget a")
    call_command(*words, stdout=StringIO(), stderr=screen)
    assert screen.percents == [0, 100]


def test_survivor_forgets_its_log_and_joins(written, peers, terminal):
    member_found(peers)
    before = written.state
    ended = recover("--join", "http://b.test/raft", "--confirm", "forget a", "--json")
    assert ended.json == {"index": 12}
    state = written.state
    assert (state.last_log_index, state.configuration.generation) == (0, "g")
    assert state.incarnation != before.incarnation
    assert isinstance(state.role, Follower)
    payload = peers.calls[-1][3]
    assert (payload["incarnation"], payload["address"]) == (state.incarnation, URL)


def test_joining_may_be_repeated_under_the_same_incarnation(written, peers):
    member_found(peers)
    recover("--join", "http://b.test/raft", "--confirm", "forget a")
    first = written.state.incarnation
    assert recover("--join", "http://b.test/raft").code == 0
    assert written.state.incarnation == first


def test_member_whose_log_counts_does_not_forget_it(written, peers):
    """It may have voted, and acknowledged what nobody else stores."""
    member_found(peers, generation="", members=("a", "b", "c"))
    before = written.state
    ended = recover("--join", "http://b.test/raft", "--confirm", "forget a")
    assert ended.code == 1
    assert "raft_members remove a" in ended.error
    assert written.state.incarnation == before.incarnation


def test_joining_has_to_be_typed_and_can_be_looked_at_first(written, peers):
    member_found(peers)
    before = written.state.incarnation
    assert "forgets its log" in recover("--join", "http://b.test/raft", "--plan").out
    assert recover("--join", "http://b.test/raft", "--confirm", "forget b").code == 2
    assert written.state.incarnation == before


def test_node_that_is_in_no_cluster_is_nothing_to_join(written, peers):
    member_found(peers, is_newcomer=True)
    ended = recover("--join", "http://b.test/raft", "--confirm", "forget a")
    assert "is in no cluster itself" in ended.error


def test_node_outside_of_any_cluster_cannot_recover(written, peers):
    member_found(peers)
    recover("--join", "http://b.test/raft", "--confirm", "forget a")
    assert "let it join one" in recover().error
