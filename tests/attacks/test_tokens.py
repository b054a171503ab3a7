"""Whoever comes by the token of a secret (a backup, a file, the log) cannot have it decrypted.

The settings here are: PASSWORD, a secret; and NOTE, which the attacker may read and change. FORMER
was a secret, is none any more, and still holds a token: its value is read, its past stays hidden.
"""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from raft_config import config, exchange, proposals
from raft_config.exceptions import InvalidImportError
from raft_config.models import StoredValue
from raft_config.schema import Setting

from ..html_forms import read_form

WORD = "hunter2"
SETTINGS = {
    "PASSWORD": Setting("", secret=True),
    "FORMER": Setting("", secret=True),
    "NOTE": Setting(""),
    "DATA": Setting({}, type="json"),
}
API = "/api/settings/"
EDIT = "/admin/raft_config/storedvalue/edit/?name="
HISTORY = "/admin/raft_config/change/"


@pytest.fixture(autouse=True)
def site(settings, tmp_path, node):
    settings.RAFT_CONFIG = {
        "SETTINGS": SETTINGS,
        "VERSION_FILE": str(tmp_path / "version"),
        "ENCRYPTION_KEYS": ["for the tests only, and long enough for that"],
    }
    return settings


@pytest.fixture
def token(site):
    """What the attacker has copied."""
    proposals.propose({"PASSWORD": WORD})
    return StoredValue.objects.get(name="PASSWORD").text


@pytest.fixture
def former(site):
    """The index that set FORMER to the word, before another value, and before it was no secret."""
    index = proposals.propose({"FORMER": WORD}).index
    proposals.propose({"FORMER": "in force"})
    released = {**SETTINGS, "FORMER": Setting("")}
    site.RAFT_CONFIG = {**site.RAFT_CONFIG, "SETTINGS": released}
    return index


@pytest.fixture
def client(admin_user):
    found = Client()
    found.force_login(admin_user)
    return found


def send(client, method, path, body):
    return client.generic(method, API + path, json.dumps(body), content_type="application/json")


def file_with(name, text):
    return {"format": 1, "secrets": True, "settings": {name: json.loads(text)}}


def test_import_refuses_a_token_for_what_is_no_secret(token):
    with pytest.raises(InvalidImportError, match="NOTE: is encrypted, and the setting is no secr"):
        exchange.plan_import(file_with("NOTE", token))
    assert exchange.plan_import(file_with("FORMER", token)).values == {"FORMER": WORD}


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_api_does_not_import_a_token_into_what_is_no_secret(client, token, query):
    response = send(client, "POST", f"import/{query}", file_with("NOTE", token))
    assert response.status_code == 400
    assert WORD not in response.content.decode()
    assert config.NOTE == ""


@pytest.mark.parametrize("name", ["NOTE", "DATA"])
@pytest.mark.parametrize("is_text", [True, False])
def test_a_token_that_is_set_stays_what_it_is(client, token, name, is_text):
    given = token if is_text else json.loads(token)
    responses = [
        send(client, "PUT", f"{name}/", {"value": given}),
        send(client, "PATCH", "", {"values": {name: given}}),
        client.get(API),
        client.get(f"{API}history/"),
        client.get(f"{API}export/"),
    ]
    assert WORD not in "".join(each.content.decode() for each in responses)
    assert config[name] in (given, SETTINGS[name].default)


def test_command_line_neither_sets_nor_imports_a_token(token, tmp_path, capsys):
    path = tmp_path / "file.json"
    path.write_text(json.dumps(file_with("NOTE", token)))
    for words in (["import", path], ["diff", path]):
        with pytest.raises(CommandError, match="is encrypted"):
            call_command("raft_config", *map(str, words))
    call_command("raft_config", "set", "NOTE", token)
    assert token == config.NOTE
    assert WORD not in capsys.readouterr().out


@pytest.mark.parametrize("carried", ["shown", "conflicts"])
@pytest.mark.parametrize("button", ["_save", "_preview", "_edit"])
def test_the_editor_does_not_show_a_token_that_its_page_never_carried(
    client, token, carried, button
):
    page = read_form(client.get(f"{EDIT}NOTE").content.decode())
    proposals.propose({"NOTE": "of somebody else"})
    page |= {carried: json.dumps({"NOTE": [1, token]}), "value-NOTE": "mine", button: "1"}
    response = client.post(f"{EDIT}NOTE", page)
    assert WORD not in response.content.decode()


def test_a_former_secret_is_in_force_and_edited_as_what_it_is_now(client, former):
    assert config.FORMER == "in force"
    page = read_form(client.get(f"{EDIT}FORMER").content.decode())
    assert page["value-FORMER"] == "in force"
    assert "secret" not in page["shown"]
    assert client.post(f"{EDIT}FORMER", page | {"value-FORMER": "new"}).status_code == 302
    assert config.FORMER == "new"


def test_the_past_of_a_former_secret_stays_hidden(client, former, capsys):
    told = [
        client.get(f"{API}history/").content.decode(),
        client.get(f"{API}diff/?from={former}").content.decode(),
        client.get(f"{API}watch/?index={former - 1}").content.decode(),
        send(client, "POST", "revert/", {"index": former + 1, "dry_run": True}).content.decode(),
        client.get(HISTORY).content.decode(),
        client.get(f"{HISTORY}diff/?from={former}&to={former + 1}").content.decode(),
        client.get(f"{HISTORY}{former}/restore/").content.decode(),
    ]
    call_command("raft_config", "history")
    with pytest.raises(SystemExit):  # something differs
        call_command("raft_config", "diff", str(former))
    assert WORD not in "".join([*told, capsys.readouterr().out])


@pytest.mark.parametrize("way", ["revert", "restore"])
def test_the_past_of_a_former_secret_is_not_put_back_into_the_open(client, former, way):
    index = former + 1 if way == "revert" else former
    assert send(client, "POST", f"{way}/", {"index": index}).status_code == 400
    page = client.get(f"{HISTORY}{index}/{way}/")
    assert "is encrypted, and the setting is no secret" in page.content.decode()
    client.post(f"{HISTORY}{index}/{way}/", read_form(page.content.decode()))
    with pytest.raises(CommandError, match="is encrypted"):
        call_command("raft_config", way, str(index))
    assert config.FORMER == "in force"
