"""stale: what is stored and no longer declared."""

from __future__ import annotations

import time
import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from ...conf import get_config
from ...live import config
from ...proposals import submit
from ...schema import declared, stored_name_of
from ...state_machine import Command, Note, Value
from .differences import shown_text
from .terminal import Action, Exit, Terminal, json_option
from .writing import write_options


def _stale_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove it, as one entry, once no node runs a release that declares it; "
        "a value under a former name is kept under the present one",
    )
    write_options(parser)
    json_option(parser)


def _stale(terminal: Terminal, options: Namespace) -> Exit:
    with config.pinned() as loaded:
        stored: Mapping[str, Value] = loaded.stored
    former = {old: name for name, setting in declared().items() for old in setting.renamed_from}
    renamed = {name: former[name] for name in sorted(stored) if name in former}
    names = [name for name in sorted(stored) if name not in former and name not in declared()]
    lines = [f"{name}: declared by no setting: {_line(name, stored)}" for name in names]
    lines += [
        f"{old}: the former name of {name}: {_line(old, stored)}" for old, name in renamed.items()
    ]
    data: dict[str, Any] = {"stale": names, "renamed": renamed}
    if not options.prune or not lines:
        terminal.answer(data, lines or ["Nothing is stale"])
        return Exit.FOUND if lines else Exit.DONE
    command = _pruning(names, renamed, stored, options)
    answer = submit(command, options.timeout)
    told = f"Removed {', '.join(command.reset)} (index {answer.index})"
    terminal.answer({**data, "index": answer.index}, [*lines, told])
    return Exit.DONE


def _line(name: str, stored: Mapping[str, Value]) -> str:
    shown = shown_text(name, stored[name].text)
    return shown.line if shown else ""


def _pruning(
    names: list[str], renamed: Mapping[str, str], stored: Mapping[str, Value], options: Namespace
) -> Command:
    """The texts as they are: values in force stay in force, whether or not they would be taken."""
    moved = {new: stored[old] for old, new in renamed.items() if stored_name_of(new, stored) == old}
    reset = (*names, *renamed)
    return Command(
        request_id=options.request_id or uuid.uuid4().hex,
        values={name: value.text for name, value in moved.items()},
        reset=reset,
        expected={**{name: stored[name].index for name in reset}, **dict.fromkeys(moved, 0)},
        note=Note(time.time(), options.user, "cli", get_config().node_id, options.comment),
    )


ACTIONS = (
    Action(
        "stale",
        f"what is stored and no longer declared; exits with {Exit.FOUND:d} if anything is",
        _stale_arguments,
        _stale,
    ),
)
