"""A node that came later asks a member to be let in, once."""

import logging

import pytest
from django.test import override_settings

from raft_config.core.configuration import Configuration, Member
from raft_config.core.log import Entry
from raft_config.exceptions import MembershipError, NotLeaderError, PeerUnavailableError
from raft_config.joining import join_cluster

from .peers import SECRETS, URLS, Peers, adopt, append, eventually, from_peer, make_node

pytestmark = pytest.mark.django_db(transaction=True)

OWN_URL = "http://d.test/raft"
NEWCOMER = {
    "NODE_ID": "d",
    "URL": OWN_URL,
    "JOIN": URLS["b"],
    "SECRETS": SECRETS,
}


@pytest.fixture
def node(tmp_path):
    with override_settings(RAFT_CONFIG={**NEWCOMER, "VERSION_FILE": tmp_path / "version"}):
        made = adopt(make_node(Peers()))
        made.transport.found = {URLS["b"]: "b"}
        made.transport.answers["join"] = lambda **_: {"index": 5}
        yield made
        made.close()


def test_newcomer_knows_no_members_and_never_campaigns(node):
    assert node.state.configuration.members == ()
    node.clock.skipped += 100.0
    node.tick()
    assert node.state.role.name == "follower"
    assert node.state.current_term == 0


def test_newcomer_asks_the_member_it_was_told_with_its_address_and_incarnation(node):
    assert join_cluster()
    asked = {"node_id": "d", "address": OWN_URL, "incarnation": node.incarnation, "promote": True}
    assert node.transport.calls == [("b", URLS["b"], "join", asked)]


def test_member_does_not_ask_again(node):
    members = Configuration(tuple(Member(each, URLS.get(each, OWN_URL)) for each in "abcd"), 1)
    node.receive(from_peer(node, append(1, Entry(1, 1, configuration=members)), "a"))
    assert join_cluster()
    assert node.transport.calls == []


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (PeerUnavailableError("b is down"), logging.WARNING),
        (NotLeaderError(None, 3), logging.INFO),
    ],
)
def test_newcomer_that_is_not_let_in_says_why_and_asks_again(node, error, level, caplog):
    def refuse(**_):
        raise error

    node.transport.answers["join"] = refuse
    with caplog.at_level(logging.INFO, "raft_config"):
        assert not join_cluster()
    assert [each.levelno for each in caplog.records] == [level]
    assert str(error) in caplog.text
    node.transport.answers["join"] = lambda **_: {"index": 5}
    assert join_cluster()


def test_node_without_join_has_nobody_to_ask(tmp_path):
    config = {"NODE_ID": "a", "PEERS": URLS, "SECRETS": SECRETS, "VERSION_FILE": tmp_path / "v"}
    with override_settings(RAFT_CONFIG=config):
        node = adopt(make_node(Peers()))
        assert join_cluster()
        node.close()
    assert node.transport.calls == []


def test_node_that_was_alone_takes_up_its_url_before_it_lets_a_newcomer_in(tmp_path):
    """It was founded without one; a newcomer would get a leader that it cannot find."""
    alone = {"NODE_ID": "a", "SECRETS": SECRETS, "VERSION_FILE": tmp_path / "version"}
    with override_settings(RAFT_CONFIG=alone):
        founded = make_node(Peers())
        founded.tick()
        founded.clock.skipped += 10.0
        eventually(lambda: founded.tick() and founded.state.is_leader)
        with pytest.raises(MembershipError, match=r"has no URL.*RAFT_CONFIG\['URL'\]"):
            founded.join("d", OWN_URL, "life of d")
        founded.close()
    with override_settings(RAFT_CONFIG={**alone, "URL": URLS["a"]}):
        found = make_node(Peers())
        found.join("d", OWN_URL, "life of d")
        addresses = {each.node_id: each.address for each in found.state.configuration.members}
        found.close()
    assert addresses == {"a": URLS["a"], "d": OWN_URL}
