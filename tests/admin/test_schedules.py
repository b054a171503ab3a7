"""The changes that wait for their time: listed, and called off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from raft_config import config, history, proposals
from raft_config.exceptions import NotLeaderError

from ..html_forms import read_form
from .conftest import SCHEDULES, text_of


@pytest.fixture
def plan():
    """Schedule a change, an hour from now; returns its id."""

    def schedule(*, user="bob", comment="", **values):
        later = timezone.now() + timedelta(hours=1)
        return proposals.propose(values, user=user, comment=comment, apply_at=later).index

    return schedule


def cancel(schedule_id):
    return f"{SCHEDULES}{schedule_id}/cancel/"


def test_nothing_scheduled_says_so(editor):
    assert "No change is scheduled." in editor.text(SCHEDULES)


def test_pending_change_tells_when_what_who_and_why(editor, elsewhere, plan):
    elsewhere(LIMIT=20)
    plan(LIMIT=30, comment="For the weekend")
    page = editor.text(SCHEDULES)
    assert "LIMIT 20 → to 30" in page
    assert "bob" in page
    assert "For the weekend" in page


def test_end_of_a_temporary_change_is_listed_as_such(editor):
    later = timezone.now() + timedelta(hours=1)
    proposals.propose({"LIMIT": 30}, expires_at=later)
    page = editor.text(SCHEDULES)
    assert "a temporary change ends" in page
    assert "LIMIT 30 → to default" in page


def test_cancel_asks_first_and_then_cancels(editor, plan):
    schedule_id = plan(LIMIT=30)
    page = editor.get(cancel(schedule_id))
    assert "LIMIT default 30" in text_of(page)
    assert len(history.scheduled()) == 1
    response = editor.send_again(page, comment="Rain")
    assert "Cancelled the scheduled change of LIMIT." in text_of(response)
    assert history.scheduled() == []
    assert config.LIMIT == 10


def test_cancel_without_a_quorum_says_so(editor, plan, monkeypatch):
    schedule_id = plan(LIMIT=30)

    def fail(*_, **__):
        raise NotLeaderError(None, 3)

    monkeypatch.setattr(proposals, "cancel_schedule", fail)
    page = editor.send(cancel(schedule_id), status=503, comment="kept")
    assert "too few nodes are up" in text_of(page)
    assert read_form(page.content.decode())["comment"] == "kept"


@pytest.mark.parametrize("schedule_id", [0, 999, 10**40])
def test_cancel_of_what_is_not_pending_is_a_clear_404(editor, plan, schedule_id):
    plan(LIMIT=30)
    assert "No such change is pending" in editor.text(cancel(schedule_id), status=404)
    editor.post(cancel(schedule_id), {}, status=404)


def test_cancel_of_what_was_made_meanwhile_is_a_clear_404(editor, plan):
    schedule_id = plan(LIMIT=30)
    data = editor.form(cancel(schedule_id))
    proposals.cancel_schedule(schedule_id)
    assert "No such change is pending" in text_of(
        editor.post(cancel(schedule_id), data, status=404)
    )


def test_forged_cancel_is_refused(editor, plan):
    schedule_id = plan(LIMIT=30)
    editor.post(cancel(schedule_id), {"nonce": "x"}, status=400)
    assert len(history.scheduled()) == 1
