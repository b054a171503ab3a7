"""The history's pages: what was changed, what differs, and going back."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from raft_config import config, history, proposals
from raft_config.admin import history as pages
from raft_config.exceptions import NotLeaderError, OutcomeUnknownError
from raft_config.schema import Setting

from ..html_forms import read_form
from .conftest import DIFF, HISTORY, markup_of, text_of


def revert(index):
    return f"{HISTORY}{index}/revert/"


def restore(index):
    return f"{HISTORY}{index}/restore/"


def entries(browser, query=""):
    """The indexes on the page, in order."""
    page = markup_of(browser.get(f"{HISTORY}{query}"))
    return [int(part.split('"')[0]) for part in page.split('<tr id="index-')[1:]]


# -- the list


def test_empty_history_says_so(editor):
    assert "Nothing was changed yet." in editor.text(HISTORY)


def test_entry_tells_who_when_from_where_why_and_what(editor):
    index = proposals.propose(
        {"LIMIT": 20, "OPEN": False}, user="bob", origin="api", comment="A <b>sale</b>"
    ).index
    page = editor.get(HISTORY)
    told = text_of(page)
    assert f"{index} bob" in told
    assert "api node" in told
    assert "A &lt;b&gt;sale&lt;/b&gt;" in told
    assert "LIMIT default → to 20" in told
    assert "OPEN default → to off" in told
    assert "<time datetime=" in markup_of(page)


def test_newest_comes_first_and_older_ones_page_by_index(editor, elsewhere, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    indexes = [elsewhere(LIMIT=each) for each in range(20, 25)]
    assert entries(editor) == indexes[:-3:-1]
    page = markup_of(editor.get(HISTORY))
    assert f'href="?before={indexes[-2]}"' in page
    assert entries(editor, f"?before={indexes[-2]}") == [indexes[2], indexes[1]]
    last = markup_of(editor.get(f"{HISTORY}?before={indexes[1]}"))
    assert "Older" not in last
    assert "Newest" in last


def test_filters_find(editor, elsewhere):
    first = elsewhere(LIMIT=20, user="bob")
    second = elsewhere(SITE_NAME="Bakery", user="carol")
    for query, found in {
        "?name=LIMIT": [first],
        "?group=Look": [second],
        "?user=carol": [second],
        "?q=site": [second],
        "?origin=api": [second, first],
        "?origin=cli": [],
        "?since=2001-01-01": [second, first],
        "?until=2001-01-01": [],
        "?since=9998-01-01": [],
        "?name=LIMIT&user=carol": [],
    }.items():
        assert entries(editor, query) == found, query
    assert "No change is like that." in editor.text(f"{HISTORY}?user=nobody")


def test_filters_stay_on_the_next_page(editor, elsewhere, monkeypatch):
    monkeypatch.setattr(pages, "PAGE_SIZE", 1)
    elsewhere(LIMIT=20)
    index = elsewhere(LIMIT=21)
    page = markup_of(editor.get(f"{HISTORY}?name=LIMIT&user=bob"))
    assert f"?name=LIMIT&amp;user=bob&amp;before={index}" in page


@pytest.mark.parametrize(
    "query",
    [
        "?name=NO_SUCH",
        "?group=None",
        "?since=yesterday",
        "?since=0001-01-01",
        "?until=9999-12-31",
        "?before=-1",
        "?before=x",
        f"?before={2**63}",
        "?origin=mars",
    ],
)
def test_filter_that_makes_no_sense_is_a_clear_400(editor, elsewhere, query):
    elsewhere(LIMIT=20)
    page = editor.get(f"{HISTORY}{query}", status=400)
    assert "Please correct the filter." in text_of(page)
    assert '<tr id="index-' not in markup_of(page)


def test_setting_that_is_not_declared_any_more_is_told_to_who_sees_all(editor, settings, elsewhere):
    index = elsewhere(LIMIT=20)
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {"NEW": Setting(1)}}
    assert entries(editor) == [index]
    assert "Nothing is left to change" in editor.text(revert(index))


# -- the difference


def test_any_two_points_are_compared_in_either_direction(editor, elsewhere):
    first = elsewhere(LIMIT=20)
    elsewhere(SITE_NAME="Bakery")
    last = elsewhere(LIMIT=30, reset=["SITE_NAME"])
    assert "LIMIT 20 30" in editor.text(f"{DIFF}?from={first}&to={last}")
    assert "SITE_NAME" not in editor.text(f"{DIFF}?from={first}&to={last}")
    assert "LIMIT 30 20" in editor.text(f"{DIFF}?from={last}&to={first}")
    assert "Nothing differs" in editor.text(f"{DIFF}?from={last}&to={last}")


def test_difference_can_be_asked_for_from_the_start(editor, elsewhere):
    elsewhere(LIMIT=20)
    page = editor.text(DIFF)
    assert "the last one applied here is" in page
    assert "LIMIT default 20" in editor.text(f"{DIFF}?from=0&to={history.changes()[0].index}")


@pytest.mark.parametrize("query", ["?from=-1&to=2", "?from=x&to=", f"?from={2**63}&to=1", "?to=1"])
def test_difference_between_no_points_is_a_clear_400(editor, query):
    assert "Please correct what is marked below." in editor.text(f"{DIFF}{query}", status=400)


# -- revert


def test_revert_shows_what_it_would_change_and_undoes_one_entry(editor, elsewhere):
    elsewhere(LIMIT=20)
    index = elsewhere(LIMIT=30, OPEN=False)
    elsewhere(SITE_NAME="Bakery")
    page = editor.get(revert(index))
    assert "LIMIT 30 20" in text_of(page)
    assert "OPEN off default" in text_of(page)
    assert config.LIMIT == 30
    response = editor.send_again(page, comment="Wrong")
    assert "Put back at index" in text_of(response)
    assert (config.LIMIT, config.OPEN, config.SITE_NAME) == (20, True, "Bakery")
    last = history.changes()[0]
    assert (last.note.user, last.note.origin, last.note.comment) == ("admin", "admin", "Wrong")
    assert len({change.index for change in history.changes(limit=2)}) == 1


def test_revert_suggests_a_comment(editor, elsewhere):
    index = elsewhere(LIMIT=20)
    assert editor.form(revert(index))["comment"] == f"Reverts the change at index {index}."


def test_revert_is_only_made_by_post(editor, elsewhere):
    index = elsewhere(LIMIT=20)
    editor.get(f"{revert(index)}?comment=x&expected=1")
    assert config.LIMIT == 20


def test_revert_of_what_somebody_changed_since_it_was_looked_at_is_looked_at_again(
    editor, elsewhere
):
    index = elsewhere(LIMIT=20)
    data = editor.form(revert(index))
    elsewhere(LIMIT=30)
    page = editor.post(revert(index), data, status=409)
    assert "LIMIT 30 default" in text_of(page)
    assert config.LIMIT == 30
    editor.send_again(page)
    assert config.LIMIT == 10


def test_revert_twice_tells_that_it_is_like_that_already(editor, elsewhere):
    index = elsewhere(LIMIT=20)
    data = editor.form(revert(index))
    editor.post(revert(index), data)
    response = editor.post(revert(index), data, follow=True)
    assert "Everything is like that already." in text_of(response)


def test_revert_without_a_quorum_says_so_and_keeps_the_comment(editor, elsewhere, failing):
    index = elsewhere(LIMIT=20)
    failing(NotLeaderError(None, 3))
    page = editor.send(revert(index), status=503, comment="kept")
    assert "too few nodes are up" in text_of(page)
    assert read_form(page.content.decode())["comment"] == "kept"
    failing(OutcomeUnknownError("r"))
    page = editor.send_again(page, status=503)
    failing(None)
    editor.send_again(page)
    assert len({others["request_id"] for _, others in failing.calls[-2:]}) == 1


def test_value_that_is_not_valid_any_more_is_refused_with_its_reason(editor, settings, elsewhere):
    elsewhere(LIMIT=20)
    index = elsewhere(LIMIT=30)

    def refuse(value):
        if value == 20:
            raise ValidationError("Not 20 any more.")

    declared = {"LIMIT": Setting(10, validators=(refuse,))}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    page = editor.send(revert(index), status=200)
    assert "LIMIT: Not 20 any more." in text_of(page)
    assert config.LIMIT == 30


def test_value_that_cannot_be_read_any_more_is_left_as_it_is(editor, settings, elsewhere):
    elsewhere(SITE_NAME="Bakery", LIMIT=20)
    index = elsewhere(SITE_NAME="Dairy", LIMIT=30)
    declared = {"SITE_NAME": Setting(1), "LIMIT": Setting(10)}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    page = editor.get(revert(index))
    assert "What was stored then was stored as" in text_of(page)
    editor.send_again(page)
    assert config.LIMIT == 20


@pytest.mark.parametrize("index", [0, 1, 999, 2**63, 10**40])
def test_revert_of_no_change_is_a_clear_404(editor, elsewhere, index):
    elsewhere(LIMIT=20)
    page = editor.text(revert(index), status=404)
    assert "Back to the history" in page
    editor.post(revert(index), {}, status=404)


# -- restore


def test_restore_brings_everything_back_in_one_entry(editor, elsewhere):
    elsewhere(LIMIT=20)
    index = elsewhere(SITE_NAME="Bakery")
    elsewhere(LIMIT=30, OPEN=False)
    last = elsewhere(SITE_NAME="Dairy", NOTE="x")
    page = editor.get(restore(index))
    for line in ("LIMIT 30 20", "OPEN off default", "SITE_NAME Dairy Bakery", "NOTE x default"):
        assert line in text_of(page)
    editor.send_again(page)
    found = (config.LIMIT, config.OPEN, config.SITE_NAME, config.NOTE)
    assert found == (20, True, "Bakery", "")
    assert {change.index for change in history.changes(after_index=last)} == {last + 1}


def test_restore_of_the_present_changes_nothing(editor, elsewhere):
    assert "Nothing is left to change" in editor.text(restore(elsewhere(LIMIT=20)))


def test_restore_of_a_point_to_come_is_a_clear_404(editor, elsewhere):
    elsewhere(LIMIT=20)
    page = editor.text(restore(999), status=404)
    assert "There is no such entry." in page
    assert "Choose a point between index 0 and index" in page


@pytest.mark.parametrize("made", [restore, lambda index: f"{DIFF}?from={index}&to={index}"])
def test_point_before_the_history_is_a_clear_410(editor, elsewhere, monkeypatch, made):
    index = elsewhere(LIMIT=20)
    for each in range(5):
        elsewhere(LIMIT=30 + each)
    monkeypatch.setattr(history, "HISTORY_ENTRIES", 3)
    page = editor.text(made(index), status=410)
    assert "This is older than the history." in page


def test_secret_stays_masked_on_every_page_and_can_be_put_back(editor, settings, elsewhere):
    declared = {"KEY": Setting("", secret=True)}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
    first = elsewhere(KEY="first secret")
    second = elsewhere(KEY="second secret")
    for url in (HISTORY, f"{DIFF}?from={first}&to={second}", revert(second), restore(first)):
        page = markup_of(editor.get(url))
        assert "KEY" in page
        assert "secret" not in page.replace("raft_config", "")
    editor.send(revert(second))
    assert config.KEY == "first secret"
