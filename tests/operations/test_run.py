"""Operations on a real node, whose peers answer as each test says."""

import time

import pytest
from django.test import override_settings

from raft_config.core.events import Drain
from raft_config.exceptions import (
    InvalidCommandError,
    MembershipError,
    NotLeaderError,
    PeerUnreachableError,
    UnavailableError,
)
from raft_config.operations import Operation, perform, plan, prepare_to_stop, resume

from ..peers import adopt, append, eventually, from_peer, make_node
from .conftest import let_take_over, newcomer


def add(node_id="d", **more):
    return Operation("add", node_id, f"http://{node_id}.test/raft", **more)


def follow(node, leader="b", term=1):
    node.receive(from_peer(node, append(term), sender=leader))


# -- on the leader


def test_newcomer_is_let_in_under_the_incarnation_that_it_has(leader, peers):
    newcomer(peers)
    done = perform(add(promote=False))
    member = leader.state.configuration.by_id["d"]
    assert (member.voter, member.promote, member.incarnation) == (False, False, "life of d")
    assert done.index == leader.state.configuration.index > 0


def test_operation_that_is_repeated_is_found_done(leader, peers):
    newcomer(peers)
    perform(add(promote=False))
    assert perform(add(promote=False)).index == 0


def test_node_with_a_log_of_its_own_is_not_let_in(leader, peers):
    """Its entries could not be told from the cluster's: the same indexes, and equal terms."""
    newcomer(peers, is_newcomer=False)
    with pytest.raises(MembershipError, match="raft_recover --join"):
        perform(add(), force=True)
    assert "d" not in leader.state.configuration.by_id


def test_plan_changes_nothing(leader, peers):
    newcomer(peers)
    before = leader.state.last_log_index
    assert "4 voters" in plan(add()).text
    assert leader.state.last_log_index == before


def answered_since(leader, instant):
    progress = leader.state.role.progress
    return {each for each, known in progress.items() if known.contact_at >= instant}


def lose(leader, peers, node_id):
    """That member does not answer any more, until the leader takes it to be down."""
    peers.down = {node_id}
    for _ in range(4):
        leader.clock.skipped += 0.5
        now = leader.clock()
        leader.tick()
        eventually(lambda now=now: answered_since(leader, now) >= {"b", "c"} - {node_id})


def test_refusal_says_that_it_can_be_forced_and_then_it_can(leader, peers):
    newcomer(peers)
    perform(add(promote=False))
    lose(leader, peers, "d")
    with pytest.raises(MembershipError, match=r"does not answer; start it first\. .*--force"):
        perform(Operation("promote", "d"))
    assert perform(Operation("promote", "d"), force=True).index > 0
    assert leader.state.configuration.by_id["d"].voter


def test_refusal_for_the_sake_of_the_quorum_cannot_be_forced(leader, peers):
    lose(leader, peers, "c")
    with pytest.raises(MembershipError, match="Bring nodes back first"):
        perform(Operation("remove", "b"), force=True)
    assert "b" in leader.state.configuration.by_id


@pytest.mark.parametrize("c_is", ["dead for a moment", "wiped", "of another life"])
def test_who_would_be_needed_has_to_answer_now_as_the_member_it_is(leader, peers, c_is):
    lives = {"wiped": {"incarnation": "another"}, "of another life": {"generation": "another"}}
    peers.facts["c"] = lives.get(c_is, {})
    if not peers.facts["c"]:
        peers.down = {"c"}  # the leader has heard it within the election timeout
    with pytest.raises(MembershipError, match=r"1 of those is up\. That is too few"):
        perform(Operation("remove", "b"), force=True)
    assert "b" in leader.state.configuration.by_id
    perform(Operation("remove", "c"))


def test_member_is_removed_and_found_again_at_another_url(leader, peers):
    perform(Operation("set_url", "c", "http://moved.test/raft"))
    assert leader.state.configuration.by_id["c"].address == "http://moved.test/raft"
    perform(Operation("remove", "c"))
    assert "c" not in leader.state.configuration.by_id


def test_url_at_which_nobody_answers_is_refused(leader, peers):
    peers.down = {"c"}
    with pytest.raises(MembershipError, match="not found there"):
        perform(Operation("set_url", "c", "http://moved.test/raft"))


@pytest.mark.parametrize("url", ["", "ftp://c", "http://c/?x", "http://user:pw@c"])
def test_url_that_no_node_can_have_is_refused_before_anybody_is_asked(leader, url):
    with pytest.raises(InvalidCommandError, match="The URL"):
        perform(Operation("set_url", "c", url))


# -- from any other node


def test_operation_on_a_follower_goes_to_the_leader(node, peers):
    follow(node)
    answer = {"text": "so", "refusal": "", "may_force": False, "is_done": False, "index": 0}
    peers.answers["operate"] = lambda **_: answer
    assert perform(Operation("remove", "c"), force=True).text == "so"
    receiver, _, name, payload = peers.calls[-1]
    assert (receiver, name, payload["node_id"], payload["force"]) == ("b", "operate", "c", True)


def test_operation_is_tried_again_until_there_is_a_leader(node, peers):
    follow(node)
    answers = iter([NotLeaderError(None, 1), PeerUnreachableError("down"), None])

    def answer(**_):
        error = next(answers)
        if error:
            raise error
        return {"text": "so", "refusal": "", "may_force": False, "is_done": False, "index": 0}

    peers.answers["operate"] = answer
    assert perform(Operation("remove", "c")).text == "so"


@pytest.mark.parametrize(
    ("down", "says"),
    [
        ("bc", r"here: 1 of 3 voters up, .* majority needs 2\. Start the others; raft_doctor and"),
        ("c", r"though 2 of 3 voters are up, .* needs 2\. Try again in a moment; .* raft_doctor"),
    ],
)
def test_without_a_leader_the_error_says_in_time_who_is_missing(node, peers, down, says):
    peers.down = set(down)
    begun_at = time.monotonic()
    with pytest.raises(UnavailableError, match=says):
        plan(Operation("remove", "c"), timeout_seconds=0.3)
    assert time.monotonic() - begun_at < 10


def test_newcomer_is_not_told_that_voters_of_no_cluster_are_missing(raft_settings, peers):
    joining = {"NODE_ID": "d", "URL": "http://d.test/raft", "JOIN": "http://a.test/raft"}
    kept = {each: raft_settings[each] for each in ("SECRETS", "VERSION_FILE")}
    with override_settings(RAFT_CONFIG={**joining, **kept}):
        waiting = adopt(make_node(peers))
        try:
            with pytest.raises(NotLeaderError, match="No leader is known in term 0"):
                plan(Operation("transfer", "b"), timeout_seconds=0.1)
        finally:
            waiting.close()


def test_what_concerns_one_node_goes_to_that_node(leader, peers):
    answer = {"text": "so", "refusal": "", "may_force": False, "is_done": False, "index": 0}
    peers.answers["operate"] = lambda **_: answer
    perform(Operation("snapshot", "c"))
    assert peers.calls[-1][0] == "c"


def test_follower_that_plans_for_itself_tells_who_is_up_too(node, peers):
    follow(node)
    assert "3 voters, 2 needed; 3 are up." in plan(Operation("snapshot", "a")).text
    peers.down = {"c"}
    assert "3 voters, 2 needed; 2 are up." in plan(Operation("snapshot", "a")).text


def test_snapshot_of_this_node_is_taken_here(leader):
    perform(Operation("snapshot", "a"))
    assert leader.state.snapshot_index == leader.state.last_applied > 0


# -- leading


def test_leadership_is_handed_to_whom_is_named(leader, peers):
    let_take_over(leader, peers, "c")
    perform(Operation("transfer", "c"))
    assert leader.state.leader_id == "c"


def test_transfer_that_is_not_taken_up_leaves_the_leader(leader, peers):
    with pytest.raises(UnavailableError, match="leads on"):
        perform(Operation("transfer", "c"), timeout_seconds=0.1)
    assert leader.state.is_leader


def test_leadership_is_not_handed_to_a_node_that_is_drained(leader, peers):
    peers.facts = {"b": {"drained": True}, "c": {"may_lead": False}}
    with pytest.raises(MembershipError, match="leads on"):
        perform(Operation("transfer"))


def test_leader_that_is_drained_hands_over_first(leader, peers):
    let_take_over(leader, peers)
    perform(Operation("drain", "a"))
    assert (leader.state.leader_id, leader.state.drained) == ("b", True)


def test_drain_ends_by_command_and_by_the_start_of_a_driver(node):
    follow(node)
    for end in (lambda: perform(Operation("undrain", "a")), lambda: resume(node)):
        node.take(Drain(drained=True))
        assert plan(Operation("drain", "a")).is_done
        end()
        assert not node.state.drained


def test_reachability_does_not_end_a_drain(node):
    follow(node)
    perform(Operation("drain", "a"))
    for allowed in (False, True):
        node.allow_leadership(allowed)
    assert (node.state.may_lead, node.state.drained) == (True, True)


def test_leader_that_stops_hands_over_and_campaigns_no_more(leader, peers):
    let_take_over(leader, peers)
    prepare_to_stop(leader)
    assert (leader.state.leader_id, leader.state.drained) == ("b", True)


def test_leader_that_nobody_can_replace_leads_until_its_process_ends(leader, peers):
    prepare_to_stop(leader)  # nobody takes over
    assert (leader.state.is_leader, leader.state.drained) == (True, False)
