"""The API and the command line of one node, seen on the two others."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import requests

from benchmarks.nodes import running, wait_for
from demo_site.processes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def test_api_and_command_line_of_any_node_change_all_nodes() -> None:
    with running(3) as nodes, requests.Session() as session:
        session.trust_env = False
        follower = next(n for n in nodes.cluster.nodes if n.node_id != nodes.leader())
        log_in(session, follower)
        url = f"{follower.site_url}api/settings/SHOP_NAME/"
        headers = {"X-CSRFToken": session.cookies[f"csrftoken_{follower.node_id}"]}
        answer = session.put(url, json={"value": "by the API"}, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
        wait_for(lambda: values(nodes) == {"by the API"})
        stale = {**headers, "If-Match": '"0"'}
        refused = session.put(url, json={"value": "x"}, headers=stale, timeout=20)
        assert refused.status_code == 412
        done = manage(nodes, follower, "raft_config", "set", "SHOP_NAME=by the CLI", "--json")
        assert json.loads(done)
        wait_for(lambda: values(nodes) == {"by the CLI"})
        for node in nodes.cluster.nodes:
            assert "by the CLI" in manage(nodes, node, "raft_config", "history")


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
