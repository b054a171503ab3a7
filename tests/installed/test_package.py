"""What the wheel and the sdist contain."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import raft_config

from .conftest import ROOT, Built

PACKAGE = ROOT / "raft_config"
LEFT_BY_TOOLS = ("__pycache__", ".pyc")


def sources() -> set[str]:
    """Every file of the package, as it has to arrive."""
    return {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and not any(each in str(path) for each in LEFT_BY_TOOLS)
    }


@pytest.fixture(scope="module")
def in_the_wheel(built: Built) -> set[str]:
    with zipfile.ZipFile(built.wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def in_the_sdist(built: Built) -> set[str]:
    with tarfile.open(built.sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_wheel_has_every_file_of_the_package_and_no_other(in_the_wheel: set[str]) -> None:
    assert in_the_wheel == sources()


@pytest.mark.parametrize(
    "name",
    [
        "raft_config/py.typed",
        "raft_config/migrations/0001_initial.py",
        "raft_config/templatetags/raft_config.py",
        "raft_config/templates/raft_config/admin/base.html",
        "raft_config/static/raft_config/admin.css",
        "raft_config/management/commands/raft_node.py",
        "raft_config/locale/ja/LC_MESSAGES/django.mo",
    ],
)
def test_wheel_has_what_is_easily_forgotten(in_the_wheel: set[str], name: str) -> None:
    assert name in in_the_wheel


def test_sdist_has_the_package_and_what_speaks_of_it(in_the_sdist: set[str]) -> None:
    assert sources() <= in_the_sdist
    beside = {name for name in in_the_sdist if not name.startswith("raft_config/")}
    assert beside == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "pyproject.toml",
    }


def test_installed_package_is_not_the_one_of_this_repository(python: Path, tmp_path: Path) -> None:
    code = "import raft_config; print(raft_config.__version__, raft_config.__file__)"
    line = [str(python), "-W", "error", "-c", code]
    printed = subprocess.check_output(line, cwd=tmp_path, text=True)  # noqa: S603 - ours
    version, file = printed.split()
    assert version == raft_config.__version__
    assert Path(file).is_relative_to(python.parent.parent)


def test_metadata_names_what_the_package_is_tested_with(python: Path) -> None:
    (folder,) = python.parent.parent.glob("lib/python*/site-packages/raft_config-*.dist-info")
    found = metadata.Distribution.at(folder)
    assert found.metadata["License-Expression"] == "BSD-3-Clause"
    assert found.metadata["Requires-Python"] == ">=3.10"
    assert {"openapi", "postgres", "redis", "secrets"} <= set(
        found.metadata.get_all("Provides-Extra") or ()
    )
    assert [each.value for each in found.entry_points] == ["raft_config.pytest_plugin"]
