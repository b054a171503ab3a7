"""A secret that was sent is not in what is told of an error: pages, mails to admins, the log."""

from __future__ import annotations

import json
import logging

import django
import pytest
from django.core import mail
from django.utils.log import AdminEmailHandler

from raft_config import proposals

from ..html_forms import read_form
from .conftest import WORD

EDIT = "/admin/raft_config/storedvalue/edit/?name=PASSWORD"


# Django 6.1 asks projects for MAILERS, which Django 5.2 does not know.
MAILERS = "ignore:.*will not have a default mailer"


@pytest.fixture
def mails(settings):
    """What is mailed to the administrators, with all that Django can tell of an error."""
    ada = "ada@example.com"
    settings.ADMINS = [ada if django.VERSION >= (6, 0) else ("Ada", ada)]
    handler = AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)
    loggers = [logging.getLogger(name) for name in ("django.request", "raft_config")]
    for each in loggers:
        each.addHandler(handler)
    yield mail.outbox
    for each in loggers:
        each.removeHandler(handler)


@pytest.fixture(params=[0, 1, 2], ids=["submitting", "encoding", "deciding"])
def broken(request, site, monkeypatch):
    """A bug somewhere on the way of a value."""

    def fail(*_args, **_options):
        raise RuntimeError("a bug")

    name = ("submit", "_text", "clean_together")[request.param]
    monkeypatch.setattr(proposals, name, fail)


def sent(client):
    """What comes back when a secret is sent by every way there is, and a bug stops it."""
    client.raise_request_exception = False
    page = read_form(client.get(EDIT).content.decode())
    yield client.post(EDIT, page | {"value-PASSWORD": WORD, "_save": "1"})
    for method, path, body in (
        ("PUT", "PASSWORD/", {"value": WORD}),
        ("PATCH", "", {"values": {"PASSWORD": WORD}}),
    ):
        data = json.dumps(body)
        yield client.generic(method, f"/api/settings/{path}", data, content_type="application/json")


@pytest.mark.filterwarnings(MAILERS)
def test_no_report_of_an_error_holds_a_secret_that_was_sent(broken, admin_client, mails, caplog):
    answers = list(sent(admin_client))
    assert [each.status_code for each in answers] == [500, 500, 500]
    told = [each.body + "".join(str(part[0]) for part in each.alternatives) for each in mails]
    assert sum("a bug" in each for each in told) >= 3
    assert WORD not in "".join(told)
    assert WORD not in caplog.text
    assert WORD not in "".join(each.content.decode() for each in answers)


def test_the_page_of_debug_shows_no_key_of_the_node(broken, settings, admin_client):
    settings.DEBUG = True
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SECRETS": [f"{WORD} and thirty-two letters"]}
    page, *others = sent(admin_client)
    assert b"RuntimeError" in page.content
    assert b"RAFT_CONFIG" in page.content
    assert f"{WORD} and".encode() not in page.content
    assert b"long enough for that" not in page.content
    assert WORD not in "".join(each.content.decode() for each in others)
