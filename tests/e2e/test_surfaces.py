"""The API and the command line of each node, seen on the two others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import permutations
from typing import Any

import pytest
import requests

from benchmarks.nodes import Nodes, running, wait_for
from demo_site.cluster import Node
from demo_site.processes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with running(3) as started:
        yield started


@pytest.fixture
def apis(nodes: Nodes) -> Iterator[list[Api]]:
    """Of each node, the leader's last."""
    leader = nodes.leader()
    in_order = sorted(nodes.cluster.nodes, key=lambda each: each.node_id == leader)
    with ExitStack() as stack:
        yield [Api(stack.enter_context(requests.Session()), each) for each in in_order]


class Api:
    """What a person who is logged in on one node asks of it."""

    def __init__(self, session: requests.Session, node: Node) -> None:
        session.trust_env = False
        self.node, self.session = node, session
        log_in(session, node)

    def __call__(self, method: str, path: str, status: int = 200, **more: Any) -> dict[str, Any]:
        headers = {"X-CSRFToken": self.session.cookies[f"csrftoken_{self.node.node_id}"]}
        headers |= more.pop("headers", {})
        url = f"{self.node.site_url}api/settings/{path}"
        answer = self.session.request(method, url, headers=headers, timeout=40, **more)
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    def name(self, value: str) -> None:
        self("PUT", "SHOP_NAME/", json={"value": value})


def test_api_and_command_line_of_any_node_change_all_nodes(nodes: Nodes, apis: list[Api]) -> None:
    for api in apis:
        value = f"by the API of {api.node.node_id}"
        api.name(value)
        wait_for(lambda value=value: values(nodes) == {value})
        api("PUT", "SHOP_NAME/", 412, json={"value": "x"}, headers={"If-Match": '"0"'})
        value = f"by the CLI of {api.node.node_id}"
        assert json.loads(
            manage(nodes, api.node, "raft_config", "set", f"SHOP_NAME={value}", "--json")
        )
        wait_for(lambda value=value: values(nodes) == {value})
        for node in nodes.cluster.nodes:
            assert value in manage(nodes, node, "raft_config", "history")


def test_who_waits_at_one_node_hears_what_another_changes(nodes: Nodes, apis: list[Api]) -> None:
    for writer, waiter in permutations(apis, 2):
        index = waiter("GET", "watch/")["index"]
        with ThreadPoolExecutor() as pool:
            heard = pool.submit(waiter, "GET", f"watch/?index={index}&timeout=30")
            value = f"{writer.node.node_id} tells {waiter.node.node_id}"
            writer.name(value)
            (change,) = heard.result()["changes"]
        assert (change["new"], change["node"]) == ({"value": value}, writer.node.node_id)
        wait_for(lambda value=value: values(nodes) == {value})


def test_file_and_history_of_one_node_are_put_back_on_another(
    nodes: Nodes, apis: list[Api]
) -> None:
    first, second, leader = apis
    first.name("in the file")
    file = first("GET", "export/")
    leader.name("later")
    wait_for(lambda: values(nodes) == {"later"})
    second("POST", "import/", json=file)
    wait_for(lambda: values(nodes) == {"in the file"})
    (change,) = leader("GET", "history/?limit=1&consistency=linearizable")["changes"]
    assert (change["origin"], change["old"]) == ("api", {"value": "later"})
    first("POST", "revert/", json={"index": change["index"]})
    wait_for(lambda: values(nodes) == {"later"})
    second("POST", "restore/", json={"index": change["index"]})
    wait_for(lambda: values(nodes) == {"in the file"})


def log_in(session, node) -> None:
    page = f"{node.admin_url}login/"
    session.get(page, timeout=20)
    token = session.cookies[f"csrftoken_{node.node_id}"]
    data = {"username": "admin", "password": "admin", "csrfmiddlewaretoken": token}
    answer = session.post(page, data=data, allow_redirects=False, timeout=20)
    assert answer.status_code == 302


def values(nodes) -> set[str]:
    return {agent.ask()["value"] for agent in nodes.agents.values()}


def manage(nodes, node, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **nodes.cluster.environment(node)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
