"""Every snippet of every page is run: here, or by the test of its page that is named here.

Those of a page about the project run from top to bottom, as in one shell: a RAFT_CONFIG that one of
them makes is in force for the next.
"""

from __future__ import annotations

import os
import re
import textwrap
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pytest
from django.core.checks import run_checks
from django.template import Context, Template
from django.test import Client, RequestFactory, override_settings

from benchmarks import fast_settings
from raft_config import context_processors
from raft_config.schema import Setting, registry
from raft_config.schema.classes import registry as classes

ROOT = Path(__file__).resolve().parent.parent
PAGES_OF_DOCS = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES = ["docs/embedding.md"]
PAGES_ABOUT_THE_PROJECT = ["docs/settings.md", "docs/signals.md", "docs/using.md"]

RUN_BY_THEIR_OWN_TEST = {
    "README.md": ("installed/test_quickstart.py", 3),
    "docs/api.md": ("api/test_page.py", 10),
    "docs/cli.md": ("cli/test_pages.py", 12),
    "docs/constance.md": ("cli/test_pages.py", 2),
    "docs/deployment.md": ("installed/test_deployment.py", 8),
    "docs/etcd.md": ("etcd/test_page.py", 9),
    "docs/operations.md": ("operations/test_page.py", 16),
    "docs/quickstart.md": ("installed/test_quickstart.py", 9),
    "docs/testing.md": ("cli/test_pages.py", 4),
}
"""How many each of them has: whoever adds one sees to it that it is run."""

NOT_RUN = {
    "make demo     # three Django sites": "tests/e2e starts what it starts",
    "python -m tests.simulation --seeds 10000": "takes hours; tests/simulation runs some seeds",
    "pip install 'raft_config[secrets]'": "nothing is on an index yet; tests/installed builds it",
    " urls  admin  api  commands": "a drawing",
    " editor            node b": "a drawing",
    " beat, each second": "a drawing",
}
"""What a block begins with, and why it is not run."""

FENCED = re.compile(r"^( *)```(\S*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Where each block is that can be run, its language, and its text."""
    found = FENCED.findall((ROOT / page).read_text())
    return [
        (f"{page}:{number}", language, textwrap.dedent(text))
        for number, (_, language, text) in enumerate(found, 1)
        if not text.startswith(tuple(NOT_RUN))
    ]


def snippets(page: str) -> list[tuple[str, str]]:
    return [(where, text) for where, language, text in blocks(page) if language == "python"]


def run(where: str, code: str, names: dict[str, Any]) -> None:
    exec(compile(code, where, "exec"), names)  # noqa: S102 - our own pages


@pytest.mark.parametrize(
    ("where", "code"),
    [each for page in PAGES for each in snippets(page)],
    ids=lambda each: each[:40],
)
def test_snippet_runs_as_it_stands(where: str, code: str) -> None:
    run(where, code, {})


@pytest.fixture
def _forgotten():
    """Forget what a page declares, registers and puts into the environment."""
    declared = classes.classes
    kinds, types = dict(registry._kinds), dict(registry._types)
    with mock.patch.dict(os.environ):
        yield
    classes.classes = declared
    for known, before in ((registry._kinds, kinds), (registry._types, types)):
        known.clear()
        known.update(before)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_forgotten")
@pytest.mark.parametrize("page", PAGES_ABOUT_THE_PROJECT)
def test_page_about_the_project_runs_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for where, code in snippets(page):
        given = {**names.get("RAFT_CONFIG", {}), "VERSION_FILE": str(tmp_path / "version")}
        with override_settings(RAFT_CONFIG=given):
            run(where, code, names)
            assert [
                each for each in run_checks(tags=["raft_config"], databases=[]) if each.is_serious()
            ] == []


@pytest.mark.parametrize("page", [*PAGES, *PAGES_ABOUT_THE_PROJECT])
def test_there_are_snippets_to_run(page: str) -> None:
    assert len(snippets(page)) >= 3


def test_template_of_the_page_shows_the_setting_twice() -> None:
    (text,) = [text for _, language, text in blocks("docs/using.md") if language == "html+django"]
    context = context_processors.settings(RequestFactory().get("/"))
    with override_settings(RAFT_CONFIG={"SETTINGS": {"SITE_NAME": Setting("Corner shop")}}):
        assert Template(text).render(Context(context)).count("Corner shop") == 2


@pytest.mark.usefixtures("node")
def test_snippets_of_the_page_give_a_health_page_and_a_task_of_the_leader() -> None:
    urls = ModuleType("urls")
    names = vars(urls) | {"urlpatterns": []}
    for where, code in snippets("docs/monitoring.md"):
        run(where, code, names)
    urls.urlpatterns = names["urlpatterns"]
    with override_settings(ROOT_URLCONF=urls):
        assert Client().get("/health/?format=json").status_code == HTTPStatus.OK
    assert names["nightly"]() == "done"


def test_fast_profile_of_the_page_is_the_one_that_was_measured() -> None:
    ((where, code),) = snippets("docs/benchmarks.md")
    names: dict[str, Any] = {"RAFT_CONFIG": {}}
    run(where, code, names)
    assert names["RAFT_CONFIG"].items() <= fast_settings.RAFT_CONFIG.items()


def test_check_that_the_page_silences_is_silent() -> None:
    ((where, code),) = snippets("docs/checks.md")
    names: dict[str, Any] = {}
    run(where, code, names)
    peers = {"a": "http://10.0.0.1", "b": "http://10.0.0.2"}
    given = {"NODE_ID": "a", "PEERS": peers, "SECRETS": ["a secret of the tests, and long enough"]}
    with override_settings(RAFT_CONFIG=given, **names):
        told = run_checks(tags=["raft_config"], databases=[])
        found = [each for each in told if each.id == "raft_config.W021"]
        assert [each.is_silenced() for each in found] == [True]


RUN_HERE = {
    *((page, "python") for page in (*PAGES, *PAGES_ABOUT_THE_PROJECT)),
    *(("docs/using.md", "html+django"), ("docs/benchmarks.md", "python")),
    *(("docs/checks.md", "python"), ("docs/monitoring.md", "python")),
}


@pytest.mark.parametrize("page", ["README.md", *PAGES_OF_DOCS])
def test_every_snippet_is_run_by_a_test(page: str) -> None:
    found = [(page, language) for _, language, _ in blocks(page)]
    test, count = RUN_BY_THEIR_OWN_TEST.get(page, ("", 0))
    if test:
        assert len(found) == count
        assert Path(page).name.removesuffix(".md") in (ROOT / "tests" / test).read_text()
    else:
        assert set(found) <= RUN_HERE


@pytest.mark.parametrize("page", ["README.md", *PAGES_OF_DOCS])
def test_no_snippet_is_only_indented(page: str) -> None:
    """It would be no block to what is above."""
    outside = FENCED.sub("", (ROOT / page).read_text())
    assert re.findall(r"(?<=\n\n)    \S.*", outside) == []


def test_nothing_is_left_out_that_is_not_there() -> None:
    pages = [(ROOT / page).read_text() for page in ("README.md", *PAGES_OF_DOCS)]
    texts = [text for page in pages for *_, text in FENCED.findall(page)]
    assert [each for each in NOT_RUN if not any(text.startswith(each) for text in texts)] == []


LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name
)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [each for each in targets if not (page.parent / each).exists()] == []


def test_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page for page in PAGES_OF_DOCS if f"({page})" not in readme] == []
