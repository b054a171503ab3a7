"""The admin's pages: who may, what is proposed, and what is told when it fails."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.test import Client

from raft_config import admin as pages
from raft_config import status
from raft_config.exceptions import (
    ConflictError,
    EntryLostError,
    InvalidCommandError,
    NotLeaderError,
    OutcomeUnknownError,
    PeerUnavailableError,
    UnavailableError,
)
from raft_config.models import LogEntry
from raft_config.schema import Setting, declared
from raft_config.state_machine import Answer, Command, Value, encode_command

from .html_forms import read_form

URL = "/admin/raft_config/storedvalue/"
CLUSTER_URL = "/admin/raft_config/node/"

SETTINGS = {
    "SITE_NAME": Setting("Shop", "Shown at the top."),
    "OPEN": Setting(default=True, help_text="Whether orders are taken."),
    "LIMIT": Setting(10, "Orders an hour."),
    "NOTE": Setting("", "Shown below.", type="text"),
}

pytestmark = pytest.mark.django_db


class Proposals:
    """Takes the place of `propose`: remembers each call, then answers or raises."""

    def __init__(self):
        self.calls = []
        self.error = None

    def __call__(self, values, **others):
        self.calls.append(SimpleNamespace(values=dict(values), **others))
        if self.error:
            raise self.error
        return Answer(42)


@pytest.fixture(autouse=True)
def configured(settings, tmp_path):
    settings.RAFT_CONFIG = {"SETTINGS": SETTINGS, "VERSION_FILE": str(tmp_path / "version")}


@pytest.fixture
def stored():
    """What the node has applied: a test puts values in."""
    return {}


@pytest.fixture
def propose(monkeypatch, stored):
    """A node that has applied `stored`, and a `propose` that stores nothing."""
    fake = Proposals()
    node = SimpleNamespace(storage=SimpleNamespace(values=lambda: dict(stored)))
    monkeypatch.setattr(pages, "get_node", lambda: node)
    monkeypatch.setattr(pages.proposals, "propose", fake)
    monkeypatch.setattr(
        pages.status, "read", lambda: SimpleNamespace(node_id="a", last_applied=7, leader_id="b")
    )
    return fake


@pytest.fixture
def editor(admin_user):
    client = Client()
    client.force_login(admin_user)
    return client


def staff(django_user_model, *permissions):
    user = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def shown(client):
    return read_form(client.get(URL).content.decode())


def text_of(response):
    return " ".join(response.content.decode().split())


# -- who may


def test_admin_index_offers_settings_and_cluster(editor, propose):
    page = text_of(editor.get("/admin/"))
    assert f'href="{URL}"' in page
    assert f'href="{CLUSTER_URL}"' in page
    assert ">Settings</a>" in page
    assert ">Cluster</a>" in page


def test_stranger_is_sent_to_the_login(client, propose):
    assert client.get(URL).status_code == 302
    assert client.post(URL).status_code == 302


def test_staff_without_permission_sees_nothing(django_user_model, propose):
    client = staff(django_user_model)
    assert client.get(URL).status_code == 403
    assert client.get(CLUSTER_URL).status_code == 403
    assert client.post(URL).status_code == 403


def test_viewer_sees_values_and_cannot_save(django_user_model, propose):
    client = staff(django_user_model, "view_storedvalue")
    page = text_of(client.get(URL))
    assert 'value="Shop"' in page
    assert 'type="submit" value="Save"' not in page
    assert client.post(URL, {"value-LIMIT": "11"}).status_code == 403
    assert propose.calls == []


def test_changer_may_save(django_user_model, propose):
    client = staff(django_user_model, "change_storedvalue")
    assert client.post(URL, shown(client) | {"value-LIMIT": "11"}).status_code == 302
    assert len(propose.calls) == 1


def test_post_without_csrf_token_is_refused(admin_user, propose):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    data = shown(client)
    del data["csrfmiddlewaretoken"]
    assert client.post(URL, data | {"value-LIMIT": "11"}).status_code == 403
    assert propose.calls == []


@pytest.mark.parametrize("table", ["logentry", "member", "snapshot", "answeredrequest"])
def test_tables_of_the_engine_are_shown_and_never_edited(editor, propose, table):
    page = editor.get(f"/admin/raft_config/{table}/")
    assert page.status_code == 200
    assert editor.get(f"/admin/raft_config/{table}/add/").status_code == 403


def test_log_tells_what_an_entry_does_by_names_alone(editor, propose):
    command = Command("r", {"SITE_NAME": "unseen"}, reset=("LIMIT",))
    members = '{"members":[{"node_id":"a"},{"node_id":"b"}]}'
    LogEntry.objects.create(index=1, term=1)
    LogEntry.objects.create(index=2, term=1, command=encode_command(command))
    LogEntry.objects.create(index=3, term=1, configuration=members)
    LogEntry.objects.create(index=4, term=1, command=b'{"kind":"of the future"}')
    page = text_of(editor.get("/admin/raft_config/logentry/"))
    assert "opens a term" in page
    assert "sets SITE_NAME; resets LIMIT" in page
    assert "members: a, b" in page
    assert "of the future" in page
    assert "unseen" not in page


# -- what is proposed


def test_one_save_is_one_proposal_of_what_was_changed(editor, propose, stored):
    stored["LIMIT"] = Value(SETTINGS["LIMIT"].encode(20), 5)
    data = shown(editor) | {"value-LIMIT": "30", "value-SITE_NAME": "Bakery"}
    response = editor.post(URL, data, follow=True)
    (call,) = propose.calls
    assert call.values == {"LIMIT": 30, "SITE_NAME": "Bakery"}
    assert call.expected == {"LIMIT": 5, "SITE_NAME": 0}
    assert call.reset == ()
    assert response.redirect_chain == [(URL, 302)]
    assert "Saved at index 42: LIMIT, SITE_NAME." in text_of(response)


def test_unticking_a_box_is_a_change(editor, propose):
    data = shown(editor)
    del data["value-OPEN"]
    editor.post(URL, data)
    assert propose.calls[0].values == {"OPEN": False}


def test_save_without_a_change_proposes_nothing(editor, propose):
    response = editor.post(URL, shown(editor), follow=True)
    assert propose.calls == []
    assert "Nothing was changed." in text_of(response)


def test_text_of_several_lines_is_no_change_as_a_browser_sends_it(editor, propose, stored):
    stored["NOTE"] = Value(SETTINGS["NOTE"].encode("one\ntwo"), 5)
    data = {name: value.replace("\n", "\r\n") for name, value in shown(editor).items()}
    editor.post(URL, data)
    assert propose.calls == []


def test_line_breaks_are_stored_as_line_feeds(editor, propose):
    editor.post(URL, shown(editor) | {"value-NOTE": "one\r\ntwo"})
    assert propose.calls[0].values == {"NOTE": "one\ntwo"}


def test_reset_unsets_and_ignores_what_was_typed(editor, propose, stored):
    stored["LIMIT"] = Value(SETTINGS["LIMIT"].encode(20), 5)
    editor.post(URL, shown(editor) | {"value-LIMIT": "x", "reset-LIMIT": "on"})
    (call,) = propose.calls
    assert (call.values, call.reset, call.expected) == ({}, ("LIMIT",), {"LIMIT": 5})


def test_setting_changed_elsewhere_and_not_here_is_not_sent_back(editor, propose, stored):
    data = shown(editor) | {"value-LIMIT": "30"}
    stored["SITE_NAME"] = Value(SETTINGS["SITE_NAME"].encode("Bakery"), 8)
    editor.post(URL, data)
    assert propose.calls[0].values == {"LIMIT": 30}


def test_pressing_save_twice_repeats_one_request(editor, propose):
    data = shown(editor) | {"value-LIMIT": "30"}
    editor.post(URL, data)
    editor.post(URL, data)
    editor.post(URL, data | {"value-LIMIT": "31"})
    first, second, third = [call.request_id for call in propose.calls]
    assert first == second != third


def test_stored_value_that_became_invalid_does_not_block_the_others(editor, propose, stored):
    stored["LIMIT"] = Value('{"type":"text","value":"many"}', 5)
    editor.post(URL, shown(editor) | {"value-SITE_NAME": "Bakery"})
    assert propose.calls[0].values == {"SITE_NAME": "Bakery"}


# -- what is told


def test_page_tells_source_default_and_index(editor, propose, stored):
    stored["LIMIT"] = Value(SETTINGS["LIMIT"].encode(20), 5)
    page = text_of(editor.get(URL))
    assert "cluster</td>" in page
    assert "default</td>" in page
    assert "index 5" in page


def test_page_needs_no_inline_script_or_style(editor, propose):
    page = text_of(editor.get(URL))
    main = page[page.index('id="content-main"') :]
    assert "<script" not in main
    assert "style=" not in main
    assert "<style" not in page


def test_wrong_value_is_marked_and_nothing_is_proposed(editor, propose):
    response = editor.post(URL, shown(editor) | {"value-LIMIT": "many", "value-SITE_NAME": "B"})
    assert response.status_code == 200
    assert propose.calls == []
    data = read_form(response.content.decode())
    assert (data["value-LIMIT"], data["value-SITE_NAME"]) == ("many", "B")
    assert "Nothing was stored." in text_of(response)


def test_forged_index_is_refused_with_a_way_out(editor, propose):
    response = editor.post(URL, shown(editor) | {"value-LIMIT": "30", "index-LIMIT": "-1"})
    assert response.status_code == 200
    assert "Load it again" in text_of(response)
    assert propose.calls == []


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (NotLeaderError(None, 3), 503, "Nothing was stored."),
        (UnavailableError("Too busy."), 503, "Too busy."),
        (PeerUnavailableError("Node b does not answer."), 503, "Nothing was stored."),
        (EntryLostError(5, 3), 503, "Nothing was stored."),
        (OutcomeUnknownError("r"), 503, "not known yet whether"),
        (InvalidCommandError("Too large."), 200, "Too large."),
        (ValidationError("No."), 200, "Nothing was stored."),
    ],
)
def test_failed_save_tells_what_happened_and_keeps_what_was_typed(
    editor, propose, error, code, told
):
    propose.error = error
    sent = shown(editor) | {"value-LIMIT": "30", "value-NOTE": "a\nb"}
    response = editor.post(URL, sent)
    assert response.status_code == code
    assert told in text_of(response)
    kept = read_form(response.content.decode())
    del kept["csrfmiddlewaretoken"], sent["csrfmiddlewaretoken"]
    assert kept == sent


def test_retry_after_an_unknown_outcome_is_the_same_request(editor, propose):
    propose.error = OutcomeUnknownError("r")
    response = editor.post(URL, shown(editor) | {"value-LIMIT": "30"})
    propose.error = None
    assert editor.post(URL, read_form(response.content.decode())).status_code == 302
    first, second = propose.calls
    assert first.request_id == second.request_id
    assert first.values == second.values == {"LIMIT": 30}


def test_conflict_shows_the_present_value_and_the_next_save_replaces_it(editor, propose, stored):
    data = shown(editor) | {"value-LIMIT": "30"}
    stored["LIMIT"] = Value(SETTINGS["LIMIT"].encode(77), 9)
    stored["SITE_NAME"] = Value(SETTINGS["SITE_NAME"].encode("not edited here"), 9)
    propose.error = ConflictError(["LIMIT"])
    response = editor.post(URL, data)
    assert response.status_code == 200
    page = text_of(response)
    assert "Somebody else has changed LIMIT meanwhile" in page
    assert "Present value: 77" in page
    assert page.count("Present value") == 1
    propose.error = None
    editor.post(URL, read_form(response.content.decode()))
    assert propose.calls[1].values == {"LIMIT": 30}
    assert propose.calls[1].expected == {"LIMIT": 9}


def test_outside_text_is_escaped(editor, propose, stored):
    stored["SITE_NAME"] = Value(SETTINGS["SITE_NAME"].encode("<script>x</script>"), 5)
    propose.error = UnavailableError("<b>x</b>")
    page = text_of(editor.post(URL, shown(editor) | {"value-LIMIT": "30"}))
    assert "<script>x" not in page
    assert "<b>x" not in page


# -- with a cluster of one


@pytest.mark.django_db(transaction=True)
def test_cluster_of_one_saves_and_shows_it(editor):
    assert declared()["LIMIT"].default == 10
    response = editor.post(URL, shown(editor) | {"value-LIMIT": "30"}, follow=True)
    assert "Saved at index" in text_of(response)
    assert shown(editor)["value-LIMIT"] == "30"
    response = editor.post(URL, shown(editor) | {"reset-LIMIT": "on"}, follow=True)
    assert shown(editor)["value-LIMIT"] == "10"
    page = text_of(editor.get(CLUSTER_URL))
    assert status.read().quorum in page
    assert "leader" in page


@pytest.mark.django_db(transaction=True)
def test_save_works_in_a_project_with_atomic_requests(editor, settings):
    settings.DATABASES["default"]["ATOMIC_REQUESTS"] = True
    try:
        response = editor.post(URL, shown(editor) | {"value-LIMIT": "30"}, follow=True)
    finally:
        settings.DATABASES["default"]["ATOMIC_REQUESTS"] = False
    assert "Saved at index" in text_of(response)
