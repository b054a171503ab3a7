"""Every address of the admin's pages and of the API, found by the URL patterns: who is let in.

The patterns are enumerated, so that a new view cannot be forgotten: it fails here until somebody
says what it may do.
"""

from __future__ import annotations

import json
from itertools import product

import pytest
from django.test import Client

from raft_config import config, proposals
from raft_config.models import ScheduledChange

from .conftest import WORD, addresses, tables

API = "/api/settings/"
ADMIN = "/admin/raft_config/"
CAPTURED = {
    "<int:index>": "{index}",
    "<int:schedule_id>": "{schedule}",
    "<str:name>": "PASSWORD",
    "<path:object_id>": "1",
}
PUBLIC = f"{API}public/"
ENDLESS = f"{API}events/"
"""Answers 501 without ASGI; what it streams is tested with what `watch` tells."""

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
METHODS = ("GET", *UNSAFE)


def filled(pattern, facts):
    for captured, example in CAPTURED.items():
        pattern = pattern.replace(captured, example)
    assert "<" not in pattern, f"say in CAPTURED what stands for the parameter in {pattern}"
    return pattern.format(**facts)


API_PATTERNS = addresses(API)
ADMIN_PATTERNS = addresses(ADMIN)
PAGES = {f"{ADMIN}storedvalue/edit/": "?name=PASSWORD", f"{ADMIN}change/diff/": "?from=1&to=2"}


def test_the_patterns_are_all_found():
    assert f"{API}<str:name>/" in API_PATTERNS
    assert f"{ADMIN}change/<int:index>/restore/" in ADMIN_PATTERNS
    assert f"{ADMIN}logentry/" in ADMIN_PATTERNS
    assert len(API_PATTERNS) == 14


@pytest.fixture
def facts(site):
    """A past, a secret, and something to come, all of the group Mail."""
    index = proposals.propose({"PASSWORD": WORD, "SENDER": "a@example.com"}).index
    proposals.propose({"SENDER": "b@example.com", "PASSWORD": f"{WORD}-2"}, comment="about mail")
    later = proposals.submit(
        proposals.Command("later", {"SENDER": config_text("c@example.com")}, apply_at=4e9)
    )
    assert ScheduledChange.objects.exists()
    return {"index": index, "schedule": later.index}


def config_text(value):
    return json.dumps({"type": "text", "value": value})


def ask(client, method, url, body=None, **options):
    data = json.dumps({} if body is None else body)
    return client.generic(method, url, data, content_type="application/json", **options)


# -- nobody, and somebody without any permission


def test_api_lets_nobody_in(facts, person):
    clients = [Client(), person()]
    before = tables()
    for pattern, method, client in product(API_PATTERNS, METHODS, clients):
        response = ask(client, method, filled(pattern, facts))
        is_open = (pattern, method) == (PUBLIC, "GET")
        allowed = {200} if is_open else {401, 403, 405}
        assert response.status_code in allowed, (pattern, method, response.status_code)
        assert "SENDER" not in response.content.decode()
    assert tables() == before


def test_admin_lets_nobody_in(facts, person):
    client = person()
    before = tables()
    for pattern, method in product(ADMIN_PATTERNS, ("GET", "POST")):
        url = filled(pattern, facts)
        anonymous = Client().generic(method, url)
        assert (anonymous.status_code, anonymous.url.partition("?")[0]) == (302, "/admin/login/")
        response = client.generic(method, url)
        elsewhere = getattr(response, "url", "")  # an old address, or no such object: Django's own
        assert response.status_code == 403 or elsewhere in {"/admin/", f"{url}change/"}, pattern
    assert tables() == before


# -- somebody who may see or change another group


def test_api_tells_and_does_nothing_of_another_group(facts, person):
    client = person("change_group_shop")
    before = tables()
    for pattern, method in product(API_PATTERNS, METHODS):
        for body, query in _attempts(facts, method):
            response = ask(client, method, filled(pattern, facts) + query, body)
            assert response.status_code < 500 or pattern == ENDLESS, (pattern, response.content)
            _require_silence(response, json.dumps(body) + query)
    assert tables() == before


def test_who_may_only_look_changes_nothing(facts, person):
    client = person("view_storedvalue", "view_node")
    before = tables()
    for pattern, method in product([*API_PATTERNS, *ADMIN_PATTERNS], UNSAFE):
        for body, query in _attempts(facts, method):
            response = ask(client, method, filled(pattern, facts) + query, body)
            assert response.status_code < 500, (pattern, method, response.content)
    assert tables() == before


def _require_silence(response, asked):
    told = response.content.decode()
    for hidden in (WORD, "example.com", "about mail"):
        assert hidden not in told
    assert "SENDER" in asked or "SENDER" not in told


def _attempts(facts, method):
    index = facts["index"]
    if method == "GET":
        return [
            (None, ""),
            *((None, f"?{each}") for each in (f"from={index}", f"index={index}&timeout=0")),
            (None, "?name=SENDER"),
            (None, "?name=SENDER&name=PASSWORD&group=Mail"),
            (None, f"?from={index}&to={index + 1}"),
        ]
    file = {"format": 1, "settings": {"SENDER": {"type": "text", "value": "x@y.zz"}}}
    return [
        ({"values": {"SENDER": "x@y.zz"}}, ""),
        ({"reset": ["SENDER"]}, ""),
        ({"values": {"PASSWORD": "x"}}, ""),
        ({"value": "x"}, ""),
        ({"index": index}, ""),
        ({"index": index, "dry_run": True}, ""),
        ({"index": index, "names": ["SENDER"]}, ""),
        (file, ""),
        (file, "?dry_run=true"),
        (file, "?prune=true"),
    ]


def test_admin_tells_and_does_nothing_of_another_group(facts, person):
    tables_of_engine = ["view_logentry", "view_snapshot", "view_member", "view_answeredrequest"]
    client = person("change_group_shop", "view_node", *tables_of_engine)
    before = tables()
    queries = ("", "?name=SENDER", "?group=Mail", "?q=SENDER", "?from=1&to=3")
    for pattern, method, query in product(ADMIN_PATTERNS, ("GET", "POST"), queries):
        response = client.generic(method, filled(pattern, facts) + query)
        assert response.status_code < 500, (pattern, method, query)
        _require_silence(response, query)
    assert tables() == before


@pytest.mark.parametrize(
    "query",
    [
        "logentry/?command__contains=SENDER",
        "logentry/?command__gte=a",
        "answeredrequest/?conflicts__contains=SENDER",
        "answeredrequest/?request_id__startswith=l",
        "snapshot/?digest__startswith=a",
    ],
)
def test_the_engines_tables_answer_no_guesses_at_what_they_hide(facts, person, query):
    client = person("view_logentry", "view_answeredrequest", "view_snapshot")
    assert client.get(ADMIN + query).status_code == 400


# -- what a browser may be made to send


def test_a_forged_request_of_another_site_changes_nothing(facts, person):
    client = person("change_storedvalue", enforce_csrf_checks=True)
    before = tables()
    forged = {"Origin": "https://evil.example", "Cookie": "csrftoken=forged"}
    for pattern, method, headers in product([*API_PATTERNS, *ADMIN_PATTERNS], UNSAFE, ({}, forged)):
        url = filled(pattern, facts) + PAGES.get(pattern, "")
        response = ask(client, method, url, {"values": {"MAX_ITEMS": 1}}, headers=headers)
        assert response.status_code in (403, 405), (pattern, method, response.status_code)
    assert tables() == before


def test_looking_changes_nothing(facts, admin_client):
    query = "value=9&values=9&reset=MAX_ITEMS&name=MAX_ITEMS&index=2&_method=DELETE&_save=1"
    before = tables()
    for pattern, method in product([*API_PATTERNS, *ADMIN_PATTERNS], ("GET", "HEAD", "OPTIONS")):
        url = filled(pattern, facts) + PAGES.get(pattern, "")
        admin_client.generic(method, url)
        admin_client.generic(method, f"{url}{'&' if '?' in url else '?'}{query}&timeout=0")
        admin_client.generic(method, url, headers={"X-HTTP-Method-Override": "DELETE"})
    assert tables() == before


# -- whoever may see everything sees no secret either


def test_no_page_and_no_answer_holds_a_secret(facts, admin_client):
    queries = ("", "?name=PASSWORD", "?index=1&timeout=0", "?from=1&to=3", "?from=1")
    for pattern, query in product([*API_PATTERNS, *ADMIN_PATTERNS], queries):
        response = admin_client.get(filled(pattern, facts) + query)
        assert WORD not in response.content.decode(), (pattern, query)
    assert f"{WORD}-2" == config.PASSWORD
