"""A project that knows nothing of this repository: made by Django, changed as the pages say."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import requests

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
FENCED = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HOST = "127.0.0.1"
PATIENCE_SECONDS = 90.0
"""Three nodes start from nothing, on a machine that is busy with others."""


def blocks(page: str, heading: str, language: str) -> list[str]:
    """The fenced blocks of one section of a page, in their order."""
    _, _, rest = (ROOT / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    section, _, _ = rest.partition("\n## ")
    return [text for found, text in FENCED.findall(section) if found == language]


def commands(block: str) -> list[list[str]]:
    """The words after `python manage.py` of each line."""
    prompt = "$ python manage.py "
    lines = block.splitlines()
    assert all(line.startswith(prompt) for line in lines), block
    return [line.removeprefix(prompt).split() for line in lines]


def eventually(condition: Callable[[], T], what: str) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def free_ports(count: int) -> list[int]:
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in sockets]


class Site:
    """A project in a folder; `environment` is what its processes find there beside PATH."""

    def __init__(self, python: Path, folder: Path, environment: dict[str, str]) -> None:
        self.python = python
        self.folder = folder
        # The temporary directory too: what nodes map there is named after the path of their
        # database, but nothing that a test leaves should lie outside of its folder.
        self.environment = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), **environment}

    @classmethod
    def start(cls, python: Path, folder: Path) -> Site:
        folder.mkdir()
        site = cls(python, folder, {})
        site.run("-m", "django", "startproject", "mysite", ".")
        return site

    def copy(self, folder: Path, **environment: str) -> Site:
        """The same project on another machine."""
        shutil.copytree(self.folder, folder)
        return Site(self.python, folder, {**self.environment, "TMPDIR": str(folder), **environment})

    def append(self, name: str, block: str) -> None:
        with (self.folder / "mysite" / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{block}")

    def run(self, *words: str) -> str:
        """What it prints. Warnings are errors, as in the other tests."""
        ended = subprocess.run(  # noqa: S603 - our own command line
            [str(self.python), "-W", "error", *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{words}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def manage(self, *words: str) -> str:
        return self.run("manage.py", *words)

    def follow(self, block: str) -> list[str]:
        """What each command of a block prints."""
        return [self.manage(*words) for words in commands(block)]

    def shell(self, code: str) -> str:
        return self.run("manage.py", "shell", "--no-imports", "-c", code)

    @contextmanager
    def running(self, *words: str) -> Iterator[None]:
        """A process for the length of a block."""
        log = self.folder / f"{words[-1].replace('/', '_')}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [str(self.python), *words],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end; then end what is left of its group."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(url: str) -> bool:
    """Whether a web server is there, whatever it says."""
    try:
        requests.get(url, timeout=5)
    except requests.RequestException:
        return False
    return True
