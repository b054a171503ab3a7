"""Who may do what, on every page; and that hidden settings are not spoken of anywhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from raft_config import config, history, proposals
from raft_config.models import AnsweredRequest, LogEntry
from raft_config.state_machine import Command, encode_command

from .conftest import DIFF, EDIT, HISTORY, LIST, SCHEDULES, changed, markup_of, text_of

CLUSTER = "/admin/raft_config/node/"
ORDERS = f"{EDIT}?group=Orders"


@pytest.fixture
def changes(elsewhere):
    """A change of what is hidden from who sees Look alone, one of both, and one of Look."""
    first = elsewhere(LIMIT=4711, user="hidden user")
    both = elsewhere(LIMIT=4712, SITE_NAME="Bakery")
    last = elsewhere(SITE_NAME="Dairy")
    return first, both, last


def every_page(index):
    return [
        LIST,
        f"{EDIT}?name=SITE_NAME",
        HISTORY,
        f"{DIFF}?from=0&to={index}",
        f"{HISTORY}{index}/revert/",
        f"{HISTORY}{index}/restore/",
        SCHEDULES,
    ]


def test_staff_without_permission_sees_nothing(staff, changes):
    browser = staff()
    for url in [*every_page(changes[-1]), CLUSTER]:
        browser.get(url, status=403)
        browser.post(url, {}, status=403)


def test_cluster_has_a_permission_of_its_own(staff):
    staff("change_storedvalue", name="eve").get(CLUSTER, status=403)
    assert "leader" in staff("view_node", name="bob").text(CLUSTER)


def test_viewer_sees_every_page_and_changes_nothing(staff, editor, changes):
    viewer = staff("view_storedvalue")
    for url in every_page(changes[-1]):
        viewer.get(url)
    page = markup_of(viewer.get(ORDERS))
    assert 'name="value-LIMIT"' not in page
    assert "4712" in page
    assert 'name="_save"' not in page
    viewer.post(ORDERS, changed(editor.form(ORDERS), LIMIT="30"), status=403)
    index = changes[-1]
    data = editor.form(f"{HISTORY}{index}/revert/")
    viewer.post(f"{HISTORY}{index}/revert/", data, status=403)
    viewer.post(f"{HISTORY}{changes[0]}/restore/", data, status=403)
    assert config.LIMIT == 4712
    assert config.SITE_NAME == "Dairy"


def test_changer_of_one_group_changes_that_group_alone(staff, editor):
    changer = staff("change_group_look")
    changer.send(f"{EDIT}?group=Look", SITE_NAME="Bakery")
    assert config.SITE_NAME == "Bakery"
    changer.get(ORDERS, status=404)
    changer.post(ORDERS, changed(editor.form(ORDERS), LIMIT="30"), status=404)


def test_value_of_another_group_in_a_forged_form_is_not_taken(staff, editor):
    changer = staff("change_group_look", "view_group_orders")
    data = changed(editor.form(ORDERS), LIMIT="30")
    changer.post(ORDERS, data, status=403)
    look = f"{EDIT}?group=Look"
    mixed = {**changer.form(look), "shown": data["shown"], "value-LIMIT": "30"}
    changer.post(look, mixed, status=400)
    assert config.LIMIT == 10


def test_hidden_settings_are_not_spoken_of_on_any_page(staff, changes):
    viewer = staff("change_group_look")
    first, both, last = changes
    urls = [
        *(page for page in every_page(last)),
        *(page for page in every_page(both)),
        f"{HISTORY}{first}/restore/",
        f"{LIST}?q=imit",
        f"{LIST}?group=Orders",
        f"{HISTORY}?q=imit",
        f"{HISTORY}?user=hidden+user",
    ]
    for url in urls:
        # What the user has typed themselves is not told to them.
        page = markup_of(viewer.get(url)).replace('value="hidden user"', "")
        for secret in ("LIMIT", "4711", "4712", "hidden user"):
            assert secret not in page, (url, secret)
        assert ">Orders<" not in page


def test_hidden_and_unknown_are_told_alike(staff, changes):
    viewer = staff("change_group_look")

    def answer(url, name):
        response = viewer.client.get(url)
        return response.status_code, text_of(response).replace(name, "X")

    for hidden, unknown, name in [
        (f"{EDIT}?name=LIMIT", f"{EDIT}?name=NONE", ("LIMIT", "NONE")),
        (f"{EDIT}?group=Orders", f"{EDIT}?group=None", ("Orders", "None")),
        (f"{HISTORY}?name=LIMIT", f"{HISTORY}?name=NONE", ("LIMIT", "NONE")),
        (f"{HISTORY}{changes[0]}/revert/", f"{HISTORY}1/revert/", (str(changes[0]), "1")),
    ]:
        first, second = answer(hidden, name[0]), answer(unknown, name[1])
        assert first[0] == second[0]
        assert first[1].split("Skip to main content")[1].replace("X", "") == second[1].split(
            "Skip to main content"
        )[1].replace("X", "")


def test_revert_and_restore_touch_only_what_may_be_changed(staff, changes):
    first, both, _last = changes
    changer = staff("change_group_look")
    changer.send(f"{HISTORY}{first}/restore/")
    assert (config.SITE_NAME, config.LIMIT) == ("Shop", 4712)
    changer.send(f"{HISTORY}{both + 1}/revert/")
    assert (config.SITE_NAME, config.LIMIT) == ("Bakery", 4712)


def test_what_may_be_seen_and_not_changed_is_named_as_left_out(staff, changes):
    changer = staff("change_group_look", "view_group_orders")
    page = changer.get(f"{HISTORY}{changes[1]}/revert/")
    assert "You may not change it." in text_of(page)
    changer.send_again(page)
    assert (config.SITE_NAME, config.LIMIT) == ("Shop", 4712)


def test_error_about_a_hidden_setting_does_not_name_it(staff, failing):
    changer = staff("change_group_look")
    failing(ValidationError({"LIMIT": ["4711 is too many."]}))
    page = text_of(changer.send(f"{EDIT}?group=Look", status=200, SITE_NAME="B"))
    assert "It does not fit a setting that you may not see." in page
    assert "LIMIT" not in page
    assert "4711" not in page


def test_scheduled_change_is_cancelled_only_by_who_may_change_all_of_it(staff):
    later = timezone.now() + timedelta(hours=1)
    hidden = proposals.propose({"LIMIT": 1}, apply_at=later).index
    mixed = proposals.propose({"LIMIT": 1, "SITE_NAME": "B"}, apply_at=later).index
    own = proposals.propose({"SITE_NAME": "B"}, apply_at=later).index
    changer = staff("change_group_look")
    page = changer.get(SCHEDULES)
    assert "LIMIT" not in markup_of(page)
    assert f"{mixed}/cancel/" not in markup_of(page)
    assert "You may not cancel it." in text_of(page)
    changer.get(f"{SCHEDULES}{hidden}/cancel/", status=404)
    changer.post(f"{SCHEDULES}{mixed}/cancel/", {}, status=403)
    changer.send(f"{SCHEDULES}{own}/cancel/")
    assert {each.schedule_id for each in history.scheduled()} == {hidden, mixed}


# -- the engine's tables


@pytest.mark.parametrize("table", ["logentry", "member", "snapshot", "answeredrequest"])
def test_tables_of_the_engine_are_shown_and_never_edited(editor, table):
    editor.get(f"/admin/raft_config/{table}/")
    editor.get(f"/admin/raft_config/{table}/add/", status=403)


def test_log_tells_what_an_entry_does_by_names_alone(editor):
    command = Command("r", {"SITE_NAME": "unseen"}, reset=("LIMIT",))
    LogEntry.objects.create(index=1, term=1)
    LogEntry.objects.create(index=2, term=1, command=encode_command(command))
    members = '{"members":[{"node_id":"a"},{"node_id":"b"}]}'
    LogEntry.objects.create(index=3, term=1, configuration=members)
    LogEntry.objects.create(index=4, term=1, command=b'{"kind":"of the future"}')
    page = editor.text("/admin/raft_config/logentry/")
    assert "opens a term" in page
    assert "sets SITE_NAME; resets LIMIT" in page
    assert "members: a, b" in page
    assert "of the future" in page
    assert "unseen" not in page
    assert "unseen" not in editor.text("/admin/raft_config/logentry/2/change/")


def test_log_does_not_name_what_is_hidden(staff):
    command = Command("r", {"SITE_NAME": "x", "LIMIT": "y"})
    LogEntry.objects.create(index=2, term=1, command=encode_command(command))
    page = staff("view_logentry", "view_group_look").text("/admin/raft_config/logentry/")
    assert "sets SITE_NAME, 1 other setting" in page
    assert "LIMIT" not in page


def test_answered_requests_count_conflicts_and_do_not_name_them(editor):
    AnsweredRequest.objects.create(index=7, request_id="r", conflicts='["LIMIT"]')
    assert "LIMIT" not in editor.text("/admin/raft_config/answeredrequest/")
    assert "LIMIT" not in editor.text("/admin/raft_config/answeredrequest/r/change/")
