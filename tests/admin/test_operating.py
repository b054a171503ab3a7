"""Whatever goes wrong in the midst of an action, the page says so, and what to do."""

import threading
from html import unescape

import pytest
from django.db import OperationalError

from raft_config.core import messages
from raft_config.exceptions import (
    EntryLostError,
    InvariantViolatedError,
    MembershipError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
    UnavailableError,
)
from raft_config.models import Event
from raft_config.storage import DatabaseStorage

from ..peers import SECRETS, URLS, Peers, adopt, append, elect, from_peer, make_node
from .conftest import Browser, text_of

CLUSTER = "/admin/raft_config/node/"
ACTIONS = ("transfer", "add", "promote", "remove", "set-url", "snapshot", "drain", "undrain")
FAILURES = (
    PeerUnreachableError("Node b is down."),
    PeerUnavailableError("Node b failed with status 500."),
    PeerRejectedError("Node b refused."),
    NotLeaderError("c", 7),
    UnavailableError("A change is under way."),
    EntryLostError(9, 7),
    OutcomeUnknownError("request"),
    MembershipError("Not stored."),
    InvariantViolatedError("A rule was broken."),
)


@pytest.fixture
def node(settings, tmp_path, transactional_db):
    settings.RAFT_CONFIG = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "VERSION_FILE": str(tmp_path / "version"),
        "WRITE_TIMEOUT_SECONDS": 0.05,
    }
    found = adopt(make_node(Peers()))
    yield found
    found.close()


def page(action, node_id="b"):
    return f"{CLUSTER}{action}/?node_id={node_id}&address=http://{node_id}9.test/raft"


def is_told(response):
    """It is no bare error page: it says what happened, in the admin's frame."""
    text = text_of(response)
    assert response.status_code in (409, 503), text
    assert "Nothing was changed." in text or "it is not known whether it was." in text
    return text


@pytest.mark.parametrize(
    ("action", "error"),
    [
        *(("remove", each) for each in FAILURES),
        *((each, FAILURES[0]) for each in ACTIONS),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_the_leader_answers_is_told(node, editor, action, error):
    node.receive(from_peer(node, append(1)))

    def fail(**_):
        raise error

    node.transport.answers["operate"] = fail
    for response in (editor.client.get(page(action)), editor.client.post(page(action))):
        assert str(error) in unescape(is_told(response))
    assert Event.objects.filter(kind="operator").get().detail.startswith("Failed: ")


@pytest.mark.parametrize("action", ["remove", "set-url"])
def test_leader_that_loses_its_peers_in_the_midst_of_it_says_that_it_is_not_known(
    node, editor, action
):
    elect(node)
    send = node.transport.send

    def lose(envelope, base_url):
        if isinstance(envelope.message, messages.AppendEntries) and envelope.message.entries:
            raise PeerUnavailableError("cut off")
        return send(envelope, base_url)

    node.transport.send = lose
    assert "is not known" in is_told(editor.client.post(page(action)))


def test_leader_that_is_deposed_in_the_midst_of_it_says_so(node, editor):
    elect(node)
    took = threading.Event()
    send = node.transport.send

    def depose(envelope, base_url):
        if isinstance(envelope.message, messages.AppendEntries) and envelope.message.entries:
            if not took.is_set():
                took.set()
                node.receive(from_peer(node, append(envelope.message.term + 1), sender="c"))
            raise PeerUnavailableError("cut off")
        return send(envelope, base_url)

    def refuse(**_):
        raise NotLeaderError(None, 9)

    node.transport.send = depose
    node.transport.answers["operate"] = refuse
    is_told(editor.client.post(page("remove")))


@pytest.mark.parametrize("action", ["remove", "snapshot", "drain", "set-url"])
def test_database_that_is_locked_is_told(node, editor, monkeypatch, action):
    elect(node)

    def locked(*_, **__):
        raise OperationalError("database is locked")

    monkeypatch.setattr(DatabaseStorage, "perform", locked)
    concerned = "a" if action in ("snapshot", "drain") else "b"
    assert "database is locked" in is_told(editor.client.post(page(action, concerned)))


def test_node_that_removed_itself_still_shows_its_page(node, admin_user):
    elect(node)
    browser = Browser(admin_user)
    response = browser.client.post(page("remove", "a"), follow=True)
    assert response.status_code == 200, text_of(response)
    assert "Done: Node a is removed" in text_of(response)
    assert "a" not in node.state.configuration.by_id
