"""stale, reencrypt, stubs: after settings were taken out of the code, renamed, or keys rotated."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from ...exceptions import noop
from ...language import told as said
from ...live import config
from ...schema import SchemaError, declared, stored_name_of, stubs
from ...state_machine import SEAL, Value
from .differences import shown_text
from .terminal import Action, Exit, Terminal, json_option, write_text
from .writing import write_options, write_texts

Stored = Mapping[str, Value]


def _stored() -> Stored:
    """All that is stored, under whatever name."""
    with config.pinned() as loaded:
        found: Stored = loaded.stored
    return found


# -- stale


def _stale_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--prune",
        action="store_true",
        help=_(
            "remove it, as one entry, once no node runs a release that declares it; "
            "a value under a former name is kept under the present one"
        ),
    )
    write_options(parser)
    json_option(parser)


def _stale(terminal: Terminal, options: Namespace) -> Exit:
    stored = _stored()
    former = {old: name for name, setting in declared().items() for old in setting.renamed_from}
    renamed = {name: former[name] for name in sorted(stored) if name in former}
    known = {*former, *declared(), SEAL}
    names = [name for name in sorted(stored) if name not in known]
    undeclared = _("%(name)s: declared by no setting: %(value)s")
    lines = [undeclared % {"name": name, "value": _line(name, stored)} for name in names]
    former_name = _("%(old)s: the former name of %(name)s: %(value)s")
    lines += [
        former_name % {"old": old, "name": name, "value": _line(name, {name: stored[old]})}
        for old, name in renamed.items()
    ]
    data: dict[str, Any] = {"stale": names, "renamed": renamed}
    if not options.prune or not lines:
        terminal.answer(data, lines or [_("Nothing is stale")])
        return Exit.FOUND if lines else Exit.DONE
    done = _prune(names, renamed, stored, options)
    facts = {"names": ", ".join([*names, *renamed]), "index": done["index"]}
    told = _("Removed %(names)s (index %(index)d)") % facts
    terminal.answer({**data, **done}, [*lines, told])
    return Exit.DONE


def _line(name: str, stored: Stored) -> str:
    shown = shown_text(name, stored[name].text)
    return shown.line if shown else ""


def _prune(
    names: list[str], renamed: Mapping[str, str], stored: Stored, options: Namespace
) -> dict[str, Any]:
    moved = {
        name: stored[old].text
        for old, name in renamed.items()
        if stored_name_of(name, stored) == old
    }
    reset = [*names, *renamed]
    expected = {name: stored[name].index for name in reset} | dict.fromkeys(moved, 0)
    return write_texts(options, moved, reset=reset, expected=expected)


# -- reencrypt


def _reencrypt_arguments(parser: ArgumentParser) -> None:
    write_options(parser)
    json_option(parser)


def _reencrypt(terminal: Terminal, options: Namespace) -> Exit:
    stored = _stored()
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, setting in declared().items():
        under = stored_name_of(name, stored)
        if under is None:
            continue
        try:
            if setting.needs_rewriting(stored[under].text):
                texts[under] = setting.encode(setting.decode(stored[under].text))
        except SchemaError as error:
            problems[under] = said(error)
    done: dict[str, Any] = {"index": None}
    if texts:
        expected = {name: stored[name].index for name in texts}
        done = write_texts(options, texts, expected=expected)
    told = _("Nothing to do")
    if texts:
        facts = {"names": ", ".join(texts), "index": done["index"]}
        told = _("Encrypted %(names)s anew (index %(index)d)") % facts
    left = [
        _("%(name)s: %(problem)s; left alone, set it anew") % {"name": name, "problem": problem}
        for name, problem in problems.items()
    ]
    terminal.answer({"names": list(texts), "problems": problems, **done}, [*left, told])
    return Exit.DONE


# -- stubs


def _stubs_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="FILE", help=_("beside a module that only re-exports `config`, as .pyi")
    )


def _stubs(terminal: Terminal, options: Namespace) -> Exit:
    text = stubs()
    if options.output is None:
        terminal.out.write(text, ending="")
    else:
        write_text(options.output, text)
        terminal.answer(None, [_("Wrote the types of %d settings") % len(declared())])
    return Exit.DONE


ACTIONS = (
    Action(
        "stale",
        noop("what is stored and no longer declared; exits with 6 if anything is"),
        _stale_arguments,
        _stale,
    ),
    Action(
        "reencrypt",
        noop("encrypt secrets with the first of ENCRYPTION_KEYS, after a rotation"),
        _reencrypt_arguments,
        _reencrypt,
    ),
    Action("stubs", noop("the types of `config.NAME`, as a .pyi file"), _stubs_arguments, _stubs),
)
