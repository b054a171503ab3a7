"""Every Python and Django that the package supports: `nox` runs all, `nox --list` names them.

    nox -s "tests(3.13-6.1)"          one pair
    nox -s lowest                     the oldest releases that pyproject.toml allows
    tests/postgres.sh nox -R          all again, on PostgreSQL, in the environments already made

A session runs what can tell the pairs apart: not the pure core and its simulation, which know no
Django, not the types, and not the tests that start servers and whole clusters of them. Words after
`--` replace that choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = True

PAIRS = [
    *(("3.10", "5.2"), ("3.11", "5.2")),
    *(("3.12", "5.2"), ("3.12", "6.0"), ("3.12", "6.1")),
    *(("3.13", "5.2"), ("3.13", "6.0"), ("3.13", "6.1")),
]
"""Django 6 needs Python 3.12."""

LEFT_OUT = (
    *("core", "simulation", "browser", "e2e", "test_typing.py"),
    *("attacks/test_server.py", "faults", "power"),
)
CHOICE = ("-m", "not e2e", *(f"--ignore=tests/{each}" for each in LEFT_OUT))

TOOLS = (
    *("build", "django-constance", "gunicorn", "hatchling", "hypothesis", "polib"),
    *("pytest", "pytest-django", "pytest-randomly", "pytest-xdist"),
    *("requests", "time-machine", "uvicorn"),
)
"""What these tests need beside the package and its extras."""


@nox.session
@nox.parametrize(("python", "django"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def tests(session: nox.Session, django: str) -> None:
    """The newest of one Django, and for the rest the pinned releases."""
    pins = pinned(session, lambda name: name != "django")
    session.install("-c", pins, f"django~={django}.0", *bounds(), *TOOLS, "psycopg[binary]")
    run_tests(session)


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """The oldest releases that the package allows, under the oldest Python."""
    oldest = [f"{name}=={version}" for name, version in bounds().items()]
    pins = pinned(session, TOOLS.__contains__)
    session.install("-c", pins, *oldest, *TOOLS, "psycopg[binary]")
    run_tests(session)


def run_tests(session: nox.Session) -> None:
    session.run("python", "-m", "pytest", "-n", "2", *(session.posargs or CHOICE))


def bounds() -> dict[str, str]:
    """The lower bound of each dependency, those of the extras too."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(each for extra in extras for each in extra)]
    return dict(re.match(r"([\w.-]+)>=([\w.]+)", each).groups() for each in asked)


def pinned(session: nox.Session, keep: Callable[[str], bool]) -> str:
    """A file with what the requirements files say of the packages that are kept."""
    files = ("requirements.txt", "requirements-dev.txt")
    lines = [line for name in files for line in Path(name).read_text().splitlines()]
    kept = [line for line in lines if "==" in line and keep(line.partition("==")[0])]
    path = Path(session.create_tmp()) / "pins.txt"
    path.write_text("\n".join(kept))
    return str(path)
