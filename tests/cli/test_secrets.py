"""Secrets on the command line: typed at a prompt or piped, shown by nothing, encrypted anew."""

from __future__ import annotations

import getpass
import json

import pytest

from raft_config import config, history
from raft_config.models import StoredValue
from raft_config.schema import Setting, needs_reencryption

from .conftest import SETTINGS, run

OLD_KEY, NEW_KEY = "o" * 40, "n" * 40
WORD = "hunter2"


@pytest.fixture(autouse=True)
def keys(settings):
    """A function that rotates the keys."""

    def rotate(*keys, **declared):
        settings.RAFT_CONFIG = {
            **settings.RAFT_CONFIG,
            "SETTINGS": {**SETTINGS, "API_KEY": Setting("", secret=True), **declared},
            "ENCRYPTION_KEYS": list(keys),
        }

    rotate(OLD_KEY)
    return rotate


def text_of(name):
    return StoredValue.objects.get(name=name).text


def put(stdin, word=WORD, *words):
    stdin(f"{word}\n")
    return run("set", "API_KEY", "-", *words)


def test_secret_comes_through_a_pipe(stdin):
    ended = put(stdin)
    assert ended.lines[0] == "API_KEY = ********"
    assert config.API_KEY == WORD


def test_secret_is_asked_for_at_a_prompt_that_does_not_show_it(stdin, monkeypatch):
    stdin("", is_terminal=True)
    prompts = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: prompts.append(prompt) or WORD)
    assert run("set", "API_KEY").code == 0
    assert (prompts, config.API_KEY) == (["API_KEY: "], WORD)


def test_what_is_no_secret_is_asked_for_as_well(stdin, monkeypatch):
    stdin("", is_terminal=True)
    monkeypatch.setattr("builtins.input", lambda _prompt: "30")
    assert run("set", "MAX_ITEMS").code == 0
    assert config.MAX_ITEMS == 30


def test_nothing_that_is_printed_holds_a_secret(stdin, tmp_path):
    first = put(stdin)
    second = put(stdin, "hunter3", "--json").json["index"]
    put(stdin, "hunter4", "--apply-at", "2999-01-01")
    path = tmp_path / "file.json"
    run("export", "--with-secrets", "--output", path)
    put(stdin, "hunter5")
    printed = [first.out, path.read_text()]
    for words in (
        ["list"],
        ["get", "API_KEY"],
        ["diff"],
        ["diff", second],
        ["diff", path],
        ["history"],
        ["revert", second, "--dry-run"],
        ["restore", second, "--dry-run"],
        ["import", path, "--dry-run"],
        ["schedule"],
        ["stale"],
        ["export"],
    ):
        ended = run(*words)
        printed.append(ended.out + ended.error)
        if words != ["export"]:
            ended = run(*words, "--json")
            printed.append(ended.out + ended.error)
    assert "hunter" not in "".join(printed)
    assert sum("********" in each for each in printed) > 10


def test_wrong_secret_is_refused_without_repeating_it(stdin, keys):
    keys(OLD_KEY, API_KEY=Setting("", type="url", secret=True))
    ended = put(stdin)
    assert (ended.code, ended.out) == (1, "")
    assert ended.error.startswith("API_KEY: ")
    assert WORD not in ended.error


def test_secret_can_be_reverted_to_one_that_nobody_sees(stdin):
    put(stdin)
    index = put(stdin, "other", "--json").json["index"]
    assert run("revert", index).lines[0] == "API_KEY: ******** -> ********"
    assert config.API_KEY == WORD


# -- files


def test_export_leaves_secrets_out_unless_told_otherwise(stdin, tmp_path):
    put(stdin)
    run("set", "MAX_ITEMS=30")
    assert json.loads(run("export").out)["settings"].keys() == {"MAX_ITEMS"}
    stored = json.loads(run("export", "--with-secrets").out)["settings"]["API_KEY"]
    assert stored == json.loads(text_of("API_KEY"))
    assert stored["type"] == "secret"


def test_setting_that_is_no_secret_any_more_is_still_left_out_of_the_file(stdin, keys):
    put(stdin)
    keys(OLD_KEY, API_KEY=Setting(""))
    assert json.loads(run("export").out)["settings"] == {}


def test_secrets_come_back_from_a_file_where_the_keys_are_the_same(stdin, tmp_path, keys):
    put(stdin)
    path = tmp_path / "file.json"
    run("export", "--with-secrets", "--output", path)
    assert run("import", path).lines == ["Nothing to do"]
    run("reset", "API_KEY")
    assert run("import", path).lines[0] == "API_KEY: (not set) -> ********"
    assert config.API_KEY == WORD
    keys(NEW_KEY)
    ended = run("import", path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.error == "Nothing was imported: API_KEY: is not valid."


def test_prune_resets_no_secret_for_a_file_without_secrets(stdin, tmp_path):
    path = tmp_path / "file.json"
    run("export", "--output", path)
    put(stdin)
    assert run("import", path, "--prune").lines == ["Nothing to do"]
    run("reset", "API_KEY")
    run("export", "--with-secrets", "--output", path)
    put(stdin)
    assert run("import", path, "--prune").lines[0] == "API_KEY: ******** -> (not set)"


# -- rotation


def test_reencrypt_writes_every_secret_with_the_first_key_as_one_entry(stdin, keys):
    put(stdin)
    assert run("reencrypt").lines == ["Nothing to do"]
    keys(NEW_KEY, OLD_KEY)
    assert needs_reencryption(text_of("API_KEY"))
    ended = run("reencrypt", "--user", "eve")
    change = history.changes()[0]
    assert ended.lines == [f"Encrypted API_KEY anew (index {change.index})"]
    assert (change.note.user, config.API_KEY) == ("eve", WORD)
    keys(NEW_KEY)
    assert config.API_KEY == WORD
    assert run("reencrypt").lines == ["Nothing to do"]


def test_reencrypt_encrypts_what_has_become_a_secret(keys):
    run("set", "SITE_NAME", WORD)
    keys(OLD_KEY, SITE_NAME=Setting("Shop", secret=True))
    assert run("reencrypt").code == 0
    assert WORD not in text_of("SITE_NAME")
    assert config.SITE_NAME == WORD


def test_reencrypt_tells_which_secret_no_key_can_read(stdin, keys):
    put(stdin)
    keys(NEW_KEY)
    ended = run("reencrypt")
    assert ended.code == 0
    assert ended.lines[0].startswith("API_KEY: is encrypted with a key that is not among ")
    assert ended.lines[1] == "Nothing to do"
