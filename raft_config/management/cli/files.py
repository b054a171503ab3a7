"""diff, export, import: what is set here against the defaults, the past, or a file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ... import exchange, history
from ...exceptions import noop
from ...exchange import ImportPlan
from ...live import config
from ...schema import declared
from .differences import (
    Differences,
    difference_data,
    difference_lines,
    left_alone,
    shown,
    shown_text,
    stored_texts,
)
from .terminal import Action, Exit, Terminal, json_option, read_text, require, write_text
from .writing import write, write_options

# -- diff


def _diff_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        metavar="FILE | INDEX [INDEX]",
        help=_(
            'nothing: the defaults -> now; a file ("-": standard input): now -> the file; '
            "an index: then -> now; two: one -> the other"
        ),
    )
    json_option(parser)


def _diff(terminal: Terminal, options: Namespace) -> Exit:
    found = _differences(options.what)
    terminal.answer(difference_data(found), difference_lines(found))
    return Exit.FOUND if found else Exit.DONE


def _differences(what: Sequence[str]) -> Differences:
    if not what:
        return _since_the_defaults()
    if len(what) <= len(("FROM", "TO")) and all(word.isdecimal() for word in what):
        return _between([int(word) for word in what])
    if len(what) > 1:
        raise CommandError(
            _("Compare with nothing, with one file, with one index, or two indexes.")
        )
    plan = exchange.plan_import(exchange.from_text(read_text(what[0])), prune=True)
    return _planned(plan)


def _since_the_defaults() -> Differences:
    with config.pinned():
        return {
            name: (shown(setting, setting.default), shown(setting, config[name]))
            for name, setting in declared().items()
            if config.source(name) != "default"
        }


def _between(indexes: Sequence[int]) -> Differences:
    with config.pinned() as loaded:
        changed = history.difference(indexes[0], [*indexes, loaded.version][1])
    return {
        name: (shown_text(name, old), shown_text(name, new)) for name, (old, new) in changed.items()
    }


def _planned(plan: ImportPlan) -> Differences:
    """What is set now, and what would be."""
    stored = stored_texts()
    after = {name: shown(declared()[name], value) for name, value in plan.values.items()}
    return {
        name: (shown_text(name, stored.get(name)), after.get(name))
        for name in (*plan.values, *plan.reset)
    }


# -- export


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help=_("only these"))
    parser.add_argument("--output", metavar="FILE", help=_("instead of standard output"))
    parser.add_argument(
        "--with-secrets", action="store_true", help=_("as encrypted as they are stored")
    )


def _export(terminal: Terminal, options: Namespace) -> Exit:
    for name in options.names:
        require(name)
    data = exchange.export(options.names or None, with_secrets=options.with_secrets)
    text = exchange.to_text(data)
    if options.output is None:
        terminal.out.write(text, ending="")
    else:
        write_text(options.output, text, for_owner_only=options.with_secrets)
        terminal.answer(
            None,
            [
                _("%(count)d settings as of index %(index)d")
                % {"count": len(data["settings"]), "index": data["index"]}
            ],
        )
    return Exit.DONE


# -- import


def _import_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", help=_('as `export` writes it; "-" is standard input'))
    parser.add_argument("--dry-run", action="store_true", help=_("only show what would change"))
    parser.add_argument(
        "--prune", action="store_true", help=_("also reset what is set here and not in the file")
    )
    write_options(parser)
    json_option(parser)


def _import(terminal: Terminal, options: Namespace) -> Exit:
    given = exchange.from_text(read_text(options.file))
    with terminal.progress() as progress:
        progress.step(_("Checking every value ..."))
        plan = exchange.plan_import(given, prune=options.prune, heard=progress.part)
    changes = _planned(plan)
    done: Mapping[str, Any] = {"index": None}
    ending = _("Nothing to do") if plan.is_empty else _("Nothing was changed: this is a dry run")
    if not (options.dry_run or plan.is_empty):
        with terminal.progress() as progress:
            progress.step(_("Waiting for the cluster ..."))
            done = write(
                options, plan.values, reset=plan.reset, expected=plan.expected, origin="import"
            )
        ending = _("Imported (index %d)") % done["index"]
    left = [*left_alone(plan.unknown), *_fixed(plan.from_environment)]
    data = {"changes": difference_data(changes), "unknown": list(plan.unknown), **done}
    terminal.answer(data, [*difference_lines(changes), *left, ending])
    return Exit.DONE


def _fixed(names: Iterable[str]) -> list[str]:
    return [_("%s: decided by the environment of this node, left alone") % name for name in names]


ACTIONS = (
    Action("diff", noop("what differs; exits with 6 if anything does"), _diff_arguments, _diff),
    Action("export", noop("what is set, as JSON"), _export_arguments, _export),
    Action("import", noop("set what a file says, as one entry"), _import_arguments, _import),
)
