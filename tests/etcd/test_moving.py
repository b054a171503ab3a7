"""`raft_config move`: there and back, on one node, and what it refuses."""

import io
import json
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.utils import timezone

from raft_config import config, history
from raft_config.conf import ETCD, get_config
from raft_config.exceptions import PeerRejectedError, UnavailableError
from raft_config.node import get_node
from raft_config.operations.moving import without_seal
from raft_config.proposals import submit
from raft_config.state_machine import SEAL, Command, load_snapshot
from raft_config.storage.transaction import digest_of
from tests.peers import put

from .conftest import settings_for
from .server import needs_etcd
from .test_node import OtherNode, forget_everything, text

pytestmark = needs_etcd


@pytest.fixture
def use(transactional_db, shared_etcd, tmp_path):
    """Start this node anew with an engine, or with other settings beside it."""
    given = settings_for(shared_etcd, tmp_path, WRITE_TIMEOUT_SECONDS=2.0)
    used = []

    def use(engine, **more):
        for each in used:
            each.disable()
        used[:] = [override_settings(RAFT_CONFIG={**given, "ENGINE": engine, **more})]
        used[0].enable()

    yield use
    get_node().close()
    used[0].disable()


def move(*options):
    out = io.StringIO()
    call_command("raft_config", "move", *options, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def told_of_refusal(*options):
    with pytest.raises(CommandError) as raised:
        move(*options)
    return str(raised.value), raised.value.returncode


def everything():
    """All that is applied here, but for the traces of moving."""
    state, records = load_snapshot(get_node().storage.snapshot()[1])
    values = {name: each for name, each in state.values.items() if name != SEAL}
    return values, state.scheduled, [each for each in records if each.name != SEAL]


def fill():
    first = config.set("LIMIT", 20, user="kim", comment="before", request_id="first")
    config.set("NAME", "later", apply_at=timezone.now() + timedelta(days=1))
    config.set("LIMIT", 30)
    return first


def test_there_and_back_everything_is_as_it_was(use):
    use("raft")
    first = fill()
    before = everything()
    there = move("--to", "etcd", "--yes")
    assert there["step"] == "move"
    use("etcd")
    assert everything() == before
    assert config.set("LIMIT", 20, request_id="first") == first  # it remembers
    assert config.LIMIT == 30
    config.set("LIMIT", 40)
    in_etcd = everything()
    back = move("--to", "raft", "--yes")
    use("raft")
    assert everything() == in_etcd
    assert config.set("LIMIT", 20, request_id="first") == first
    config.set("LIMIT", 50)
    assert [each.new for each in history.changes(names=["LIMIT"])] == [
        f'{{"type":"int","value":{value}}}' for value in (50, 40, 30, 20)
    ]
    assert back["index"] > there["index"]


def test_digest_is_that_of_what_etcd_has(use):
    use("raft")
    fill()
    done = move("--to", "etcd", "--yes")
    use("etcd")
    node = get_node()
    snapshot = node.etcd.look(1).snapshot
    assert (snapshot.index, snapshot.digest) == (done["index"], done["digest"])
    assert digest_of(node.etcd.snapshot_data(snapshot)) == done["digest"]
    assert node.storage.digest() == (done["index"], done["digest"])


def test_once_sealed_nothing_is_changed_until_the_engine_is_switched(use):
    use("raft")
    fill()
    values = {SEAL: '"etcd"'}
    submit(Command("seal", values))
    with pytest.raises(UnavailableError, match="moving to another engine"):
        config.set("LIMIT", 99, request_id="meanwhile")
    assert config.LIMIT == 30
    move("--to", "etcd", "--yes")
    use("etcd")
    assert config.LIMIT == 30
    config.set("LIMIT", 99, request_id="meanwhile")
    assert config.LIMIT == 99


def test_move_may_be_cancelled_before_anything_is_in_etcd(use):
    use("raft")
    fill()
    config.set("NAME", "soon", apply_at=timezone.now() + timedelta(seconds=0.2))
    submit(Command("seal", {SEAL: '"etcd"'}))
    with pytest.raises(UnavailableError, match="moving to another engine"):
        config.set("LIMIT", 99, request_id="meanwhile")
    move("--cancel")
    assert config.set("LIMIT", 99, request_id="meanwhile") > 0
    assert config.LIMIT == 99


def test_what_was_moved_is_not_moved_again_and_not_cancelled(use):
    use("raft")
    fill()
    first = move("--to", "etcd", "--yes")
    again = move("--to", "etcd", "--yes")
    assert (again["step"], again["digest"]) == ("done", first["digest"])
    use("etcd")
    told, code = told_of_refusal("--cancel")
    assert "were moved already" in told
    assert code == 1


def test_dry_run_changes_nothing(use):
    use("raft")
    fill()
    told = move("--to", "etcd", "--dry-run")
    assert told["step"] == "move"
    assert "2 settings" not in told["text"]
    assert "1 settings" in told["text"]
    config.set("LIMIT", 31)
    assert ETCD not in get_node().state.configuration.by_id


def test_log_of_somebody_else_is_not_written_over(use, shared_etcd):
    use("etcd")
    config.set("LIMIT", 77)
    other = get_node().etcd
    before = other.look(1)
    forget_everything()
    use("raft", CLUSTER_ID="another", ETCD={**options_of_etcd()})
    fill()
    told, code = told_of_refusal("--to", "etcd", "--yes")
    assert "was not moved from the cluster of this node" in told
    assert code == 1
    config.set("LIMIT", 31)  # nothing was sealed
    assert other.look(1) == before


def options_of_etcd():
    etcd = get_config().etcd
    return {"ENDPOINTS": list(etcd.endpoints), "PREFIX": etcd.prefix}


def test_engine_is_not_switched_before_the_move(use):
    use("raft")
    fill()
    use("etcd")
    told, code = told_of_refusal("--to", "etcd", "--yes")
    assert "ENGINE" in told
    assert "'raft'" in told
    assert code == 1


def test_without_etcd_nothing_is_sealed(use):
    use("raft", ETCD={"ENDPOINTS": ["http://127.0.0.1:1"]})
    fill()
    told, code = told_of_refusal("--to", "etcd", "--yes")
    assert "etcdctl endpoint health" in told
    assert code == 3
    config.set("LIMIT", 31)


def test_where_etcd_is_has_to_be_written_first(use):
    use("raft", ETCD={"ENDPOINTS": ["http://127.0.0.1:1"]})
    with override_settings(RAFT_CONFIG={"SETTINGS": {}}):
        assert 'RAFT_CONFIG["ETCD"]' in told_of_refusal("--to", "etcd", "--yes")[0]


def test_log_in_etcd_does_not_end_before_what_came_last(use):
    use("etcd")
    fill()
    node = get_node()
    state, data = node.storage.snapshot()
    other = OtherNode(node)
    other.write(put("LIMIT", text(77)))
    generation = state.configuration.generation
    assert not node.etcd.move_away(generation, state.last_applied, data, "new")
    assert node.etcd.moved() is None
    move("--to", "raft", "--yes")
    use("raft")
    assert config.LIMIT == 77


def test_after_the_log_in_etcd_has_ended_nothing_is_written_there(use):
    use("etcd")
    fill()
    node = get_node()
    stale = type(node.etcd)(node.etcd.gateway, node.etcd.prefix)
    generation = node.state.configuration.generation
    tail = stale.tail()
    move("--to", "raft", "--yes")
    with pytest.raises(UnavailableError, match="moved from etcd to another engine"):
        stale.append([b"late"], generation)
    assert stale.tail() == tail


def test_driver_that_still_runs_with_etcd_lets_a_moved_node_be(use):
    use("etcd")
    fill()
    move("--to", "raft", "--yes")
    before = get_node().state
    get_node().clock = lambda: time.time() + 60.0
    get_node().run_for(0.5)
    assert get_node().state == before


def test_what_etcd_has_lost_is_brought_back_by_a_node(use):
    use("etcd")
    fill()
    before = everything()
    node = get_node()
    node.etcd._txn([], [node.etcd._delete("", "~")])
    with pytest.raises((UnavailableError, PeerRejectedError), match="move --to etcd"):
        node.pull()
    told, code = told_of_refusal("--to", "etcd", "--yes")
    assert "bring back what this node has" in told
    assert code == 2
    assert (
        move("--to", "etcd", "--confirm", "bring back what this node has")["step"] == "bring back"
    )
    assert everything() == before
    config.set("LIMIT", 40)
    assert config.LIMIT == 40


def test_what_was_refused_meanwhile_is_not_remembered():
    sealed = (
        b'{"answered":{"a":[2,[]],"b":[3,["raft_config:engine"]]},"format":1,"history":[],'
        b'"scheduled":[],"values":{"raft_config:engine":["\\"etcd\\"",2],"A":["1",1]}}'
    )
    assert without_seal(sealed) == (
        b'{"answered":{"a":[2,[]]},"format":1,"history":[],"scheduled":[],"values":{"A":["1",1]}}'
    )
