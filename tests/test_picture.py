"""What a page is told of the cluster: from answers as a test says, and over the wire."""

from dataclasses import replace

import pytest

from raft_config import asking, picture, status
from raft_config.admin import drawing
from raft_config.asking import Answer
from raft_config.core.configuration import Configuration, Member
from raft_config.exceptions import (
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
)
from raft_config.operations import Facts
from raft_config.picture import compose, disagreeing
from raft_config.status import Health, MemberStatus

from .peers import elect, facts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("raft_settings")]


@pytest.fixture
def node(one_of_three):
    return one_of_three


def said(node_id, **more):
    return Answer(Facts(**{**facts(node_id), **more}), offset_seconds=0.0)


SILENT = Answer(None, "no answer")


def composed(here=None, members="abc", leader="a", **answers):
    """The picture in which a, b and c answered so; `a` is this node, and leads if not told."""
    shown = tuple(
        MemberStatus(each, "", True, each == leader, each == "a", None, None, None, None)
        for each in members
    )
    own = here or replace(status.read(), members=shown, leader_id=leader, term=1)
    up = tuple(each for each in members if answers.get(each) is not SILENT)
    everyone = {
        each: said(each, role="leader", up=up) if each == leader else said(each) for each in members
    }
    configuration = Configuration(tuple(Member(each) for each in members))
    return compose(own, {**everyone, **answers}, configuration)


@pytest.mark.parametrize(
    ("silent", "health", "says"),
    [
        ("", Health.HEALTHY, "3 of 3 voters up: 1 more may be lost before writes stop."),
        ("c", Health.DEGRADED, "2 of 3 up: one more loss stops writes."),
        ("bc", Health.NO_QUORUM, "1 of 3 voters up: no change can be made until more are back."),
    ],
)
def test_headline_tells_how_many_more_may_be_lost(node, silent, health, says):
    found = composed(**dict.fromkeys(silent, SILENT))
    assert (found.health, found.headline) == (health, says)


def test_voters_that_are_up_without_a_leader_can_change_nothing(node):
    found = composed(leader=None)
    assert found.health is Health.NO_QUORUM
    assert "nobody leads yet" in found.headline


def test_leader_of_a_higher_term_is_believed_by_its_own_word(node):
    """This node may have been cut off, and believe in an old one."""
    found = composed(c=said("c", role="leader", term=9))
    assert found.leader_id == "c"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (SILENT, "Node b does not answer: no answer"),
        (said("b", is_rolled_back=True), "The database of node b is an older copy of itself"),
        (said("b", is_driven=False), "Node b is not driven: start its Celery worker"),
        (
            said("b", is_late=True, late_ms=812),
            "The driver of node b was late lately, by 812 ms at the most. Give the node's queue",
        ),
        (said("b", may_lead=False), "Node b does not answer at its own URL"),
        (said("b", drained=True), "Node b is drained"),
        (said("b", halted_by="newer"), "Node b has stopped applying changes"),
        (replace(said("b"), offset_seconds=-3.0), "The clock of node b differs by -3.0 s"),
    ],
)
def test_what_is_wrong_with_a_node_is_told_with_its_remedy(node, answer, says):
    found = composed(b=answer)
    assert found.health is Health.DEGRADED
    (only,) = found.warnings
    assert only.startswith(says)


def test_leader_that_is_heard_and_does_not_answer_has_its_quorum(node):
    """It was asked in vain once, and would have stepped down without a majority."""
    here = replace(composed(leader="b").here, hears_leader=True)
    late = Answer(None, "no answer", is_late=True)
    found = composed(here, leader="b", b=late, c=SILENT)
    assert found.health is Health.DEGRADED
    assert found.headline.startswith("Node b leads, and is heard here, but does not answer")
    assert [each.is_up for each in found.nodes] == [True, True, False]
    gone = composed(here, leader="b", b=SILENT, c=SILENT)
    unheard = composed(replace(here, hears_leader=False), leader="b", b=late, c=SILENT)
    assert gone.health is unheard.health is Health.NO_QUORUM


def test_nodes_that_refuse_this_one_are_not_told_to_be_down(node):
    refusal = Answer(None, "Compare SECRETS.", is_refusal=True)
    found = composed(leader=None, b=refusal, c=refusal)
    assert found.headline == "Of 3 voters some refuse this node: from here no change can be made."
    assert found.warnings[0] == "Node b answers, and refuses this node: Compare SECRETS."
    assert len(found.warnings) == 2
    assert [spot.role for spot in drawing.draw(found).spots[1:]] == ["refuses this node"] * 2


def test_lost_majority_is_told_with_the_way_out(node):
    assert "raft_recover --plan" in composed(leader=None, b=SILENT, c=SILENT).warnings[-1]
    assert len(composed(c=SILENT).warnings) == 1


def test_clock_that_differs_from_all_others_is_this_nodes_own(node):
    off = {each: replace(said(each), offset_seconds=-12.0) for each in "bc"}
    (only,) = composed(**off).warnings
    assert only.startswith("The clock of this node differs by +12.0 s from all others")
    assert len(composed(b=off["b"]).warnings) == 1


def test_who_is_up_is_what_the_leader_hears(node):
    """Or two nodes, each with a broken link of its own, would tell of two quorums."""
    found = composed(a=said("a"), leader="b", b=said("b", role="leader", up=("a", "b")))
    assert (found.health, found.headline) == (
        Health.DEGRADED,
        "2 of 3 up: one more loss stops writes.",
    )
    assert found.warnings == ("Node c answers here, but the leader does not hear it.",)


def test_node_that_only_the_leader_hears_is_up_and_warned_of(node):
    leader = said("b", role="leader", up=("a", "b", "c"))
    found = composed(a=said("a"), leader="b", b=leader, c=SILENT)
    assert (found.health, found.headline) == (
        Health.DEGRADED,
        "3 of 3 voters up: 1 more may be lost before writes stop.",
    )
    assert found.warnings == ("Node c does not answer: no answer",)


def test_well_cluster_has_nothing_to_warn_of(node):
    assert composed().warnings == ()


def test_nodes_that_applied_as_much_and_something_else_disagree():
    answers = {"a": said("a"), "b": said("b"), "c": said("c", values_hash=5)}
    assert disagreeing(answers) == {"c"}


def test_nodes_that_applied_more_or_less_do_not_disagree():
    answers = {"a": said("a"), "b": said("b", last_applied=4, values_hash=5), "c": SILENT}
    assert disagreeing(answers) == set()


def test_without_a_majority_nobody_knows_which_of_two_is_wrong():
    assert disagreeing({"a": said("a"), "b": said("b", values_hash=5)}) == {"a", "b"}


def test_disagreement_is_the_first_warning_and_drawn(node):
    found = composed(b=SILENT, c=said("c", values_hash=5), a=said("a", role="leader"))
    assert found.warnings[0].startswith("Nodes disagree on what was applied (a, c)")
    drawn = {each.seen.node_id: each.detail for each in drawing.draw(found).spots}
    assert drawn["c"] == "disagrees"


def test_drawing_shows_each_node_once_and_a_link_from_the_leader_to_each_other(node):
    drawn = drawing.draw(composed(c=SILENT))
    assert [(each.seen.node_id, each.kind) for each in drawn.spots] == [
        ("a", "leader"),
        ("b", "voter"),
        ("c", "down"),
    ]
    assert [each.kind for each in drawn.links] == ["up", "down"]
    assert drawn.told.startswith("a: leader, up to date")


def test_url_breaks_at_its_slashes_and_between_the_names_of_its_host(node):
    here = composed().here
    url = "https://config-a.eu.example.com:8443/raft"
    members = tuple(replace(each, address=url) for each in here.members)
    drawn = drawing.draw(composed(replace(here, members=members)))
    parts = ["https://", "config-a.", "eu.", "example.", "com:8443/", "raft"]
    assert [each.address_parts for each in drawn.spots] == [parts] * 3
    assert all(each.address_parts == [] for each in drawing.draw(composed()).spots)


def test_drawing_without_a_leader_has_no_links(node):
    assert drawing.draw(composed(leader=None)).links == ()


# -- asking


def test_peers_are_asked_once_a_second_however_many_look(node):
    elect(node)
    node.transport.calls.clear()
    for _ in range(5):
        picture.look()
    asked = [each[0] for each in node.transport.calls if each[2] == "describe"]
    assert sorted(asked) == ["b", "c"]


def test_picture_is_shown_while_every_peer_is_down(node):
    elect(node)
    node.transport.down = {"b", "c"}
    found = picture.look()
    assert [(each.node_id, each.is_up) for each in found.nodes] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]
    assert found.nodes[1].problem.startswith("it gives no answer in time.")
    assert found.health is Health.NO_QUORUM


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (PeerUnreachableError("Errno 111 (Caused by ...)"), "nobody listens at its address. Start"),
        (PeerUnavailableError("Read timed out (...)"), "it gives no answer in time. Look at"),
        (PeerRejectedError("Compare SECRETS of both nodes."), "Compare SECRETS of both nodes."),
    ],
)
def test_silence_is_told_in_words_with_what_to_do(node, monkeypatch, error, says):
    def fail(*_):
        raise error

    elect(node)
    monkeypatch.setattr(node.transport, "call", fail)
    found = picture.look().nodes[1]
    assert found.problem.startswith(says)
    assert found.refuses is isinstance(error, PeerRejectedError)


def test_peer_that_hangs_holds_the_page_up_for_a_second_at_most(node, monkeypatch):
    import threading  # noqa: PLC0415 - for this test alone

    let_go = threading.Event()

    def hang(*_):
        let_go.wait(20)
        raise PeerUnavailableError("late")

    elect(node)
    monkeypatch.setattr(node.transport, "call", hang)
    monkeypatch.setattr(asking, "PATIENCE_SECONDS", 0.05)
    try:
        found = picture.look()  # returns, while they still hang
    finally:
        let_go.set()
    assert [each.is_up for each in found.nodes] == [True, False, False]


def test_clock_of_a_peer_is_compared_with_the_middle_of_the_way(node):
    elect(node)
    node.transport.facts["b"] = {"clock_ms": facts("b")["clock_ms"] + 5000}
    offset = asking.asked(node)["b"].offset_seconds
    assert offset == pytest.approx(5.0, abs=0.9)
