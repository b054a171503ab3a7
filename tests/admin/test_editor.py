"""The editor: what a save proposes, what a preview shows, and what is kept when it fails."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from raft_config import config, history
from raft_config.exceptions import (
    EntryLostError,
    InvalidCommandError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerUnavailableError,
    UnavailableError,
)
from raft_config.models import StoredValue
from raft_config.schema import Setting

from ..html_forms import read_form
from .conftest import EDIT, LIST, SETTINGS, changed, markup_of, text_of

LIMIT = f"{EDIT}?name=LIMIT"
ORDERS = f"{EDIT}?group=Orders"
LOOK = f"{EDIT}?group=Look"


def moment(**later):
    return (timezone.now() + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%S")


# -- which page


def test_one_setting_and_one_group_have_an_editor_each(editor):
    assert "value-LIMIT" in editor.form(LIMIT)
    assert "value-OPEN" not in editor.form(LIMIT)
    assert {"value-LIMIT", "value-OPEN"} <= editor.form(ORDERS).keys()
    assert "value-LOOSE" in editor.form(f"{EDIT}?group=")


@pytest.mark.parametrize("query", ["?name=NO_SUCH", "?group=No+such", "", "?name=", "?name=a%00b"])
def test_what_is_not_declared_is_a_clear_404(editor, query):
    assert "or you may not see it" in editor.text(f"{EDIT}{query}", status=404)


def test_editor_tells_default_source_and_who_changed_it(editor, elsewhere):
    elsewhere(LIMIT=20)
    page = editor.text(LIMIT)
    assert "Default: 10" in page
    assert "cluster" in page
    assert "bob" in page


# -- what a save proposes


def test_one_save_is_one_entry_of_what_was_changed_with_its_author(editor):
    response = editor.send(
        f"{EDIT}?group=Look", SITE_NAME="Bakery", NOTE="one\r\ntwo", comment="New owner"
    )
    first, second = history.changes()
    assert first.index == second.index
    assert {first.name, second.name} == {"SITE_NAME", "NOTE"}
    note = first.note
    assert (note.user, note.origin, note.comment) == ("admin", "admin", "New owner")
    assert f"Saved at index {first.index}: NOTE, SITE_NAME." in text_of(response)
    assert response.redirect_chain == [(LIST, 302)]
    assert (config.SITE_NAME, config.NOTE) == ("Bakery", "one\ntwo")


def test_save_names_what_was_seen(editor, elsewhere, failing):
    index = elsewhere(LIMIT=20)
    failing.calls.clear()
    editor.send(ORDERS, LIMIT="30", OPEN=None)
    ((values, others),) = failing.calls
    assert values == {"LIMIT": 30, "OPEN": False}
    assert others["expected"] == {"LIMIT": index, "OPEN": 0}


def test_save_without_a_change_proposes_nothing(editor, elsewhere):
    elsewhere(NOTE="one\ntwo", COLOUR="#123456")
    data = {name: value.replace("\n", "\r\n") for name, value in editor.form(LOOK).items()}
    assert "Nothing was changed." in text_of(editor.post(LOOK, data, follow=True))
    assert len(history.changes()) == 2


def test_reset_unsets_and_ignores_what_was_typed(editor, elsewhere):
    elsewhere(LIMIT=20)
    editor.send(LIMIT, LIMIT="x", reset__LIMIT="on")
    assert not StoredValue.objects.filter(name="LIMIT").exists()
    assert "reset-LIMIT" not in markup_of(editor.get(LIMIT))


def test_setting_changed_elsewhere_and_not_here_is_not_sent_back(editor, elsewhere):
    data = editor.form(ORDERS)
    elsewhere(OPEN=False)
    editor.post(ORDERS, changed(data, LIMIT="30"))
    assert (config.OPEN, config.LIMIT) == (False, 30)


def test_pressing_save_twice_has_one_effect(editor, elsewhere):
    data = changed(editor.form(LIMIT), LIMIT="30")
    editor.post(LIMIT, data)
    elsewhere(LIMIT=40)
    editor.post(LIMIT, data)
    assert config.LIMIT == 40


def test_other_values_of_the_same_page_are_another_request(editor, failing):
    failing(OutcomeUnknownError("r"))
    data = editor.form(ORDERS)
    for limit, comment in (("30", ""), ("30", "again"), ("31", "")):
        editor.post(ORDERS, changed(data, LIMIT=limit, comment=comment), status=503)
    first, second, third = [others["request_id"] for _, others in failing.calls]
    assert first == second != third


def test_stored_value_that_became_invalid_does_not_block_the_others(editor, settings, elsewhere):
    elsewhere(SITE_NAME="many")
    declared = {
        "SITE_NAME": Setting(1, group="Look"),
        "NOTE": Setting("", group="Look"),
    }
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    editor.send(LOOK, NOTE="B")
    assert config.NOTE == "B"


def test_setting_that_the_page_did_not_show_is_left_alone(editor, settings):
    data = changed(editor.form(ORDERS), LIMIT="30")
    added = {**SETTINGS, "NEW": Setting(default=True, group="Orders")}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": added}
    editor.post(ORDERS, data)
    assert [change.name for change in history.changes()] == ["LIMIT"]


def test_group_of_500_settings_is_saved_at_once(editor, settings):
    declared = {f"S{each}": Setting(each, group="Big") for each in range(500)}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    data = editor.form(f"{EDIT}?group=Big")
    editor.post(f"{EDIT}?group=Big", {**data, "value-S7": "1000"})
    assert config.S7 == 1000


def test_save_works_in_a_project_with_atomic_requests(editor, settings):
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    try:
        editor.send(LIMIT, LIMIT="30")
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False
    assert config.LIMIT == 30


# -- secrets, and what the environment fixes


@pytest.fixture
def secret(settings):
    declared = {"KEY": Setting("", secret=True, group="Keys"), "LIMIT": Setting(1, group="Keys")}
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "SETTINGS": declared,
    }
    return f"{EDIT}?group=Keys"


def test_secret_is_written_and_never_shown(editor, secret):
    editor.send(secret, KEY="hunter2")
    assert config.KEY == "hunter2"
    encrypted = json.loads(StoredValue.objects.get(name="KEY").text)["value"]
    for url in (secret, LIST, f"{EDIT}?name=KEY", "/admin/raft_config/change/"):
        page = markup_of(editor.get(url))
        assert "hunter2" not in page
        assert encrypted not in page


def test_secret_left_empty_is_kept(editor, secret):
    editor.send(secret, KEY="hunter2")
    editor.send(secret, LIMIT="5")
    assert (config.KEY, config.LIMIT) == ("hunter2", 5)


def test_secret_is_reset_by_its_box(editor, secret):
    editor.send(secret, KEY="hunter2")
    editor.send(secret, reset__KEY="on")
    assert config.KEY == ""


def test_preview_of_a_secret_does_not_tell_it(editor, secret):
    page = editor.send(secret, status=200, KEY="hunter2", _preview="Preview")
    assert "hunter2" not in text_of(page)
    editor.send_again(page)
    assert config.KEY == "hunter2"


def test_setting_that_the_environment_fixes_is_shown_with_the_reason(editor, settings, monkeypatch):
    declared = {"PINNED": Setting(1, env="TEST_PINNED")}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    data = changed(editor.form(f"{EDIT}?name=PINNED"), PINNED="5")
    monkeypatch.setenv("TEST_PINNED", "77")
    page = editor.get(f"{EDIT}?name=PINNED")
    assert "The environment variable TEST_PINNED of this node fixes the value" in text_of(page)
    assert "value-PINNED" not in markup_of(page)
    editor.post(f"{EDIT}?name=PINNED", data, status=400)
    assert history.changes() == []


# -- preview


def test_preview_tells_old_and_new_and_stores_nothing_until_it_is_confirmed(editor, elsewhere):
    elsewhere(LIMIT=20)
    page = editor.send(ORDERS, status=200, LIMIT="30", OPEN=None, comment="Why", _preview="Preview")
    told = text_of(page)
    assert "LIMIT 20 30" in told
    assert "OPEN on (default) off" in told
    assert "Why" in told
    assert config.LIMIT == 20
    editor.send_again(page)
    assert (config.LIMIT, config.OPEN) == (30, False)
    assert history.changes()[0].note.comment == "Why"


def test_preview_leads_back_to_what_was_typed(editor):
    sent = changed(editor.form(LOOK), NOTE="a\r\nb", comment="c")
    page = editor.post(LOOK, changed(sent, _preview="Preview"), status=200)
    back = editor.send_again(page, status=200, _edit="Back")
    assert without_token(read_form(back.content.decode())) == without_token(sent)


def test_preview_of_a_wrong_value_marks_it(editor):
    page = editor.send(LIMIT, status=200, LIMIT="many", _preview="Preview")
    assert "Enter a whole number." in text_of(page)


# -- scheduled


def test_change_is_scheduled_and_announced(editor):
    response = editor.send(LIMIT, LIMIT="30", apply_at=moment(hours=1), expires_at=moment(hours=2))
    assert "Scheduled at index" in text_of(response)
    (planned,) = history.scheduled()
    assert list(planned.values) == ["LIMIT"]
    assert config.LIMIT == 10
    assert "A scheduled change is going to touch: LIMIT." in editor.text(ORDERS)


def test_temporary_change_applies_now_and_plans_its_end(editor):
    editor.send(LIMIT, LIMIT="30", expires_at=moment(hours=2))
    assert config.LIMIT == 30
    (planned,) = history.scheduled()
    assert planned.values == {"LIMIT": None}


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        ({"apply_at": "2001-01-01T00:00:00"}, "in the past"),
        ({"expires_at": "2001-01-01T00:00:00"}, "expire later"),
        ({"apply_at": "9998-01-02T00:00:00", "expires_at": "9998-01-01T00:00:00"}, "expire later"),
        ({"apply_at": "tomorrow"}, "Enter a valid date/time."),
    ],
)
def test_moments_that_make_no_sense_are_refused(editor, moments, told):
    page = editor.send(LIMIT, status=200, LIMIT="30", **moments)
    assert told in text_of(page)
    assert history.scheduled() == []
    assert config.LIMIT == 10


# -- what is told when it fails


def without_token(data):
    return {name: value for name, value in data.items() if name != "csrfmiddlewaretoken"}


def test_wrong_value_is_marked_and_nothing_is_proposed(editor, failing):
    page = editor.send(LOOK, status=200, COLOUR="red", SITE_NAME="B")
    assert failing.calls == []
    data = read_form(page.content.decode())
    assert (data["value-COLOUR"], data["value-SITE_NAME"]) == ("red", "B")
    assert "Nothing was stored." in text_of(page)
    assert 'aria-invalid="true"' in markup_of(page)


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (NotLeaderError(None, 3), 503, "Nothing was stored."),
        (UnavailableError("Too <b>busy</b>."), 503, "Too &lt;b&gt;busy&lt;/b&gt;."),
        (PeerUnavailableError("Node b does not answer."), 503, "Nothing was stored."),
        (EntryLostError(5, 3), 503, "Nothing was stored."),
        (OutcomeUnknownError("r"), 503, "not known yet whether"),
        (InvalidCommandError("Too large."), 200, "Too large."),
    ],
)
def test_failed_save_tells_what_happened_and_keeps_what_was_typed(
    editor, failing, error, status, told
):
    sent = changed(editor.form(LOOK), SITE_NAME="B", NOTE="a\nb", comment="why")
    failing(error)
    direct = editor.post(LOOK, sent, status=status)
    preview = editor.post(LOOK, changed(sent, _preview="x"), status=200)
    confirmed = editor.send_again(preview, status=status)
    for page in (direct, confirmed):
        assert told in text_of(page)
        assert without_token(read_form(page.content.decode())) == without_token(sent)


def test_retry_after_an_unknown_outcome_is_the_same_request(editor, failing):
    failing(OutcomeUnknownError("r"))
    page = editor.send(LIMIT, status=503, LIMIT="30")
    failing(None)
    editor.send_again(page)
    (_, first), (_, second) = failing.calls
    assert first["request_id"] == second["request_id"]
    assert config.LIMIT == 30


def test_without_a_quorum_the_page_says_so_and_keeps_everything(editor, settings):
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "NODE_ID": "a",
        "PEERS": {each: f"http://127.0.0.1:9/{each}" for each in "abc"},
        "SECRETS": ["for the tests only, and long enough for that"],
        "WRITE_TIMEOUT_SECONDS": 0.3,
    }
    page = editor.send(LOOK, status=503, SITE_NAME="B", NOTE="kept")
    assert "too few nodes are up" in text_of(page)
    kept = read_form(page.content.decode())
    assert (kept["value-SITE_NAME"], kept["value-NOTE"]) == ("B", "kept")


def test_error_of_one_setting_stands_at_its_field(editor, failing):
    failing(ValidationError({"LIMIT": ["Too many while closed."]}))
    page = markup_of(editor.send(ORDERS, status=200, LIMIT="30"))
    field = page[page.index('id="id_value-LIMIT_error"') :]
    assert field.index("Too many while closed.") < field.index("</ul>")


@pytest.mark.parametrize("button", ["_save", "_preview"])
def test_settings_that_do_not_fit_together_are_told_before_they_are_saved(editor, settings, button):
    def clean(values):
        if values["LIMIT"] > 20 and not values["OPEN"]:
            raise ValidationError({"LIMIT": "Too many while closed."})

    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "CLEAN": clean}
    page = editor.send(ORDERS, status=200, LIMIT="30", OPEN=None, **{button: "x"})
    assert "Too many while closed." in text_of(page)
    assert read_form(page.content.decode())["value-LIMIT"] == "30"
    assert history.changes() == []


def test_setting_that_is_stored_under_a_former_name_is_edited(editor, settings, elsewhere):
    elsewhere(LIMIT=20)
    declared = {"MAXIMUM": Setting(10, renamed_from="LIMIT")}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    url = f"{EDIT}?name=MAXIMUM"
    assert editor.form(url)["value-MAXIMUM"] == "20"
    editor.send(url, **{"value-MAXIMUM": "30"})
    assert config.MAXIMUM == 30
    editor.send(url, **{"reset-MAXIMUM": "on"})
    assert config.MAXIMUM == 10


def test_error_of_a_setting_on_another_page_names_it(editor, failing):
    failing(ValidationError({"SITE_NAME": ["Too long for that limit."]}))
    page = editor.send(LIMIT, status=200, LIMIT="30")
    assert "SITE_NAME: Too long for that limit." in text_of(page)


@pytest.mark.parametrize(
    "forged",
    [
        {"shown": "no JSON"},
        {"shown": "[]"},
        {"shown": json.dumps({"LIMIT": [-1, None]})},
        {"shown": json.dumps({"LIMIT": [2**63, None]})},
        {"shown": json.dumps({"LIMIT": [True, None]})},
        {"shown": json.dumps({"LIMIT": [1, 5]})},
        {"shown": json.dumps({"LIMIT": 5})},
        {"shown": json.dumps({"SITE_NAME": [0, None]})},
        {"nonce": "x"},
        {"nonce": None},
    ],
)
def test_forged_page_is_refused_with_a_way_out(editor, forged):
    page = editor.send(LIMIT, status=400, LIMIT="30", **forged)
    assert "does not fit this node any more" in text_of(page)
    assert history.changes() == []
    editor.send_again(page)
    assert config.LIMIT == 30


def test_post_without_csrf_token_is_refused(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(LIMIT, {"value-LIMIT": "11"}).status_code == 403


def test_stranger_is_sent_to_the_login(client):
    assert client.get(LIMIT).status_code == 302
    assert client.post(LIMIT).status_code == 302
