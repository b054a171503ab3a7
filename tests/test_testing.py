"""The test kit: other values for the length of a test, for every thread, without a database.

Nothing here may use the database: a test that did would fail.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import unittest
from pathlib import Path
from threading import Thread

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.template import Context, Template
from django.test import SimpleTestCase

from raft_config import config
from raft_config.exceptions import InvalidCommandError
from raft_config.schema import Setting
from raft_config.testing import override_config

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def declared(settings, tmp_path):
    settings.RAFT_CONFIG = {
        "SETTINGS": {"MAX_ITEMS": Setting(20), "SITE_NAME": Setting("Shop"), "PLANS": Setting([])},
        "VERSION_FILE": str(tmp_path / "version"),
    }


def in_another_thread(function):
    found = []
    thread = Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def run(case):
    """The outcome of a unittest class."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def problems(result):
    return [text for _, text in (*result.errors, *result.failures)]


# -- values


def test_read_without_a_database_gives_the_default():
    with pytest.raises(RuntimeError, match="not allowed"):
        connection.ensure_connection()
    assert (config.MAX_ITEMS, config.all()["SITE_NAME"]) == (20, "Shop")


def test_read_without_database_or_version_file_gives_the_default(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.RAFT_CONFIG = {
        **settings.RAFT_CONFIG,
        "VERSION_FILE": str(tmp_path / "file" / "version"),
    }
    assert config.MAX_ITEMS == 20


def test_block_has_the_value_and_nothing_after_it():
    with override_config(MAX_ITEMS=3):
        assert (config.MAX_ITEMS, config["MAX_ITEMS"], config.get("MAX_ITEMS")) == (3, 3, 3)
        assert config.all() == {"MAX_ITEMS": 3, "SITE_NAME": "Shop", "PLANS": []}
        assert Template("{{ config.MAX_ITEMS }}").render(Context({"config": config})) == "3"
    assert config.MAX_ITEMS == 20


def test_inner_override_wins_and_the_outer_one_comes_back():
    with override_config(MAX_ITEMS=3, SITE_NAME="Deli"):
        with override_config(MAX_ITEMS=4):
            assert (config.MAX_ITEMS, config.SITE_NAME) == (4, "Deli")
        assert config.MAX_ITEMS == 3


def test_override_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), override_config(MAX_ITEMS=3):
        raise ZeroDivisionError
    assert config.MAX_ITEMS == 20


def test_overrides_that_overlap_end_in_any_order():
    first, second = override_config(MAX_ITEMS=3), override_config(SITE_NAME="Deli")
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert (config.MAX_ITEMS, config.SITE_NAME) == (20, "Deli")
    second.__exit__()
    assert (config.MAX_ITEMS, config.SITE_NAME) == (20, "Shop")


def test_other_threads_see_it_as_a_live_server_would():
    with override_config(MAX_ITEMS=3):
        assert in_another_thread(lambda: config.MAX_ITEMS) == 3


def test_list_that_the_code_changes_stays_as_the_test_gave_it():
    with override_config(PLANS=["a"]):
        config.PLANS.append("b")
        assert config.PLANS == ["a"]


def test_value_is_cleaned_like_any_other():
    with override_config(MAX_ITEMS="3"):
        assert config.MAX_ITEMS == 3


def test_wrong_value_and_unknown_name_are_refused():
    with pytest.raises(ValidationError) as raised, override_config(MAX_ITEMS="many"):
        pass
    assert raised.value.message_dict.keys() == {"MAX_ITEMS"}
    with (
        pytest.raises(InvalidCommandError, match=r"no setting MAX_ITEM to.*'MAX_ITEMS'"),
        override_config(MAX_ITEM=3),
    ):
        pass
    assert config.MAX_ITEMS == 20


# -- functions


@override_config(MAX_ITEMS=3)
def test_decorated_function_has_the_value_and_its_fixtures(tmp_path):
    assert (config.MAX_ITEMS, tmp_path.is_dir()) == (3, True)


@override_config(MAX_ITEMS=3)
def countdown(steps):
    """Recursive: the decorator is entered again before it was left."""
    return [config.MAX_ITEMS, *(countdown(steps - 1) if steps else [])]


def test_decorated_function_may_call_itself():
    assert countdown(2) == [3, 3, 3]
    assert config.MAX_ITEMS == 20


def test_coroutine_has_the_value_while_it_runs_and_not_before():
    @override_config(MAX_ITEMS=3)
    async def decorated():
        await asyncio.sleep(0)
        return config.MAX_ITEMS

    async def main():
        begun = decorated()
        before = config.MAX_ITEMS
        async with override_config(SITE_NAME="Deli"):
            return before, await begun, config.SITE_NAME, config.MAX_ITEMS

    assert asyncio.run(main()) == (20, 3, "Deli", 20)
    assert config.SITE_NAME == "Shop"


def test_generator_has_the_value_until_it_is_finished():
    @override_config(MAX_ITEMS=3)
    def steps():
        yield config.MAX_ITEMS
        yield config.MAX_ITEMS

    running = steps()
    assert config.MAX_ITEMS == 20
    assert (next(running), config.MAX_ITEMS) == (3, 3)
    assert (list(running), config.MAX_ITEMS) == ([3], 20)


def test_asynchronous_generator_has_the_value_until_it_is_finished():
    @override_config(MAX_ITEMS=3)
    async def steps():
        yield config.MAX_ITEMS

    async def main():
        return [each async for each in steps()], config.MAX_ITEMS

    assert asyncio.run(main()) == ([3], 20)


# -- classes


class Cases:
    """Decorated classes, in here so that this module's own runner does not find them."""

    @override_config(MAX_ITEMS=3)
    class Decorated(SimpleTestCase):
        seen = ()

        @classmethod
        def setUpClass(cls):
            super().setUpClass()
            cls.seen = (config.MAX_ITEMS,)

        def setUp(self):
            self.in_set_up = config.MAX_ITEMS

        def test_sync(self):
            assert (*self.seen, self.in_set_up, config.MAX_ITEMS) == (3, 3, 3)

        async def test_async(self):
            assert config.MAX_ITEMS == 3

        @override_config(MAX_ITEMS=4)
        def test_method_wins(self):
            assert config.MAX_ITEMS == 4

    class Inheriting(Decorated):
        pass

    @override_config(MAX_ITEMS=4, SITE_NAME="Deli")
    @override_config(MAX_ITEMS=5)
    class DecoratedAgain(Decorated):
        def test_sync(self):
            assert (*self.seen, config.MAX_ITEMS, config.SITE_NAME) == (5, 5, "Deli")

        test_async = None

    @override_config(MAX_ITEMS=3)
    class FailsEarly(SimpleTestCase):
        @classmethod
        def setUpClass(cls):
            raise ZeroDivisionError

        def test_nothing(self):
            pass


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Cases.Decorated, id="decorated"),
        pytest.param(Cases.Inheriting, id="inheriting"),
    ],
)
def test_unittest_class_has_the_value_from_set_up_class_to_its_end(case):
    result = run(case)
    assert (problems(result), result.testsRun) == ([], 3)
    assert config.MAX_ITEMS == 20


def test_class_decorated_again_has_the_inner_value():
    result = run(Cases.DecoratedAgain)
    assert (problems(result), result.testsRun) == ([], 2)


def test_unittest_class_whose_set_up_fails_leaves_nothing_behind():
    (problem,) = problems(run(Cases.FailsEarly))
    assert "ZeroDivisionError" in problem
    assert config.MAX_ITEMS == 20


# -- a project of its own, under pytest


PROJECT = """
import pytest
from raft_config import config
from raft_config.testing import override_config


@override_config(SHOP_LIMIT=3)
def test_class_of_an_app_sees_it():
    from shop.raft_settings import Shop

    assert (Shop.LIMIT, config.SHOP_LIMIT) == (3, 3)


def test_class_of_an_app_has_its_default_again():
    from shop.raft_settings import Shop

    assert Shop.LIMIT == 10


@override_config(MAX_ITEMS=3)
class TestPlain:
    @classmethod
    def setup_class(cls):
        cls.seen = config.MAX_ITEMS

    def test_seen(self, tmp_path):
        assert (self.seen, config.MAX_ITEMS) == (3, 3)


class TestInheriting(TestPlain):
    def setup_method(self):
        assert config.MAX_ITEMS == 3


@override_config(MAX_ITEMS=4)
class TestDecoratedAgain(TestPlain):
    @classmethod
    def teardown_class(cls):
        super().teardown_class()
        assert config.MAX_ITEMS == 4

    def test_seen(self, tmp_path):
        assert (self.seen, config.MAX_ITEMS) == (4, 4)


@override_config(MAX_ITEMS=4)
class TestFailing:
    @staticmethod
    def setup_class():
        raise ZeroDivisionError

    def test_never_runs(self):
        pass


def test_nothing_is_left_behind():
    assert config.MAX_ITEMS == 20


def test_fixture_lasts_as_long_as_the_test(override_raft_config):
    override_raft_config(MAX_ITEMS=5)
    assert config.MAX_ITEMS == 5
    override_raft_config(MAX_ITEMS=6, SITE_NAME="Deli")
    assert (config.MAX_ITEMS, config.SITE_NAME) == (6, "Deli")


def test_nothing_of_the_fixture_is_left_behind():
    assert (config.MAX_ITEMS, config.SITE_NAME) == (20, "Shop")


@pytest.fixture
@override_config(MAX_ITEMS=7)
def few():
    yield


def test_decorated_fixture_lasts_as_long_as_the_test(few):
    assert config.MAX_ITEMS == 7
"""

PROJECT_SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["raft_config", "shop"]
RAFT_CONFIG = {"SETTINGS": {"MAX_ITEMS": (20,), "SITE_NAME": ("Shop",)}, "VERSION_FILE": "%s"}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "nowhere.sqlite3"}}
"""


APP_SETTINGS = """
from raft_config import Setting, Settings


class Shop(Settings):
    LIMIT = Setting(10)
"""


def test_plain_classes_and_the_fixture_in_a_project_without_database_access(tmp_path):
    (tmp_path / "test_project.py").write_text(PROJECT)
    (tmp_path / "project_settings.py").write_text(PROJECT_SETTINGS % (tmp_path / "version"))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "raft_settings.py").write_text(APP_SETTINGS)
    plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "raft_config.pytest_plugin"]
    # Not the fixture's own registration: this checkout need not be installed.
    ended = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "pytest", "-q", *plugins, "--ds=project_settings", str(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "9 passed, 1 error" in ended.stdout, ended.stdout + ended.stderr
    assert "ERROR test_project.py::TestFailing::test_never_runs - ZeroDivisionError" in ended.stdout


def test_pytest_finds_the_fixture_in_an_installed_package():
    declared = '[project.entry-points.pytest11]\nraft_config = "raft_config.pytest_plugin"\n'
    assert declared in (ROOT / "pyproject.toml").read_text()


def test_the_kit_can_be_imported_before_django_is_set_up():
    code = "import raft_config.testing, raft_config.pytest_plugin"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=True, timeout=60)  # noqa: S603
