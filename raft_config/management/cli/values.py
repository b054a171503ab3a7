"""list, get, set, reset."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils.translation import gettext as _

from ...exceptions import noop
from ...live import config
from ...loading import Loaded
from ...schema import Setting, declared, groups, stored_name_of
from .terminal import Action, Exit, Terminal, as_json, in_line, json_option, require, typed
from .writing import expected_indexes, time_options, write, write_options


def _list_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--changed", action="store_true", help=_("only what differs from the default")
    )
    parser.add_argument("--group", help=_("only the settings of this group"))
    json_option(parser)


def _list(terminal: Terminal, options: Namespace) -> Exit:
    names = list(declared())
    if options.group is not None:
        if options.group not in groups():
            facts = {"group": options.group, "known": ", ".join(filter(None, groups())) or "-"}
            raise CommandError(_("There is no group %(group)s. Groups are: %(known)s.") % facts)
        names = groups()[options.group]
    with config.pinned() as loaded:
        if options.changed:
            names = [name for name in names if config.source(name) != "default"]
        found = [_described(name, loaded) for name in names]
        lines = [
            f"{name} = {in_line(declared()[name], config[name])}  ({config.source(name)})"
            for name in names
        ]
    terminal.answer(found, lines)
    return Exit.DONE


def _described(name: str, loaded: Loaded) -> dict[str, Any]:
    """What scripts are told of a setting."""
    setting = declared()[name]
    stored = loaded.stored.get(stored_name_of(name, loaded.stored) or name)
    return {
        "name": name,
        "value": as_json(setting, config[name]),
        "default": as_json(setting, setting.default),
        "type": setting.kind_name,
        "group": setting.group,
        "source": config.source(name),
        "index": stored.index if stored else 0,
    }


def _get_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name")
    parser.add_argument(
        "--linearizable",
        action="store_true",
        help=_("ask the leader: no older than any change so far"),
    )
    json_option(parser)


def _get(terminal: Terminal, options: Namespace) -> Exit:
    setting = require(options.name)
    if options.linearizable:
        config.read(options.name, consistency="linearizable")
    with config.pinned() as loaded:
        terminal.answer(_described(options.name, loaded), [typed(setting, config[options.name])])
    return Exit.DONE


def _set_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "assignments",
        nargs="+",
        metavar="NAME VALUE | NAME=VALUE",
        help=_('as typed into a form; "-" reads standard input; several are one entry'),
    )
    parser.add_argument(
        "--expected-index",
        action="append",
        default=[],
        metavar="[NAME=]INDEX",
        help=_("only if the setting was last changed at this index (0: it has its default)"),
    )
    time_options(parser)
    write_options(parser)
    json_option(parser)


def _set(terminal: Terminal, options: Namespace) -> Exit:
    texts = _assignments(options.assignments)
    settings = {name: require(name) for name in texts}
    expected = expected_indexes(options.expected_index, list(texts))
    if sum(text in (None, "-") for text in texts.values()) > 1:
        raise CommandError(_("Only one value can come through standard input."))
    values = _parsed(settings, {name: _asked(settings[name], name, texts[name]) for name in texts})
    done = write(options, values, expected=expected)
    told = {name: as_json(settings[name], value) for name, value in values.items()}
    lines = [f"{name} = {in_line(settings[name], value)}" for name, value in values.items()]
    terminal.answer({**done, "values": told}, [*lines, _ending(options, done["index"])])
    return Exit.DONE


def _ending(options: Namespace, index: int) -> str:
    if options.apply_at:
        facts = {"when": options.apply_at.isoformat(), "index": index}
        return _("Scheduled for %(when)s (index %(index)d)") % facts
    if options.expires_at:
        facts = {"when": options.expires_at.isoformat(), "index": index}
        return _("Set until %(when)s (index %(index)d)") % facts
    return _("Set (index %d)") % index


def _assignments(words: Sequence[str]) -> dict[str, str | None]:
    """The texts by name; None where one is still to be asked for."""
    if "=" not in words[0]:
        if len(words) > len(("NAME", "VALUE")):
            raise CommandError(
                _("Write NAME VALUE for one setting, NAME=VALUE for each of several.")
            )
        return {words[0]: words[1] if len(words) > 1 else None}
    found: dict[str, str | None] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name in found:
            raise CommandError(_("%r is no NAME=VALUE, or names a setting twice.") % word)
        found[name] = text
    return found


def _asked(setting: Setting, name: str, text: str | None) -> str:
    """The text, wherever it has to come from."""
    if text is None:
        return _typed_in(setting, name)
    if text == "-":
        return sys.stdin.read().removesuffix("\n")
    if setting.is_secret:
        problem = _(
            "%(name)s is a secret, and whatever stands on a command line can be seen by others. "
            "Leave the value out to be asked for it, or send it: set %(name)s - <file."
        )
        raise CommandError(problem % {"name": name})
    return text


def _typed_in(setting: Setting, name: str) -> str:
    # Not from a pipe unless "-" says so: that of a timer's script is empty, and a value as well.
    if not sys.stdin.isatty():
        problem = _("Give a value, or - to read it from standard input: set %s -.")
        raise CommandError(problem % name)
    try:
        return getpass.getpass(f"{name}: ") if setting.is_secret else input(f"{name}: ")
    except EOFError as error:
        raise CommandError(_("Nothing was typed, so nothing was changed.")) from error


def _parsed(settings: Mapping[str, Setting], texts: Mapping[str, str]) -> dict[str, Any]:
    """The values that were typed. Raises ValidationError for all that are wrong."""
    values: dict[str, Any] = {}
    errors: dict[str, ValidationError] = {}
    for name, text in texts.items():
        try:
            values[name] = settings[name].parse(text)
        except ValidationError as error:  # noqa: PERF203 -- all that is wrong is told at once
            errors[name] = error
    if errors:
        raise ValidationError(errors)
    return values


def _reset_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME")
    write_options(parser)
    json_option(parser)


def _reset(terminal: Terminal, options: Namespace) -> Exit:
    for name in options.names:
        require(name)
    done = write(options, {}, reset=options.names)
    facts = {"names": ", ".join(options.names), "index": done["index"]}
    told = _("Reset %(names)s (index %(index)d)") % facts
    terminal.answer({**done, "reset": options.names}, [told])
    return Exit.DONE


ACTIONS = (
    Action("list", noop("every setting and its value"), _list_arguments, _list),
    Action("get", noop("one value, as `set` takes it"), _get_arguments, _get),
    Action("set", noop("change values, as one entry"), _set_arguments, _set),
    Action("reset", noop("go back to the declared defaults"), _reset_arguments, _reset),
)
