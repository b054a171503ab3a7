"""What people and nodes may write is shown as what it is: never as markup, code or a log line."""

from __future__ import annotations

import json
import logging

import pytest
from django.db import DatabaseError

from raft_config import config, history, proposals
from raft_config.journal import Journal
from raft_config.models import Member
from raft_config.state_machine import Command, Note

from .conftest import addresses

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"`{{7*7}}{% debug %}%s{0}${7*7}"
NOTE = Note(1.7e9, MARKUP, MARKUP, MARKUP, MARKUP)
TEXT = json.dumps({"type": "text", "value": MARKUP})
ADMIN = "/admin/raft_config/"


@pytest.fixture
def marked(site):
    """Markup in every text that may be stored, also by a member that does not ask the schema."""
    index = proposals.submit(
        Command("1", {"BANNER": TEXT, "SENDER": TEXT, MARKUP: TEXT}, note=NOTE)
    )
    proposals.submit(Command(MARKUP, {"BANNER": TEXT, MARKUP: TEXT}, note=NOTE, apply_at=4e9))
    Member.objects.update(address=MARKUP)
    Journal("default").note(MARKUP, subject=MARKUP, detail=MARKUP, user=MARKUP)
    return index.index


def test_no_page_of_the_admin_shows_markup_as_markup(marked, admin_client, admin_user):
    admin_user.username = MARKUP[:150]
    admin_user.save()
    shown = 0
    captured = {"<int:index>": str(marked), "<int:schedule_id>": "3", "<path:object_id>": "1"}
    for pattern in addresses(ADMIN):
        url = pattern
        for name, value in captured.items():
            url = url.replace(name, value)
        for query in ("", "?name=BANNER", "?group=Shop", f"?from=1&to={marked}", f"?q={MARKUP}"):
            page = admin_client.get(url + query).content.decode()
            assert "<script>alert" not in page, url + query
            assert "<img src=x" not in page, url + query
            shown += "&lt;script&gt;alert(1)" in page
            assert "49" not in page.partition("onerror=alert(2)")[2][:80], url + query
    assert shown > 5


def test_what_the_api_answers_is_no_page(marked, admin_client):
    for pattern in addresses("/api/settings/"):
        if "<" not in pattern:
            response = admin_client.get(f"{pattern}?timeout=0&index=1")
            assert not response.headers["Content-Type"].startswith("text/html"), pattern


def test_a_value_is_never_run(marked):
    assert config.BANNER == MARKUP
    assert history.changes()[0].note.comment == MARKUP


FORGED = "/api/settings/x%0A2030-01-01 CRITICAL all is lost%1B[2J/"


def test_a_path_with_a_line_break_makes_no_line_in_the_log(site, admin_client, monkeypatch, caplog):
    def fail(*_args, **_options):
        raise DatabaseError("it is gone")

    monkeypatch.setattr("raft_config.api.settings.SettingDetail.setting_or_404", fail)
    with caplog.at_level(logging.ERROR):
        assert admin_client.get(FORGED).status_code == 503
    (told,) = [each.getMessage() for each in caplog.records if each.name == "raft_config"]
    assert "all is lost" in told
    assert told.isprintable()
