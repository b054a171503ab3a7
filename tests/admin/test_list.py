"""The list of settings: what it tells, what it finds, and what it costs."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from raft_config.schema import Setting

from .conftest import EDIT, HISTORY, LIST, SCHEDULES, SETTINGS, markup_of, text_of


def rows(page):
    """Name -> the text of each row of the list."""
    found = {}
    for row in page.content.decode().split("data-raft-row")[1:]:
        name = row.split("</a>")[0].rsplit(">", 1)[1]
        found[name] = " ".join(row.split("</tr>")[0].split())
    return found


def names(browser, query=""):
    return list(rows(browser.get(f"{LIST}{query}")))


def test_admin_index_offers_every_page(editor):
    page = markup_of(editor.get("/admin/"))
    for model in ("storedvalue", "change", "scheduledchange", "node"):
        assert f'href="/admin/raft_config/{model}/"' in page


def test_settings_stand_in_their_groups_in_order_of_declaration(editor):
    assert names(editor) == list(SETTINGS)
    page = editor.text(LIST)
    assert page.index("Look") < page.index("Orders") < page.index("Settings without a group")


def test_group_that_is_declared_in_parts_comes_together(editor, settings):
    parts = {
        "A": Setting(1, group="One"),
        "B": Setting(1, group="Two"),
        "C": Setting(1, group="One"),
    }
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": parts}
    assert names(editor) == ["A", "C", "B"]


def test_row_tells_value_default_source_and_who_changed_it_last(editor, elsewhere):
    elsewhere(LIMIT=20)
    row = rows(editor.get(LIST))["LIMIT"]
    assert ">20<" in row
    assert ">10<" in row
    assert ">cluster<" in row
    assert "bob" in row
    assert "<time datetime=" in row
    assert ">default<" in rows(editor.get(LIST))["OPEN"]


def test_reset_setting_still_tells_who_reset_it(editor, elsewhere):
    elsewhere(LIMIT=20)
    elsewhere(reset=["LIMIT"], user="carol")
    row = rows(editor.get(LIST))["LIMIT"]
    assert ">default<" in row
    assert "carol" in row


def test_value_from_the_environment_is_shown_with_its_source(editor, settings, monkeypatch):
    pinned = {"PINNED": Setting(1, env="TEST_PINNED")}
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": pinned}
    monkeypatch.setenv("TEST_PINNED", "77")
    row = rows(editor.get(LIST))["PINNED"]
    assert ">77<" in row
    assert ">environment<" in row


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=limit", ["LIMIT"]),
        ("?q=orders", ["OPEN", "LIMIT"]),
        ("?q=ORDERS+hour", ["LIMIT"]),
        ("?q=%23000000", ["COLOUR"]),
        ("?q=nothing+like+it", []),
        ("?group=Look", ["SITE_NAME", "COLOUR", "NOTE"]),
        ("?group=", ["LOOSE"]),
        ("?group=No+such+group", []),
        ("?group=Look&q=name", ["SITE_NAME"]),
        ("?changed=1", ["LIMIT"]),
        ("?changed=1&group=Look", []),
        ("?changed=other&page=x", list(SETTINGS)),
    ],
)
def test_filters_find(editor, elsewhere, query, found):
    elsewhere(LIMIT=20)
    assert names(editor, query) == found


def test_search_keeps_the_other_filters(editor):
    page = markup_of(editor.get(f"{LIST}?group=Look&changed=1"))
    assert '<input type="hidden" name="group" value="Look">' in page
    assert '<input type="hidden" name="changed" value="1">' in page


def test_every_page_takes_as_many_queries_for_500_settings_as_for_5(editor, settings, elsewhere):
    def queries(count):
        declared = {f"S{each}": Setting(each, group="Big") for each in range(count)}
        settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": declared}
        index = elsewhere(**dict.fromkeys(declared, 1000))
        revert = f"{HISTORY}{index}/revert/"
        found = []
        for url in (LIST, f"{EDIT}?group=Big", HISTORY, revert, SCHEDULES):
            editor.get(url)
            with CaptureQueriesContext(connection) as captured:
                editor.get(url)
            found.append(len(captured))
        return found

    assert queries(500) == queries(5)


def test_outside_text_is_escaped(editor, elsewhere):
    elsewhere(SITE_NAME="<script>x</script>", user="<b>bob</b>")
    page = markup_of(editor.get(LIST))
    assert "<script>x" not in page
    assert "<b>bob" not in page


def test_no_page_has_inline_script_or_style(editor):
    page = markup_of(editor.get(LIST))
    main = page[page.index('id="content-main"') :]
    assert "<script" not in main
    assert "style=" not in main
    assert "<style" not in page


def test_project_without_settings_is_told_how_to_declare_them(editor, settings):
    settings.RAFT_CONFIG = {**settings.RAFT_CONFIG, "SETTINGS": {}}
    assert "No settings are declared" in editor.text(LIST)


def test_reading_needs_no_row_of_the_node_yet(editor):
    assert "up to index" in text_of(editor.get(LIST))
