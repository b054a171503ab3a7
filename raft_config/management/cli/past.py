"""history, revert, restore: what was changed, and putting it back as a new change."""

from __future__ import annotations

import datetime as dt
from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from ... import history
from ...exceptions import noop
from ...history import Change
from ...language import told as said
from ...schema import SchemaError, declared
from .differences import (
    Differences,
    difference_data,
    difference_lines,
    left_alone,
    pair_data,
    shown,
    shown_text,
    stored_texts,
)
from .terminal import Action, Exit, Terminal, json_option
from .writing import instant, write, write_options


def _history_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help=_("only these"))
    parser.add_argument("--by", default="", metavar="USER", help=_("only this user's changes"))
    parser.add_argument("--origin", default="", help=_("admin, api, cli, import, python, ..."))
    parser.add_argument("--since", type=instant, metavar="WHEN", help=_("ISO 8601"))
    parser.add_argument("--until", type=instant, metavar="WHEN", help=_("ISO 8601"))
    parser.add_argument(
        "--before", type=int, metavar="INDEX", help=_("older ones: for a next page")
    )
    parser.add_argument("--after", type=int, metavar="INDEX", help=_("newer ones"))
    parser.add_argument("--limit", type=int, default=50, help=_("how many at least, if there are"))
    json_option(parser)


def _history(terminal: Terminal, options: Namespace) -> Exit:
    found = history.changes(
        names=options.names or None,
        user=options.by,
        origin=options.origin,
        since=options.since,
        until=options.until,
        before_index=options.before,
        after_index=options.after,
        limit=max(1, options.limit),
    )
    terminal.answer([_change_data(each) for each in found], map(_change_line, found))
    return Exit.DONE


def _change_data(change: Change) -> dict[str, Any]:
    note = change.note
    return {
        "index": change.index,
        "name": change.name,
        **pair_data("old", "new", *_pair(change)),
        "changed_at": at(note.changed_at).isoformat(),
        "user": note.user,
        "origin": note.origin,
        "node": note.node,
        "comment": note.comment,
    }


def _change_line(change: Change) -> str:
    note = change.note
    who = " ".join(filter(None, (note.user, f"({note.origin}, {note.node})")))
    when = f"{timezone.localtime(at(note.changed_at)):%Y-%m-%d %H:%M:%S}"
    (told,) = difference_lines({change.name: _pair(change)})
    comment = f"  # {note.comment}" if note.comment else ""
    return f"{change.index}  {when}  {who}  {told}{comment}"


def _pair(change: Change) -> tuple[Any, Any]:
    return shown_text(change.name, change.old), shown_text(change.name, change.new)


def at(seconds: float) -> dt.datetime:
    """An instant of a `Note`."""
    return dt.datetime.fromtimestamp(seconds, tz=dt.timezone.utc)


# -- putting back


def _back_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("index", type=int, help=_("as `history` shows it"))
    parser.add_argument("--dry-run", action="store_true", help=_("only show what would change"))
    write_options(parser)
    json_option(parser)


def _revert_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--force", action="store_true", help=_("also what was changed again since then")
    )
    _back_arguments(parser)


def _revert(terminal: Terminal, options: Namespace) -> Exit:
    putting = history.undoing(options.index)
    last = history.latest([*putting[0], *putting[1]])
    later = ", ".join(name for name, change in last.items() if change.index > options.index)
    if later and not options.force:
        raise CommandError(
            _("%s was changed again since then; --force puts the older value back even so.")
            % later,
            returncode=Exit.CONFLICT,
        )
    return _put_back(terminal, options, putting, _("Reverted %d") % options.index)


def _restore(terminal: Terminal, options: Namespace) -> Exit:
    putting = history.restoring(options.index)
    return _put_back(terminal, options, putting, _("Restored %d") % options.index)


def _put_back(terminal: Terminal, options: Namespace, putting: history.Putting, told: str) -> Exit:
    """Bring it about, as one new entry; what no setting declares is left alone."""
    texts, reset, expected = putting
    names = [name for name in (*texts, *reset) if name in declared()]
    unknown = [name for name in (*texts, *reset) if name not in declared()]
    values = {name: _value(name, texts[name]) for name in names if name in texts}
    stored = stored_texts()
    changes: Differences = {
        name: (
            shown_text(name, stored.get(name)),
            shown(declared()[name], values[name]) if name in values else None,
        )
        for name in names
    }
    done: dict[str, Any] = {"index": None}
    ending = _("Nothing was changed: this is a dry run") if names else _("Nothing to do")
    if names and not options.dry_run:
        kept = {name: expected[name] for name in names}
        options.comment = options.comment or told
        done = write(
            options, values, reset=[name for name in names if name in reset], expected=kept
        )
        ending = _("%(done)s (index %(index)d)") % {"done": told, "index": done["index"]}
    data = {"changes": difference_data(changes), "unknown": unknown, **done}
    terminal.answer(data, [*difference_lines(changes), *left_alone(unknown), ending])
    return Exit.DONE


def _value(name: str, text: str) -> Any:
    try:
        return declared()[name].decode_given(text)
    except SchemaError as error:
        problem = _("%(name)s %(problem)s; it cannot be put back by this release.")
        raise CommandError(problem % {"name": name, "problem": said(error)}) from error


ACTIONS = (
    Action("history", noop("what was changed, newest first"), _history_arguments, _history),
    Action("revert", noop("undo one change, as a new one"), _revert_arguments, _revert),
    Action("restore", noop("bring back how it was after a change"), _back_arguments, _restore),
)
