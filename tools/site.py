"""A hook of MkDocs: the pages beside `docs/` belong to the site as well.

They stand in the root, where whoever opens the repository looks for them. Here they get an address,
and the links between both places are turned to it; so no page is written twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
BESIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
}
"""In the root -> in the site."""

LINK = re.compile(r"\]\((?:\.\./|docs/)?([^)#:\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root."""
    for name, address in BESIDE.items():
        files.append(File.generated(config, address, content=(ROOT / name).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Turn `docs/x.md` and `../README.md` to where they are in the site."""
    return LINK.sub(_turned, markdown)


def _turned(match: re.Match[str]) -> str:
    target, anchor = match.groups()
    return f"]({BESIDE.get(target, target)}{anchor or ''})"
