"""What people read, in their language; `make check` asks whether the catalogues are whole."""

from __future__ import annotations

import logging

import polib
import pytest
from django.core.exceptions import ValidationError
from django.utils import translation

from raft_config import exceptions
from raft_config.language import told
from raft_config.schema import Setting
from tools import messages

from .cli.conftest import run


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one module and one template, with one catalogue of its own."""
    (tmp_path / "said.py").write_text('_("Saved %(name)s.")\nngettext("%d node", "%d nodes", n)')
    (tmp_path / "page.html").write_text(
        "{% load i18n %}{% translate 'Nothing.' %}"
        "{% blocktranslate %}By {{ user }}{% endblocktranslate %}"
    )
    monkeypatch.setattr(messages, "PACKAGE", tmp_path)
    messages.update("de")
    return tmp_path


def translate(**by_id):
    """Write translations into the catalogue, and compile it."""
    found = messages.load("de")
    for entry in found:
        if entry.msgid in by_id:
            entry.msgstr = by_id[entry.msgid]
        if entry.msgid_plural:
            entry.msgstr_plural = {0: "%d Knoten", 1: "%d Knoten"}
    found.save()
    messages.update("de")


TRANSLATED = {
    "Saved %(name)s.": "%(name)s gesichert.",
    "Nothing.": "Nichts.",
    "By %(user)s": "Von %(user)s",
}


def test_catalogue_with_every_text_translated_has_no_problem(package):
    assert len(list(messages.problems("de"))) == 4
    translate(**TRANSLATED)
    assert list(messages.problems("de")) == []


def test_text_that_is_new_or_said_no_more_is_told(package):
    translate(**TRANSLATED)
    (package / "page.html").write_text("{% load i18n %}{% translate 'Something.' %}")
    assert list(messages.problems("de")) == [
        "new: 'Something.' (page.html)",
        "said no more: 'By %(user)s'",
        "said no more: 'Nothing.'",
    ]


def test_placeholder_that_was_lost_or_misspelt_is_told(package):
    translate(**TRANSLATED | {"Saved %(name)s.": "%(Name)s gesichert."})
    (problem,) = messages.problems("de")
    assert problem.startswith("other placeholders: 'Saved %(name)s.'")


def test_fuzzy_text_and_forgotten_compiling_are_told(package):
    translate(**TRANSLATED)
    found = messages.load("de")
    next(entry for entry in found if entry.msgid == "Nothing.").flags.append("fuzzy")
    found.save()
    told_of = list(messages.problems("de"))
    assert told_of[0] == "not translated: 'Nothing.'"
    assert told_of[1].startswith("the .mo is not this .po")


@pytest.mark.parametrize("language", messages.PLURALS)
def test_error_is_told_in_the_language_of_the_reader_and_logged_in_english(language, caplog):
    error = exceptions.NotLeaderError("b", 7)
    with translation.override(language):
        said = told(error)
        logging.getLogger("raft_config").warning("%s", error)
    assert "b" in said
    assert "7" in said
    assert said != str(error)
    assert caplog.messages == ["Node b leads term 7; send the change there."]


def test_text_of_a_peer_is_told_as_it_came():
    with translation.override("de"):
        assert told(exceptions.PeerRejectedError("100 % of it")) == "100 % of it"
        assert told(exceptions.RaftConfigError()) == ""
        assert told(KeyError("x")) == "'x'"


def test_what_is_wrong_with_a_value_is_one_sentence_of_one_language():
    with translation.override("fr"):
        with pytest.raises(ValidationError) as caught:
            Setting(1).clean([])
        assert caught.value.messages == ["La valeur doit être de type int, pas list."]


@pytest.mark.django_db(transaction=True)
def test_command_line_speaks_the_language_of_the_project():
    with translation.override("ja"):
        ended = run("get", "NO_SUCH")
    assert ended.error.startswith("設定 NO_SUCH はありません。")


@pytest.mark.parametrize("language", messages.PLURALS)
def test_catalogue_counts_as_its_language_does(language):
    found = polib.pofile(str(messages.catalogue(language)))
    assert found.metadata["Plural-Forms"] == messages.PLURALS[language]
    with translation.override(language):
        one, many = (
            translation.ngettext("%d other setting", "%d other settings", n) for n in (1, 2)
        )
    assert (one == many) == (language == "ja")
