"""Every Python snippet of the pages named here runs as it stands.

Those of a page about the project run from top to bottom, as in one shell: a RAFT_CONFIG that one of
them makes is in force for the next.
"""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from raft_config.schema import registry
from raft_config.schema.classes import registry as classes

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["docs/embedding.md"]
PAGES_ABOUT_THE_PROJECT = ["docs/settings.md", "docs/signals.md", "docs/using.md"]

FENCED = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def snippets(page: str) -> list[tuple[str, str]]:
    found = FENCED.findall((ROOT / page).read_text())
    return [
        (f"{page}:{number}", textwrap.dedent(code)) for number, (_, code) in enumerate(found, 1)
    ]


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


LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda page: page.name
)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [each for each in targets if not (page.parent / each).exists()] == []


def test_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")]
    assert [page for page in pages if f"({page})" not in readme] == []
