"""Every session and snippet of docs/api.md runs as it stands, against a real server."""

from __future__ import annotations

import doctest
import re
import subprocess
from pathlib import Path

import pytest
from django.urls import include, path

from raft_config.api import problems, urls, watch
from raft_config.api.parsing import MAX_BODY_BYTES
from raft_config.conf import RaftConfig
from raft_config.state_machine import HISTORY_ENTRIES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
CURL_TIMED_OUT = 28  # as a stream does that is not ended by the server


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_superuser("ada", password="secret")


def blocks():
    """The kind and the text of each block of the page, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def sessions(text):
    """(command, what it prints) for each line with a prompt."""
    for each in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = each.partition("\n")
        yield command, printed


def test_page_runs_as_it_stands(server, ada, tmp_path, capsys):
    site = server.rstrip("/")
    names = {"SITE": site, "AUTH": ("ada", "secret"), "path": path, "include": include}
    ran = {"console": 0, "python": 0}
    for kind, text in blocks():
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), names)  # noqa: S102 - our own page
            ran[kind] += 1
            continue
        for command, printed in sessions(text):
            if not command.startswith("SITE="):
                check(command, printed, site, tmp_path)
                ran[kind] += 1
    assert ran["console"] >= 12
    assert ran["python"] == 3
    assert capsys.readouterr().out.endswith("BANNER {'value': 'Sale!'}\n")


def check(command, printed, site, directory):
    done = subprocess.run(  # noqa: S603 - our own page
        ["/bin/sh", "-c", command],
        env={"SITE": site, "PATH": "/usr/bin:/bin"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in {0, CURL_TIMED_OUT}, done.stderr
    found = done.stdout if done.stdout.endswith("\n") or not done.stdout else f"{done.stdout}\n"
    matches = doctest.OutputChecker().check_output(printed, found, doctest.ELLIPSIS)
    assert matches, f"{command}\n{found}"


def test_page_names_every_path_code_and_limit():
    page = PAGE.read_text()
    words = [str(each.pattern).replace("<int:schedule_id>", "<id>") for each in urls.urlpatterns]
    assert all(f"`{word.replace('<str:name>', '<NAME>')}`" in page for word in words)
    codes = {code for _, code, _ in problems._WHAT_THE_CLUSTER_SAYS.values()}
    untold = {"entry_lost", "peer_unavailable", "peer_rejected", "unsupported"}
    assert all(f"`{code}`" in page for code in codes - untold)
    assert f"{MAX_BODY_BYTES // 2**20} MiB" in page
    assert f"{HISTORY_ENTRIES:,} entries" in page
    assert f"({RaftConfig.watch_max_waiters})" in page
    assert (
        f"{watch.DEFAULT_TIMEOUT_SECONDS} by default, {watch.MAX_TIMEOUT_SECONDS} at most" in page
    )
