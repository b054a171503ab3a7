"""schedule, cancel: the changes that wait for their time."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.utils.translation import gettext as _

from ... import history
from ...exceptions import noop
from ...proposals import cancel_schedule
from ...state_machine import Scheduled
from .differences import NOT_SET, shown_text
from .past import at
from .terminal import Action, Exit, Terminal, json_option
from .writing import write_options


def _schedule(terminal: Terminal, _options: Namespace) -> Exit:
    found = history.scheduled()
    terminal.answer(
        [_data(each) for each in found],
        [line for each in found for line in _lines(each)] or [_("Nothing is scheduled")],
    )
    return Exit.DONE


def _data(change: Scheduled) -> dict[str, Any]:
    texts = {name: shown_text(name, text) for name, text in change.values.items()}
    return {
        "id": change.schedule_id,
        "apply_at": at(change.apply_at).isoformat(),
        "values": {name: each.json for name, each in texts.items() if each is not None},
        "reset": [name for name, each in texts.items() if each is None],
        "user": change.note.user,
        "comment": change.note.comment,
    }


def _lines(change: Scheduled) -> list[str]:
    when = {"when": at(change.apply_at).isoformat(), "who": change.note.user}
    told = (_("at %(when)s by %(who)s") if change.note.user else _("at %(when)s")) % when
    comment = f"  # {change.note.comment}" if change.note.comment else ""
    return [
        f"{change.schedule_id}  {told}{comment}",
        *(
            f"    {name} = {text.line if text else NOT_SET}"
            for name, text in (
                (each, shown_text(each, change.values[each])) for each in change.values
            )
        ),
    ]


def _cancel_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=int, help=_("as `schedule` shows it"))
    write_options(parser)
    json_option(parser)


def _cancel(terminal: Terminal, options: Namespace) -> Exit:
    answer = cancel_schedule(
        options.id,
        user=options.user,
        comment=options.comment,
        origin="cli",
        request_id=options.request_id,
        timeout_seconds=options.timeout,
    )
    told = _("Cancelled %(id)d (index %(index)d)") % {"id": options.id, "index": answer.index}
    terminal.answer({"index": answer.index, "id": options.id}, [told])
    return Exit.DONE


ACTIONS = (
    Action("schedule", noop("the changes that wait for their time"), json_option, _schedule),
    Action("cancel", noop("take a scheduled change back"), _cancel_arguments, _cancel),
)
