"""Odd bodies and queries for the API and the admin: 4xx, never 5xx, and nothing is changed."""

from __future__ import annotations

from itertools import product

from raft_config import proposals

from .conftest import addresses, tables

API = "/api/settings/"
NAMES = {"<str:name>": "MAX_ITEMS", "<int:schedule_id>": "1"}

ODD = {
    "deep": "[" * 200_000,
    "deep value": '{"value": ' + "[" * 5000 + "]" * 5000 + "}",
    "twice": '{"value": 1, "value": 2}',
    "NaN": '{"value": NaN}',
    "infinite": '{"value": 1e999}',
    "4300 digits": '{"value": ' + "9" * 4300 + "}",
    "5000 digits": '{"index": ' + "9" * 5000 + "}",
    "negative": '{"index": -1, "value": 1}',
    "bool": '{"index": true, "value": true}',
    "float": '{"value": 1.0, "index": 1.0}',
    "text": '{"value": "1x", "index": "1"}',
    "half a character": '{"value": "\\ud800", "reset": ["\\ud800"]}',
    "NUL": '{"value": "\\u0000", "comment": "\\u0000", "reset": ["\\u0000"]}',
    "no UTF-8": b'{"value": "\xff"}',
    "list": "[1]",
    "null": "null",
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
    "long id": '{"value": 21, "request_id": "%s"}' % ("x" * 10_000),
    "id of the leader": '{"value": 21, "request_id": "fire-1"}',
    "3 MB": '{"value": "%s"}' % ("x" * 3_000_000),
    "far future": '{"value": 21, "apply_at": "9999-12-31T23:59:59+00:00x"}',
    "no year": '{"value": 21, "apply_at": "0000-01-01T00:00:00Z"}',
    "in the past": '{"value": 21, "expires_at": "0001-01-01T00:00:00+14:00"}',
}
QUERIES = [
    f"{name}={value}"
    for name in ("name", "group", "index", "from", "before", "limit", "since", "search", "timeout")
    for value in ("%00", "9" * 5000, "%ED%A0%80", "%D9%A1", "0001-01-01")
]


def urls(prefix):
    for pattern in addresses(prefix):
        for captured, name in NAMES.items():
            pattern = pattern.replace(captured, name)  # noqa: PLW2901 - one after the other
        yield pattern


def test_odd_bodies_are_refused(site, admin_client):
    proposals.propose({"MAX_ITEMS": 30})
    before = tables()
    for url, method in product(urls(API), ("POST", "PUT", "PATCH")):
        if admin_client.generic(method, url).status_code == 405:
            continue
        for what, body in ODD.items():
            response = admin_client.generic(method, url, body, content_type="application/json")
            assert 400 <= response.status_code < 500, (url, method, what, response.content)
        for kind in ("application/x-www-form-urlencoded", "text/plain", "application/xml"):
            response = admin_client.generic(method, url, ODD["deep"], content_type=kind)
            assert 400 <= response.status_code < 500, (url, method, kind)
    assert tables() == before


def test_odd_queries_are_answered_or_refused(site, admin_client):
    for url, query in product(urls(API), QUERIES):
        if url.endswith("/events/"):
            continue  # 501 here
        response = admin_client.get(f"{url}?{query}" + "&timeout=0" * ("timeout" not in query))
        assert response.status_code < 500, (url, query, response.content)


def test_odd_addresses_and_filters_of_the_admin_are_answered_or_refused(site, admin_client):
    names = ("q", "name", "from", "to", "p", "o", "e", "before", "since")
    odd = ("%00", "-1", "9" * 5000, "%ED%A0%80", "x'--")
    pages = [url for url in urls("/admin/raft_config/") if "<" not in url]
    for url, value in product(pages, odd):
        query = "&".join(f"{name}={value}" for name in names)
        for asked in (query, f"name={value}", f"from=0&to={value}"):
            assert admin_client.get(f"{url}?{asked}").status_code < 500, (url, asked)
    for index, way in product(("0", "9" * 19, "9" * 20, "9" * 5000), ("revert", "restore")):
        response = admin_client.get(f"/admin/raft_config/change/{index}/{way}/")
        assert response.status_code < 500, (index, way)
