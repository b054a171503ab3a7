"""Two people change one setting: nothing is overwritten unnoticed, nothing typed is lost."""

from __future__ import annotations

from raft_config import config, history
from raft_config.schema import Setting

from ..html_forms import read_form
from .conftest import EDIT, changed, markup_of, text_of

ORDERS = f"{EDIT}?group=Orders"
LOOK = f"{EDIT}?group=Look"


def test_conflict_shows_base_theirs_and_yours(editor, elsewhere):
    elsewhere(LIMIT=20)
    data = editor.form(ORDERS)
    elsewhere(LIMIT=77)
    page = editor.post(ORDERS, changed(data, LIMIT="30"), status=409)
    told = text_of(page)
    assert "Before 20 Theirs 77 bob" in told
    assert "Yours 30" in told
    assert config.LIMIT == 77


def test_choosing_yours_replaces_theirs(editor, elsewhere):
    data = editor.form(ORDERS)
    index = elsewhere(LIMIT=77)
    page = editor.post(ORDERS, changed(data, LIMIT="30"), status=409)
    editor.send_again(page, choice__LIMIT="mine")
    assert config.LIMIT == 30
    assert history.changes()[0].index > index


def test_choosing_theirs_keeps_it_and_saves_the_rest(editor, elsewhere):
    data = editor.form(LOOK)
    elsewhere(SITE_NAME="Bakery")
    page = editor.post(LOOK, changed(data, SITE_NAME="Dairy", NOTE="x", comment="why"), status=409)
    assert "Saved with it, as you changed it: NOTE." in text_of(page)
    editor.send_again(page, choice__SITE_NAME="theirs")
    assert (config.SITE_NAME, config.NOTE) == ("Bakery", "x")
    last = history.changes()[0]
    assert (last.name, last.note.comment) == ("NOTE", "why")


def test_choosing_theirs_alone_changes_nothing(editor, elsewhere):
    data = editor.form(ORDERS)
    elsewhere(LIMIT=77)
    page = editor.post(ORDERS, changed(data, LIMIT="30"), status=409)
    assert "Nothing was changed." in text_of(editor.send_again(page, choice__LIMIT="theirs"))
    assert config.LIMIT == 77


def test_no_choice_is_asked_for_again(editor, elsewhere):
    data = editor.form(LOOK)
    elsewhere(SITE_NAME="Bakery")
    page = editor.post(LOOK, changed(data, SITE_NAME="Dairy", NOTE="x"), status=409)
    page = editor.send_again(page, status=409)
    assert "Choose one of the two." in text_of(page)
    assert "Yours Dairy" in text_of(page)
    editor.send_again(page, choice__SITE_NAME="mine")
    assert (config.SITE_NAME, config.NOTE) == ("Dairy", "x")


def test_someone_changing_it_once_more_is_another_conflict(editor, elsewhere):
    data = editor.form(LOOK)
    elsewhere(SITE_NAME="Bakery", NOTE="theirs")
    page = editor.post(LOOK, changed(data, SITE_NAME="Dairy", NOTE="mine"), status=409)
    elsewhere(SITE_NAME="Butcher")
    page = editor.send_again(page, 409, choice__SITE_NAME="mine", choice__NOTE="theirs")
    assert "Before Bakery Theirs Butcher" in text_of(page)
    assert read_form(page.content.decode())["choice-NOTE"] == "theirs"
    editor.send_again(page, choice__SITE_NAME="mine")
    assert (config.SITE_NAME, config.NOTE) == ("Dairy", "theirs")


def test_reset_conflicts_with_a_change_and_with_a_reset(editor, elsewhere):
    elsewhere(LIMIT=20, OPEN=False)
    data = changed(editor.form(ORDERS), reset__LIMIT="on", reset__OPEN="on")
    elsewhere(LIMIT=21, reset=["OPEN"])
    page = editor.post(ORDERS, data, status=409)
    assert "LIMIT Before 20 Theirs 21 bob" in text_of(page)
    assert "Yours 10 (default)" in text_of(page)
    editor.send_again(page, choice__LIMIT="mine", choice__OPEN="mine")
    assert (config.LIMIT, config.OPEN) == (10, True)


def test_preview_finds_the_conflict_already(editor, elsewhere):
    data = editor.form(ORDERS)
    elsewhere(LIMIT=77)
    page = editor.post(ORDERS, changed(data, LIMIT="30", _preview="x"), status=409)
    assert "Theirs 77" in text_of(page)


def test_choice_can_be_made_in_the_editor_too(editor, elsewhere):
    data = editor.form(ORDERS)
    elsewhere(LIMIT=77)
    page = editor.post(ORDERS, changed(data, LIMIT="30"), status=409)
    page = editor.send_again(page, status=200, _edit="Back")
    assert "Somebody else changed LIMIT too." in text_of(page)
    assert read_form(page.content.decode())["value-LIMIT"] == "30"
    page = editor.send_again(page, status=200, LIMIT="31", choice__LIMIT="mine", _preview="x")
    assert "LIMIT 77 31" in text_of(page)
    editor.send_again(page)
    assert config.LIMIT == 31


def test_conflict_about_a_secret_tells_neither(editor, settings, elsewhere):
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "SETTINGS": {"KEY": Setting("", secret=True)},
    }
    url = f"{EDIT}?name=KEY"
    data = editor.form(url)
    elsewhere(KEY="their secret")
    page = editor.post(url, changed(data, KEY="my secret"), status=409)
    assert "their secret" not in markup_of(page)
    assert "my secret" not in text_of(page)
    editor.send_again(page, choice__KEY="mine")
    assert config.KEY == "my secret"
