"""`manage.py import_constance`: the settings and stored values of a django-constance project.

The declarations need no command: CONSTANCE_CONFIG is pasted into RAFT_CONFIG as it is, and this
prints how. What is moved are the stored values, read through constance's own backend (database,
Redis, memory, or the project's own), and only those that differ from their default: constance
stores a default as soon as it is read, raft_config never does.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import CommandError
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from ...exceptions import noop
from ...language import told as said
from ...live import config
from ...schema import SchemaError, declared
from ..cli.differences import Differences, difference_data, difference_lines, shown
from ..cli.terminal import Exit, SpokenCommand, Terminal, json_option, perform
from ..cli.writing import write, write_options

PASTED = {"SETTINGS": "CONFIG", "FIELDS": "ADDITIONAL_FIELDS", "FIELDSETS": "CONFIG_FIELDSETS"}
"""Our key -> the name in `constance.settings` of what it takes unchanged."""


@dataclass
class Plan:
    """What becomes of each name that constance has a value for."""

    values: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    """Set in the cluster already, to something else."""
    problems: dict[str, str] = field(default_factory=dict)


class Command(SpokenCommand):
    """Shows what it would do, or does it as one entry."""

    help = noop("Move the stored values of django-constance here, as one entry.")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help=_("only show what would be moved")
        )
        parser.add_argument(
            "--overwrite", action="store_true", help=_("also what was changed here already")
        )
        parser.add_argument(
            "--partial", action="store_true", help=_("move the rest if some cannot be moved")
        )
        write_options(parser)
        json_option(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        perform(_move, self, options)


def _move(terminal: Terminal, options: Namespace) -> Exit:
    constance = _constance()
    undeclared = [name for name in constance.CONFIG if name not in declared()]
    if undeclared:
        return _declare_first(terminal, constance, undeclared, is_dry=options.dry_run)
    plan = _plan(_stored(constance), overwrite=options.overwrite)
    changes = _changes(plan)
    lines = [
        *difference_lines(changes),
        *(_("%s: changed here already, left alone (--overwrite)") % name for name in plan.kept),
        *(
            _("%(name)s: cannot be moved: %(problem)s") % {"name": name, "problem": problem}
            for name, problem in plan.problems.items()
        ),
    ]
    is_refused = bool(plan.problems) and not options.partial
    done: Mapping[str, Any] = {"index": None}
    ending = _("Nothing to move")
    if is_refused:
        ending = _("Nothing was moved: correct these in constance, or move the rest with --partial")
    elif options.dry_run and plan.values:
        ending = _("Nothing was moved: this is a dry run")
    elif plan.values:
        done = write(options, plan.values, expected=plan.expected, origin="import")
        facts = {"count": len(plan.values), "index": done["index"]}
        ending = _("Moved %(count)d (index %(index)d)") % facts
    data = {"changes": difference_data(changes), "kept": plan.kept, "problems": plan.problems}
    terminal.answer({**data, **done}, [*lines, ending])
    return Exit.REFUSED if is_refused else Exit.DONE


# -- what the project has


def _constance() -> ModuleType:
    try:
        return import_module("constance.settings")
    except ImportError as error:
        raise CommandError(
            _("django-constance is not installed; its values can be read only while it is.")
        ) from error


def _declare_first(
    terminal: Terminal, constance: ModuleType, undeclared: list[str], *, is_dry: bool
) -> Exit:
    told = _("Not declared yet: %s. Add this to the Django settings:") % ", ".join(undeclared)
    snippet = _snippet(constance)
    terminal.answer({"undeclared": undeclared, "paste": "\n".join(snippet)}, [told, "", *snippet])
    return Exit.DONE if is_dry else Exit.REFUSED


def _snippet(constance: ModuleType) -> list[str]:
    """The declarations, below those of constance in the same file."""
    lines = [
        f'    "{key}": CONSTANCE_{name},'
        for key, name in PASTED.items()
        if getattr(constance, name)
    ]
    return ["RAFT_CONFIG = {", *lines, "}"]


def _stored(constance: ModuleType) -> dict[str, Any]:
    """What constance would read, by name; an exception in place of a value that it cannot.

    One by one: asked for all at once, constance takes a missing table for an empty one.
    """
    try:
        backend = import_string(constance.BACKEND)()
    except (ImportError, ImproperlyConfigured, RuntimeError) as error:
        facts = {"backend": constance.BACKEND, "error": error}
        raise CommandError(
            _("The backend %(backend)s cannot be used: %(error)s") % facts
        ) from error
    found: dict[str, Any] = {}
    for name in constance.CONFIG:
        try:
            found[name] = backend.get(name)
        except (ValueError, TypeError, KeyError) as error:  # noqa: PERF203 -- each one's fault
            found[name] = error
        except Exception as error:
            # Of a database, of Redis, or of the project's own backend.
            problem = _(
                "constance cannot read %(name)s: %(error)s. Move the values while its store is "
                "there."
            )
            raise CommandError(problem % {"name": name, "error": error}) from error
    # None is what it gives for a name that is not stored.
    return {name: value for name, value in found.items() if value is not None}


# -- what becomes of it


def _plan(stored: Mapping[str, Any], *, overwrite: bool) -> Plan:
    plan = Plan()
    with config.pinned() as loaded:
        for name, raw in stored.items():
            try:
                value = _cleaned(name, raw)
            except (SchemaError, ValidationError) as error:
                plan.problems[name] = _told(error)
                continue
            here = loaded.stored.get(name)
            if repr(value) == repr(loaded.values[name]):
                continue
            if here is not None and not overwrite:
                plan.kept.append(name)
                continue
            plan.values[name] = value
            plan.expected[name] = here.index if here else 0
    return plan


def _cleaned(name: str, raw: Any) -> Any:
    if isinstance(raw, Exception):
        raise SchemaError(noop("constance cannot read it (%(error)r)"), error=raw)
    return declared()[name].clean(raw)


def _told(error: SchemaError | ValidationError) -> str:
    return said(error) if isinstance(error, SchemaError) else " ".join(error.messages)


def _changes(plan: Plan) -> Differences:
    with config.pinned():
        return {
            name: (shown(declared()[name], config[name]), shown(declared()[name], value))
            for name, value in _in_order(plan.values)
        }


def _in_order(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """As they are declared."""
    return ((name, values[name]) for name in declared() if name in values)
