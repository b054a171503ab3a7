"""The cluster page and its actions as an operator takes them, on real nodes, also killed ones."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from benchmarks.nodes import running, wait_for
from demo_site import cluster as clusters
from demo_site import processes
from demo_site.cluster import Node

from .conftest import Person

CLUSTER = "raft_config/node/"
NOBODY = "http://127.0.0.1:9/raft"
CLIPPED = """Array.from(document.querySelectorAll(".raft-scroll"))
    .filter(each => each.scrollWidth > each.clientWidth).map(each => each.id)"""
BROKEN_WORDS = """Array.from(document.querySelectorAll(".raft-nodes tbody th .raft-at"))
    .flatMap(each => Array.from(each.childNodes))
    .filter(each => {
        const range = document.createRange();
        range.selectNode(each);
        return each.nodeType === Node.TEXT_NODE && range.getClientRects().length > 1;
    }).map(each => each.data)"""
"""Parts of a URL that go on in the next line."""
WITHOUT_JAVASCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])


@pytest.fixture(scope="module")
def nodes():
    with running(3) as found:
        yield found


@pytest.fixture
def whole(nodes):
    """All three are up, each with its web server, and somebody leads."""
    for node_id, children in nodes.children.items():
        for kind in (processes.WEB, processes.RAFT):
            if not any(each.running for each in children if each.kind == kind):
                nodes.start_one(node_id, kind)
    wait_for(lambda: nodes.leader() is not None and nodes.are_level())
    wait_for(lambda: all(listens(each) for each in nodes.cluster.nodes))
    return nodes


def listens(node):
    with suppress(OSError), socket.create_connection((clusters.HOST, node.port), timeout=5):
        return True
    return False


@pytest.fixture
def operator(chromium, nodes):
    people = []

    def make(node_id="a", **options):
        place = SimpleNamespace(url=lambda node_id: nodes.cluster.node(node_id).site_url)
        people.append(Person(chromium, place, node_id, **options))
        people[-1].goto(CLUSTER)
        return people[-1]

    yield make
    for each in people:
        each.close()
    # A server that is killed is told of by the browser, which is no fault of the page's.
    heard = [each for person in people for each in person.problems]
    assert [each for each in heard if "ERR_CONNECTION" not in each] == []


def other_than(*node_ids):
    return next(each for each in "abc" if each not in node_ids)


def shown_anew(ada):
    """The live part of the page, loaded again: what peers say is asked once a second at most."""
    ada.goto(CLUSTER)
    return ada.page.locator("#raft-live").inner_text()


def reloaded(person, text, seconds=30):
    """Reload until the page says so."""
    deadline = time.monotonic() + seconds
    while text not in person.text():
        assert time.monotonic() < deadline, f"no {text!r} in {person.text()}"
        person.goto(CLUSTER)


def row(person, node_id):
    return person.page.locator(f"[id='raft-node-{node_id}']")


def act(person, action, node_id=""):
    """Open an action from the page, and confirm it."""
    suffix = f"-{node_id}" if node_id else ""
    with person.page.expect_navigation():
        person.page.locator(f"#raft-{action}{suffix}").click()


# -- looking


@pytest.mark.parametrize("node_id", "abc")
def test_page_of_every_node_tells_the_same(whole, operator, node_id):
    ada = operator(node_id)
    reloaded(ada, "3 of 3 voters up: 1 more may be lost before writes stop.")
    leader = whole.leader()
    assert f"Node {leader} leads term" in ada.text()
    assert "leader" in row(ada, leader).inner_text()
    assert ada.page.locator("svg.raft-picture .raft-spot").count() == 3
    assert ada.page.locator("svg.raft-picture .raft-link-up").count() == 2


def test_page_looks_again_by_itself_until_it_is_paused(whole, operator):
    ada, bob = operator(), operator("b")
    bob.save("name=BANNER", BANNER="Seen without a reload")
    ada.page.get_by_text("BANNER = Seen without a reload").first.wait_for()
    ada.page.locator("#raft-live-pause").click()
    assert ada.page.locator("#raft-live-state").inner_text() == "Paused."
    bob.save("name=BANNER", BANNER="Not seen")
    ada.page.wait_for_timeout(4000)
    assert "Not seen" not in ada.text()
    ada.page.locator("#raft-live-pause").click()
    ada.page.get_by_text("BANNER = Not seen").first.wait_for()


def test_focus_stays_when_the_page_looks_again(whole, operator):
    ada = operator()
    ada.page.locator("#raft-add").focus()
    with ada.page.expect_response(re.compile("picture/$")):
        pass
    ada.page.wait_for_timeout(300)
    assert ada.page.evaluate("document.activeElement.id") == "raft-add"


def test_page_without_javascript_is_as_complete(whole, operator):
    ada = operator(java_script_enabled=False)
    for told in ("voters up", "Members", "Events", "The end of the log", "Write latency"):
        assert told in ada.text()


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("light", 1200), ("dark", 1200), ("light", 800), ("light", 400), ("dark", 400)],
)
def test_axe_finds_nothing_serious_and_nothing_is_wider(whole, operator, axe, scheme, width):
    ada = operator(color_scheme=scheme, viewport={"width": width, "height": 800})
    found = {}
    for path in ("", "transfer/", "add/", "remove/?node_id=b", "set-url/?node_id=b"):
        ada.goto(f"{CLUSTER}{path}")
        found[path] = axe(ada)
        if ada.page.evaluate("document.documentElement.scrollWidth") > width:
            found[path].append("wider than the window")
        found[path] += [f"clipped: {each}" for each in ada.page.evaluate(CLIPPED)]
        found[path] += [f"broken: {each}" for each in ada.page.evaluate(BROKEN_WORDS)]
    assert {path: each for path, each in found.items() if each} == {}


# -- acting


@WITHOUT_JAVASCRIPT
def test_leadership_is_handed_over(whole, operator, javascript):
    leader = whole.leader()
    target = other_than(leader)
    ada = operator(other_than(leader, target), java_script_enabled=javascript)
    act(ada, "transfer", target)
    assert f"Node {target} takes over from node {leader}" in ada.text()
    assert "The quorum stays: 3 voters, 2 needed; 3 are up." in ada.text()
    ada.keep_picture("transfer")
    ada.press("Hand over")
    assert "Done:" in ada.text()
    wait_for(lambda: whole.leader() == target)
    reloaded(ada, f"Node {target} leads term")
    assert "(admin)" in ada.page.locator("#raft-events").inner_text()


def test_node_is_drained_and_let_back(whole, operator):
    leader = whole.leader()
    ada = operator(other_than(leader))
    act(ada, "drain", leader)
    assert "does not campaign any more" in ada.text()
    ada.keep_picture("drain")
    ada.press("Drain it")
    wait_for(lambda: whole.leader() not in (None, leader))
    reloaded(ada, f"Node {leader} is drained")
    act(ada, "undrain", leader)
    ada.keep_picture("undrain")
    ada.press("Let it lead again")
    wait_for(lambda: f"Node {leader} is drained" not in shown_anew(ada))


def test_snapshot_is_taken_on_another_node(whole, operator):
    ada = operator("a")
    act(ada, "snapshot", "b")
    ada.keep_picture("snapshot")
    ada.press("Take it")
    reloaded(ada, "snapshot through")
    assert "snapshot through" in row(ada, "b").inner_text()


@pytest.fixture
def newcomer(nodes):
    """A fourth node that runs, and finds nobody to let it in."""
    port = nodes.cluster.port + 3
    node = Node("d", port, nodes.cluster.data_dir / "node-d", join=NOBODY)
    processes.prepare(SimpleNamespace(nodes=[node], environment=nodes.cluster.environment))
    kinds = (processes.WEB, processes.RAFT)
    children = [processes.start(nodes.cluster, node, kind) for kind in kinds]
    yield node
    processes.stop(children)


def test_learner_is_added_promoted_moved_and_removed(whole, operator, newcomer):
    ada = operator()
    act(ada, "add")
    ada.page.fill("[name=node_id]", "d")
    ada.page.fill("[name=address]", newcomer.raft_url)
    ada.press("Show what it would do")
    deadline = time.monotonic() + 30
    while "has no vote" not in ada.text() or "Refused" in ada.text():  # until it answers
        assert time.monotonic() < deadline, ada.text()
        ada.page.reload()
    ada.keep_picture("add")
    ada.press("Add it")
    reloaded(ada, "learner")
    wait_for(lambda: "up to date" in (ada.goto(CLUSTER) and row(ada, "d").inner_text()))

    act(ada, "promote", "d")
    assert "after: 4 voters, 3 needed" in ada.text()
    ada.keep_picture("promote")
    ada.press("Promote")
    reloaded(ada, "4 of 4 voters up")

    act(ada, "set-url", "d")
    moved = newcomer.raft_url.replace("127.0.0.1", "localhost")
    ada.page.fill("[name=address]", moved)
    ada.press("Show what it would do")
    assert f"Node d is reached at {moved} instead of {newcomer.raft_url}." in ada.text()
    ada.keep_picture("set-url")
    ada.press("Change it")
    reloaded(ada, moved)

    act(ada, "remove", "d")
    assert "can come back only as a newcomer" in ada.text()
    ada.keep_picture("remove")
    ada.press("Remove it")
    reloaded(ada, "3 of 3 voters up")


# -- trouble


def test_with_a_node_down_the_page_says_so_and_refuses_what_would_lose_the_quorum(whole, operator):
    leader = whole.leader()
    dead, seen_from = other_than(leader), leader
    whole.kill(dead)
    ada = operator(seen_from)
    reloaded(ada, "2 of 3 up: one more loss stops writes.")
    assert "no answer" in row(ada, dead).inner_text()
    assert f"Node {dead} does not answer:" in ada.text()
    assert ada.page.locator(".raft-spot-down").count() == 1
    act(ada, "remove", other_than(leader, dead))
    assert "Refused." in ada.text()
    assert "That is too few" in ada.text()
    assert ada.page.get_by_role("button", name="Remove it").count() == 0
    ada.keep_picture("refused")


def test_last_node_that_is_up_still_shows_what_it_knows(whole, operator):
    for node_id in "bc":
        whole.kill(node_id)
    ada = operator("a")
    reloaded(ada, "1 of 3 voters up: no change can be made until more are back.")
    assert ada.page.locator(".raft-spot-down").count() == 2
    assert "The end of the log" in ada.text()
    assert "leads term" in ada.page.locator("#raft-events").inner_text()


def test_page_says_that_it_is_old_when_its_node_is_gone(whole, operator):
    ada = operator("b")
    ada.page.get_by_text("Refreshes itself every 3 seconds.").wait_for()
    whole.kill("b")
    ada.page.get_by_text("This node does not answer: what you see is old.").wait_for()
