"""The tables in docs/ that are made from the code, each below a comment that names it.

python -m tools.pages           write them anew
python -m tools.pages --check   1 if one is not what the code says
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "raft_config"
PLACE = re.compile(r"(<!-- made by tools/pages.py: (\w+) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)
CHECK = r"(E/W|E|W)(\d{3})"

# -- the keys of RAFT_CONFIG


def keys(path: Path, name: str) -> str:
    """The attributes of a dataclass, with the text below each."""
    rows = {field: (default, said) for field, default, said in _fields(path, name)}
    rows.pop("timing", None)  # a table of its own: it holds keys that are written beside the others

    def shown(said: str) -> str:
        return re.sub(r"`(\w+)`", lambda m: m[0].upper() if m[1] in rows else m[0], said)

    lines = [
        f"| `{each.upper()}` | {default} | {shown(said)} |"
        for each, (default, said) in rows.items()
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *lines])


def _fields(path: Path, name: str) -> Iterator[tuple[str, str, str]]:
    found = ast.parse(path.read_text("utf-8")).body
    (body,) = (each.body for each in found if isinstance(each, ast.ClassDef) and each.name == name)
    for field, below in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            said = getattr(getattr(below, "value", None), "value", "")
            yield field.target.id, _default(field.value), " ".join(str(said).split())


def _default(value: ast.expr | None) -> str:
    text = ast.unparse(value) if value else ""
    if "factory" in text or "default=(" in text or text == "''":
        return ""
    if "election_timeout" in text:
        return "`ELECTION_TIMEOUT_SECONDS`"
    if match := re.search(r"default=([^,)]+)", text):
        text = match[1]
    if match := re.fullmatch(r"(\d+) \* 1024( \* 1024)?", text):
        return f"{match[1]} {'MiB' if match[2] else 'KiB'}"
    return f"`{text}`" if text != "''" else ""


# -- the system checks


def checks() -> str:
    """Every id, from the table at the top of `checks`, and the reason from its function."""
    reasons = dict(_reasons())
    told: dict[str, tuple[str, str, str]] = {}
    for area, kind, number, what in _told():
        old = told.get(number, (kind, area, what))
        areas = old[1] if area in old[1] else f"{old[1]}, {area}"
        told[number] = (kind, areas, old[2] if what in old[2] else f"{old[2]}; {what}")
    lines = [
        f"| `{kind}{number}` | {areas} | {what} | {reasons[number]} |"
        for number, (kind, areas, what) in sorted(told.items())
    ]
    return "\n".join(["| id | asks | of | because of |", "|---|---|---|---|", *lines])


def _told() -> Iterator[tuple[str, str, str, str]]:
    source = (PACKAGE / "checks" / "__init__.py").read_text("utf-8")
    area = ""
    for line in (ast.get_docstring(ast.parse(source)) or "").split("\n\n")[2].splitlines():
        area = line[:20].strip() or area
        for kind, number, what in re.findall(rf"{CHECK} (.+?)(?=\s+[EW/]+\d{{3}}|$)", line):
            yield area, kind, number, what


def _reasons() -> Iterator[tuple[str, str]]:
    for path in sorted((PACKAGE / "checks").glob("*.py"), reverse=True):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
            if match := re.match(rf"{CHECK}: (.+)", " ".join((text or "").split())):
                yield match[2], re.sub(r"\s*\(DESIGN.*?\)|\.$", "", match[3])


# -- the pages

TABLES: dict[str, Callable[[], str]] = {
    "RaftConfig": lambda: keys(PACKAGE / "conf" / "options.py", "RaftConfig"),
    "RaftSettings": lambda: keys(PACKAGE / "core" / "settings.py", "RaftSettings"),
    "EtcdOptions": lambda: keys(PACKAGE / "conf" / "options.py", "EtcdOptions"),
    "checks": checks,
}
PAGES = ("reference.md", "checks.md")


def made(text: str) -> str:
    """A page with its tables as the code says now."""
    return PLACE.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)


def main() -> int:
    """1 if a page is not what the code says."""
    wrong = 0
    for path in (ROOT / "docs" / name for name in PAGES):
        text = path.read_text("utf-8")
        if text == made(text):
            continue
        if "--check" in sys.argv:
            sys.stdout.write(f"docs/{path.name} is not what the code says: run `make fix`\n")
            wrong = 1
        else:
            path.write_text(made(text), "utf-8")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
