"""Every Python snippet of the pages named here runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["docs/embedding.md"]


def snippets() -> list[tuple[str, str]]:
    return [
        (f"{page}:{number}", code)
        for page in PAGES
        for number, code in enumerate(
            re.findall(
                r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
            ),
            1,
        )
    ]


@pytest.mark.parametrize(("where", "code"), snippets(), ids=lambda each: each[:40])
def test_snippet_runs_as_it_stands(where: str, code: str) -> None:
    exec(compile(code, where, "exec"), {})  # noqa: S102 - our own pages


def test_there_are_snippets_to_run() -> None:
    assert len(snippets()) >= 3
