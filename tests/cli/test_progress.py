"""The bar of long work: what a person at a terminal sees of it, and that a pipe never does."""

from contextlib import suppress
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import OutputWrapper

from raft_config.management.cli.progress import progress_on

from .conftest import Screen


def bar(screen, steps):
    return progress_on(OutputWrapper(screen), steps)


def test_steps_and_their_parts_fill_one_line_of_a_terminal():
    screen = Screen()
    with bar(screen, 2) as progress:
        progress.step("Reading ...")
        progress.part(1, 2)
        progress.step("Writing ...")
    assert screen.percents == [0, 25, 50, 100]
    assert screen.getvalue().count("\n") == 1
    last = screen.getvalue().split("\r")[-1]
    assert last == f"[{'#' * 24}] 100 % Writing ...\x1b[K\n"


def test_work_that_fails_leaves_its_error_a_line_of_its_own():
    screen = Screen()
    with suppress(ValueError), bar(screen, 2) as progress:
        progress.step("Reading ...")
        int("nothing")
    assert screen.percents == [0]
    assert screen.getvalue().endswith("\n")


def test_the_same_figure_is_drawn_once():
    screen = Screen()
    with bar(screen, 1) as progress:
        progress.step("Reading ...")
        for done in range(10_000):
            progress.part(done, 10_000)
    assert screen.percents == list(range(101))


def test_step_of_nothing_is_done_at_once():
    screen = Screen()
    with bar(screen, 1) as progress:
        progress.step("Reading ...")
        progress.part(0, 0)
    assert screen.percents == [0, 100]


def test_pipe_gets_none_of_it():
    screen = Screen(is_terminal=False)
    with bar(screen, 1) as progress:
        progress.step("Reading ...")
    assert screen.getvalue() == ""


# -- each command with long work


def run_on(screen, *words):
    call_command(*words, stdout=StringIO(), stderr=screen)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_long_work_of_each_command_has_a_bar_on_a_terminal_alone(node, tmp_path, is_terminal):
    kept, made = tmp_path / "kept.json", tmp_path / "made"
    call_command("raft_config", "set", "MAX_ITEMS=7", stdout=StringIO())
    call_command("raft_config", "export", f"--output={kept}", stdout=StringIO())
    call_command("raft_config", "set", "MAX_ITEMS=8", stdout=StringIO())
    commands = {
        "import": ("raft_config", "import", str(kept)),
        "verify": ("raft_verify", "--local"),
        "backup": ("raft_backup", str(made)),
        "restore": ("raft_restore", str(made), "--replace", "--confirm=replace a"),
    }
    for words in commands.values():
        screen = Screen(is_terminal=is_terminal)
        run_on(screen, *words)
        assert (100 in screen.percents) is is_terminal, words
        assert is_terminal or screen.getvalue() == "", words
