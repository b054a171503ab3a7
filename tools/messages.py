"""The catalogues of `raft_config/locale`: whether they are whole, and bringing them up to date.

    python -m tools.messages           take in new texts, drop old ones, compile
    python -m tools.messages --check   tell what is missing or wrong, and change nothing

Django's `makemessages` does the first, with the programs of GNU gettext. They are not installed
everywhere, and what is in the catalogues should not depend on it; so the texts are found with
Python's own parser and Django's, and files are read and written by polib. Line numbers are left
out: they would change with every commit.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polib  # type: ignore[import-untyped] # one file, without types
from django.utils.translation.template import templatize

PACKAGE = Path(__file__).resolve().parent.parent / "raft_config"
PLURALS = {
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "ja": "nplurals=1; plural=0;",
}
"""The languages, and how each counts."""

SINGLE = frozenset({"_", "gettext", "gettext_lazy", "gettext_noop", "noop"})
PLURAL = frozenset({"ngettext", "ngettext_lazy"})
IN_TEMPLATE = re.compile(
    r"""\b(_|n?gettext)\(\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
    r"""(?:\s*,\s*u?('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))?"""
)
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}")


@dataclass(frozen=True, order=True)
class Text:
    """What is to be translated, and how it reads for many; the same for "" if it does not count."""

    one: str
    many: str = ""


# -- what the package says


def texts() -> dict[Text, list[str]]:
    """Every text of the package, and the files in which it stands."""
    found: dict[Text, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".html"):
            said = _in_python if path.suffix == ".py" else _in_template
            for text in said(path.read_text("utf-8")):
                found.setdefault(text, []).append(path.relative_to(PACKAGE).as_posix())
    return found


def _in_python(source: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", "")
        wanted = 1 if name in SINGLE else 2 if name in PLURAL else 0
        words = [str(each.value) for each in node.args[:wanted] if isinstance(each, ast.Constant)]
        if wanted and len(words) == wanted:
            yield Text(*words)


def _in_template(source: str) -> Iterator[Text]:
    for name, one, many in IN_TEMPLATE.findall(templatize(source)):
        counts = name == "ngettext"
        yield Text(ast.literal_eval(one), ast.literal_eval(many) if counts else "")


# -- the catalogues


def catalogue(language: str) -> Path:
    """Where one is."""
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "django.po"


def load(language: str) -> polib.POFile:
    """One, as it is; empty if there is none yet."""
    path = catalogue(language)
    return polib.pofile(str(path)) if path.exists() else polib.POFile()


def update(language: str) -> None:
    """Take in what is new, drop what is said no more, and compile."""
    old = {Text(entry.msgid, entry.msgid_plural): entry for entry in load(language)}
    new = polib.POFile(wrapwidth=100)
    new.metadata = {
        "Project-Id-Version": "raft_config",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": PLURALS[language],
    }
    for text, files in sorted(texts().items()):
        entry = old.get(text) or polib.POEntry(msgid=text.one, msgid_plural=text.many)
        if text.many and not entry.msgstr_plural:
            entry.msgstr_plural = dict.fromkeys(range(int(PLURALS[language][9])), "")
        entry.occurrences = [(name, "") for name in sorted(set(files))]
        if "%(" in text.one and "python-format" not in entry.flags:
            entry.flags.append("python-format")
        new.append(entry)
    catalogue(language).parent.mkdir(parents=True, exist_ok=True)
    new.save(str(catalogue(language)))
    new.save_as_mofile(str(catalogue(language).with_suffix(".mo")))


def problems(language: str) -> Iterator[str]:
    """What is missing or wrong in one."""
    found = load(language)
    entries = {Text(entry.msgid, entry.msgid_plural): entry for entry in found}
    said = texts()
    yield from (f"new: {each.one!r} ({said[each][0]})" for each in said if each not in entries)
    yield from (f"said no more: {each.one!r}" for each in entries if each not in said)
    for entry in entries.values():
        yield from _problems_of(entry)
    compiled = catalogue(language).with_suffix(".mo")
    if not compiled.exists() or compiled.read_bytes() != found.to_binary():
        yield "the .mo is not this .po: run `make fix`"


def _problems_of(entry: polib.POEntry) -> Iterator[str]:
    if entry.fuzzy or not entry.translated():
        yield f"not translated: {entry.msgid!r}"
        return
    wanted = {frozenset(PLACEHOLDER.findall(each)) for each in (entry.msgid, entry.msgid_plural)}
    for given in entry.msgstr_plural.values() if entry.msgid_plural else [entry.msgstr]:
        if frozenset(PLACEHOLDER.findall(given)) not in wanted:
            yield f"other placeholders: {entry.msgid!r} -> {given!r}"


def main() -> int:
    """1 if anything is wrong."""
    wrong = 0
    for language in PLURALS:
        if "--check" not in sys.argv:
            update(language)
        for problem in problems(language):
            sys.stdout.write(f"{language}: {problem}\n")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
