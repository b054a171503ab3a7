"""The cluster page of a cluster of one, and what an operator may do from it."""

from __future__ import annotations

import pytest
from django.test import override_settings

from raft_config import operations, proposals
from raft_config.admin import drawing
from raft_config.exceptions import MembershipError, UnavailableError
from raft_config.models import Event, Sample
from raft_config.node import get_node
from raft_config.operations import Done, Plan
from raft_config.schema import MASK, Setting
from raft_config.storage.rings import SAMPLE_SECONDS

from .conftest import SETTINGS, markup_of, text_of

CLUSTER = "/admin/raft_config/node/"
PICTURE = f"{CLUSTER}picture/"
SLUGS = ("transfer", "add", "promote", "remove", "set-url", "snapshot", "drain", "undrain")


@pytest.fixture
def plans(monkeypatch):
    """What `operations` answers, and what it was asked to do."""

    class Plans:
        plan = Plan("The quorum stays.")
        error = None
        done = ()

        def asked(self, operation):
            if self.error:
                raise self.error
            return self.plan

        def performed(self, operation):
            self.asked(operation)
            self.done = (*self.done, operation)
            return Done("Node b leads now.", 7)

    found = Plans()
    monkeypatch.setattr(operations, "plan", found.asked)
    monkeypatch.setattr(operations, "perform", found.performed)
    return found


def test_page_tells_whether_the_cluster_is_well_who_leads_and_since_when(editor, node):
    node.run_for(0.01)
    text = editor.text(CLUSTER)
    assert "A cluster of one: without this node nothing can be changed." in text
    assert "Node node leads term 1, for 0" in text
    assert "Node node leads term 1." in text
    assert "members: node" in text


def test_page_has_no_style_and_no_script_of_its_own(editor):
    """What a strict Content-Security-Policy refuses."""
    markup = markup_of(editor.get(CLUSTER))
    body = markup[markup.index('id="content-main"') :]
    for word in ("style=", "<style", "onclick", "<script>"):
        assert word not in body


def test_picture_is_the_part_that_refreshes_and_is_never_kept(editor):
    response = editor.get(PICTURE)
    assert "no-store" in response.headers["Cache-Control"]
    assert "<html" not in markup_of(response)
    assert "<desc" in markup_of(response)


def test_end_of_the_log_is_readable_and_tells_no_secret(editor):
    secret = Setting("", secret=True)
    config = {
        "SETTINGS": {**SETTINGS, "KEY": secret},
        "ENCRYPTION_KEYS": ["for the tests only, and long enough for that"],
    }
    with override_settings(RAFT_CONFIG=config):
        proposals.propose({"KEY": "hunter2", "LIMIT": 77}, user="bob")
        text = editor.text(CLUSTER)
    assert f"KEY = {MASK}, LIMIT = 77 (bob)" in text
    assert "hunter2" not in text


def test_end_of_the_log_hides_what_the_reader_may_not_see(staff, elsewhere):
    elsewhere(LIMIT=77)
    text = staff("view_node").text(CLUSTER)
    assert "77" not in text
    assert "1 other setting" in text


def test_only_an_operator_is_offered_actions(staff, editor):
    assert "Hand leadership over" in editor.text(CLUSTER)
    assert "Hand leadership over" not in staff("view_node").text(CLUSTER)


@pytest.mark.parametrize("slug", SLUGS)
def test_only_an_operator_may_act(staff, plans, slug):
    reader = staff("view_node", "change_storedvalue")
    address = f"{CLUSTER}{slug}/?node_id=b&address=http://b/raft"
    reader.get(address, 403)
    reader.post(address, {}, 403)
    assert plans.done == ()
    staff("view_node", "operate_cluster", name="op").get(address)


@pytest.mark.parametrize("slug", SLUGS)
def test_looking_shows_the_plan_and_changes_nothing(editor, plans, slug):
    text = editor.text(f"{CLUSTER}{slug}/?node_id=b&address=http://b/raft")
    assert "The quorum stays." in text
    assert plans.done == ()


@pytest.mark.parametrize("slug", SLUGS)
def test_confirming_does_it_and_leaves_an_audit_entry(editor, plans, slug):
    response = editor.send(f"{CLUSTER}{slug}/?node_id=b&address=http://b/raft/")
    (done,) = plans.done
    assert (done.name, done.node_id) == (slug.replace("-", "_"), "b")
    assert done.address == "http://b/raft"
    assert done.promote is (slug != "add")
    assert "Done: Node b leads now." in text_of(response)
    event = Event.objects.filter(kind="operator").get()
    assert (event.user, event.subject, event.detail) == ("admin", "b", "Node b leads now.")
    assert "Node b leads now. (admin)" in editor.text(CLUSTER)


def test_what_would_lose_the_quorum_is_refused_and_has_no_button(editor, plans):
    plans.plan = Plan("Node b is removed.", "That is too few: bring nodes back first.")
    response = editor.get(f"{CLUSTER}remove/?node_id=b")
    assert "Refused. That is too few: bring nodes back first." in text_of(response)
    assert 'value="Remove it"' not in markup_of(response)


def test_what_is_so_already_has_no_button(editor, plans):
    plans.plan = Plan("Node b leads already.", is_done=True)
    response = editor.get(f"{CLUSTER}transfer/?node_id=b")
    assert "Node b leads already." in text_of(response)
    assert 'value="Hand over"' not in markup_of(response)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (MembershipError("Refused: too few."), 409, "Nothing was changed. Refused: too few."),
        (UnavailableError("No majority."), 503, "it is not known whether it was. No majority."),
    ],
)
def test_failure_is_told_and_audited(editor, plans, error, status, says):
    address = f"{CLUSTER}transfer/?node_id=b"
    form = editor.form(address)
    plans.error = error
    assert says in text_of(editor.post(address, form, status))
    assert str(error) in Event.objects.get(kind="operator").detail


def test_learner_is_asked_for_by_id_and_address(editor, plans):
    response = editor.get(f"{CLUSTER}add/")
    assert 'name="node_id"' in markup_of(response)
    assert 'name="address"' in markup_of(response)
    assert 'value="Add it"' not in markup_of(response)


def test_real_snapshot_is_taken_from_the_page(editor, node):
    editor.send(f"{CLUSTER}snapshot/?node_id=node")
    assert get_node().state.snapshot_index > 0
    assert "A snapshot was taken, through index" in editor.text(CLUSTER)


# -- drawing


def sample(slot, **values):
    return Sample(slot=slot, at=slot * SAMPLE_SECONDS, **values)


def test_graph_breaks_where_nothing_is_known():
    samples = [sample(each, term=1, commit_index=each) for each in (1, 2, 3, 20, 21)]
    by_name = {each.name: each for each in drawing.graphs(samples, 220.0)}
    assert len(by_name["lag"].lines) == 2
    assert len(by_name["commits"].lines) == 2


def test_graphs_tell_the_newest_and_the_highest():
    samples = [
        sample(1, term=1, commit_index=10, writes=2, write_seconds=0.4, slowest_seconds=0.3),
        sample(2, term=1, commit_index=60, lag_entries=9),
        sample(3, term=4, commit_index=70, writes=1, write_seconds=0.05, slowest_seconds=0.05),
    ]
    found = {each.name: each.told for each in drawing.graphs(samples, 40.0)}
    assert found == {
        "latency": "now 50 ms, at most 300 ms",
        "commits": "now 1, at most 5",
        "lag": "now 0, at most 9",
        "elections": "3 in the last hour",
    }


def test_graph_without_samples_is_empty():
    found = {each.name: (each.lines, each.told) for each in drawing.graphs([], 40.0)}
    assert found["lag"] == found["latency"] == ((), "none yet")
    assert found["elections"] == ((), "0 in the last hour")
