"""Refusals: bodies that are not taken, and what the cluster says."""

from __future__ import annotations

import base64
import logging
from types import SimpleNamespace

import pytest
import requests
from django.db import InterfaceError, OperationalError
from rest_framework.authentication import BaseAuthentication, BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.throttling import BaseThrottle

from raft_config import proposals
from raft_config.api import parsing
from raft_config.api.problems import Problem
from raft_config.api.settings import PublicSettings, SettingsList
from raft_config.exceptions import (
    EntryLostError,
    HistoryUnavailableError,
    InvalidCommandError,
    InvariantViolatedError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerRejectedError,
    PeerUnavailableError,
    PeerUnreachableError,
    UnavailableError,
    UnsupportedCommandError,
)
from raft_config.live import config

from .conftest import SECRET, problem

BODY = {"values": {"MAX_ITEMS": 30}}


@pytest.fixture
def failing(monkeypatch):
    """Let every proposal end like that: the cluster's part is tested elsewhere."""

    def fail(error):
        def propose(*_, **__):
            raise error

        monkeypatch.setattr(proposals, "propose", propose)

    return fail


# -- what the cluster says


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (NotLeaderError(None, 7), (503, "no_leader", True)),
        (NotLeaderError("c", 7), (503, "no_leader", True)),
        (UnavailableError("busy"), (503, "unavailable", True)),
        (EntryLostError(4, 7), (503, "entry_lost", True)),
        (PeerUnavailableError("down"), (503, "peer_unavailable", True)),
        (PeerUnreachableError("down"), (503, "peer_unavailable", True)),
        (OutcomeUnknownError("r1"), (504, "outcome_unknown", True)),
        (OperationalError("locked"), (503, "database", True)),
        (InterfaceError("the connection is closed"), (503, "database", True)),
        (PeerRejectedError("secret"), (502, "peer_rejected", False)),
        (UnsupportedCommandError(2, 1), (409, "unsupported", False)),
        (InvalidCommandError("too large"), (400, "invalid", False)),
        (HistoryUnavailableError(3, 5, 9), (410, "history_forgotten", False)),
    ],
    ids=lambda each: type(each).__name__,
)
def test_answer_of_the_cluster_has_a_status_and_says_whether_to_retry(api, failing, error, answer):
    status, code, retry = answer
    failing(error)
    response = api.patch("", BODY)
    problem(response, status, code)
    assert response.headers.get("Retry-After") == ("1" if retry else None)
    assert response.headers["Cache-Control"] == "no-store"


def test_node_that_is_cut_off_reads_what_it_has_and_changes_nothing(api, site):
    peers = {name: f"http://127.0.0.1:1/{name}" for name in "abc"}
    site.RAFT_CONFIG = {
        **site.RAFT_CONFIG,
        "NODE_ID": "a",
        "PEERS": peers,
        "SECRETS": ["for the tests only, and long enough for that"],
        "WRITE_TIMEOUT_SECONDS": 0.3,
    }
    for response in (
        api.put("MAX_ITEMS/", {"value": 30}),
        api.delete("MAX_ITEMS/"),
        api.get("MAX_ITEMS/?consistency=linearizable"),
    ):
        problem(response, 503, "no_leader")
        assert response.headers["Retry-After"] == "1"
    assert api.get("MAX_ITEMS/").data["value"] == 20
    assert api.get("meta/").data["leader_id"] is None
    assert api.get("watch/?index=5&timeout=0").data == {"index": 5, "changes": []}


def test_unknown_outcome_names_the_request_to_retry_and_the_retry_has_one_effect(api, monkeypatch):
    propose = proposals.propose

    def times_out(*args, **options):
        propose(*args, **options)
        raise OutcomeUnknownError(options["request_id"])

    monkeypatch.setattr(proposals, "propose", times_out)
    data = problem(api.patch("", {**BODY, "request_id": "r1"}), 504, "outcome_unknown")
    assert data["request_id"] == "r1"
    assert "same request id" in data["detail"]
    monkeypatch.setattr(proposals, "propose", propose)
    index = config.meta.index
    again = api.patch("", {**BODY, "request_id": data["request_id"]})
    assert again.status_code == 200
    assert again.data["index"] <= index


@pytest.mark.parametrize("error", [InvariantViolatedError(SECRET), RuntimeError(SECRET)], ids=repr)
def test_own_fault_is_logged_and_not_told(api, failing, site, caplog, error):
    site.DEBUG = True
    failing(error)
    with caplog.at_level(logging.ERROR, logger="raft_config"):
        response = api.patch("", BODY)
    problem(response, 500, "internal")
    assert SECRET not in repr(api.told)
    assert "Traceback" not in repr(api.told)
    assert [record.exc_info[1] for record in caplog.records if record.name == "raft_config"] == [
        error
    ]


# -- bodies


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"values": {"MAX_ITEMS": NaN}}',
        b'{"values": {"MAX_ITEMS": Infinity}}',
        b'{"values": {"MAX_ITEMS": 1e999}}',
        b'{"values": {"MAX_ITEMS": 1, "MAX_ITEMS": 2}}',
        b'{"values": {"LIMITS": ' + b"[" * 40 + b"]" * 40 + b"}}",
        b"[" * 100_000,
        b'{"values": {"MAX_ITEMS": 9223372036854775808}}',
        b'{"values": {"MAX_ITEMS": ' + b"9" * 5000 + b"}}",
        b'{"values": {"BANNER": "\\ud800"}}',
        b'{"values": {"BANNER": "\\u0000"}}',
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_json_that_not_every_library_reads_alike_is_400(api, body):
    problem(api("PATCH", "", body), 400, "parse_error")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true"])
def test_body_that_is_no_object_is_400(api, body):
    problem(api("PATCH", "", body), 400, "invalid")


@pytest.mark.parametrize(
    "field",
    [
        {"values": []},
        {"values": None},
        {"reset": "MAX_ITEMS"},
        {"reset": [1]},
        {"expected": {"MAX_ITEMS": -1}},
        {"expected": {"MAX_ITEMS": "1"}},
        {"expected": {"MAX_ITEMS": True}},
        {"expected": {"MAX_ITEMS": 1.0}},
        {"comment": "x" * 1001},
        {"comment": 1},
        {"request_id": ""},
        {"request_id": "x" * 256},
        {"comments": "x"},
    ],
    ids=lambda field: repr(field)[:40],
)
def test_wrong_field_is_400_and_named(api, field):
    errors = problem(api.patch("", {**BODY, **field}), 400, "invalid")["errors"]
    assert list(errors) == list(field)
    assert config.MAX_ITEMS == 20


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
def test_body_that_is_not_json_is_415(api, content_type):
    response = api("PATCH", "", b'{"values": {"MAX_ITEMS": 30}}', content_type=content_type)
    problem(response, 415, "unsupported_media_type")


def test_body_beyond_the_limit_is_413(api, monkeypatch):
    monkeypatch.setattr(parsing, "MAX_BODY_BYTES", 100)
    body = b'{"values": {"BANNER": "' + b"x" * 100 + b'"}}'
    problem(api("PATCH", "", body), 413, "too_large")


def test_body_without_its_length_is_411_instead_of_being_taken_for_none(server, django_user_model):
    django_user_model.objects.create_superuser("robot", password="x")
    pieces = iter([b'{"values": {"MAX_ITEMS": ', b"30}}"])
    response = requests.patch(
        server,
        data=pieces,
        auth=("robot", "x"),
        headers={"Content-Type": "application/json"},
        timeout=20,
    )
    assert (response.status_code, response.json()["code"]) == (411, "length_required")


def test_no_more_of_a_body_is_read_than_is_allowed():
    asked = []
    endless = SimpleNamespace(read=lambda size: asked.append(size) or b"x" * size)
    with pytest.raises(Problem, match="bytes at most"):
        parsing.StrictJSONParser().parse(endless)
    assert asked == [parsing.MAX_BODY_BYTES + 1]


def test_body_larger_than_djangos_limit_for_forms_is_read(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert api.patch("", BODY).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("DELETE", ""), ("POST", "MAX_ITEMS/"), ("PUT", "watch/")]
)
def test_method_that_means_nothing_there_is_405(api, method, path):
    response = api(method, path)
    problem(response, 405, "method_not_allowed")
    assert "GET" in response.headers["Allow"]


def test_json_is_answered_whatever_is_accepted_first(api):
    response = api.get(headers={"Accept": "text/html"})
    assert response.headers["Content-Type"] == "application/json"


# -- what the project decides


class Refusing(BasePermission):
    message = "Not on Sundays."

    def has_permission(self, *_):
        return False


class Slow(BaseThrottle):
    def allow_request(self, *_):
        return False

    def wait(self):
        return 41.5


class Wrong(BaseAuthentication):
    def authenticate(self, _request):
        raise AuthenticationFailed("The token is wrong.")

    def authenticate_header(self, _request):
        return "Token"


def test_further_permission_of_the_project_counts(api, monkeypatch):
    monkeypatch.setattr(SettingsList, "permission_classes", [Refusing])
    assert problem(api.get(), 403, "permission_denied")["detail"] == "Not on Sundays."


def test_permission_of_the_project_does_not_replace_ours(logged_in, monkeypatch):
    monkeypatch.setattr(SettingsList, "permission_classes", [])
    problem(logged_in().get(), 403, "permission_denied")


@pytest.mark.parametrize(("view", "path"), [(SettingsList, ""), (PublicSettings, "public/")])
def test_throttle_of_the_project_counts(api, monkeypatch, view, path):
    monkeypatch.setattr(view, "throttle_classes", [Slow])
    response = api.get(path)
    problem(response, 429, "throttled")
    assert response.headers["Retry-After"] == "42"


def test_authentication_of_the_project_counts(nobody, monkeypatch):
    monkeypatch.setattr(SettingsList, "authentication_classes", [Wrong])
    response = nobody.get()
    assert problem(response, 401, "authentication_failed")["detail"] == "The token is wrong."
    assert response.headers["WWW-Authenticate"] == "Token"


def test_password_lets_a_program_in(nobody, django_user_model, monkeypatch):
    monkeypatch.setattr(SettingsList, "authentication_classes", [BasicAuthentication])
    django_user_model.objects.create_superuser("robot", password="x")
    assert nobody.get().status_code == 401
    login = base64.b64encode(b"robot:x").decode()
    assert nobody.get(headers={"Authorization": f"Basic {login}"}).status_code == 200
