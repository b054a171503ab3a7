"""Headless Chromium, and a demo of three nodes for it to look at.

`RAFT_CONFIG_TEST_BROWSER=1` asks for these tests; without it, or a Chromium, they are skipped.
"""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..demos import EDITOR, Demo, free_ports

BINARIES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
PATIENCE_MILLISECONDS = 30_000
SERIOUS = ("serious", "critical")


def pytest_collection_modifyitems(items):
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    reason = ""
    if os.environ.get("RAFT_CONFIG_TEST_BROWSER", "") in ("", "0"):
        reason = "RAFT_CONFIG_TEST_BROWSER=1 asks for it"
    elif not find_spec("playwright") or not find_spec("axe_playwright_python"):
        reason = "playwright is not installed"
    elif binary is None:
        reason = "there is no Chromium on the PATH"
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    running = Demo(folder / "data", free_ports(3), folder / "terminal", NODES="3")
    try:
        running.wait_until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - may be missing

    binary = next(filter(None, map(shutil.which, BINARIES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(QUIET))
        yield browser
        browser.close()


class Person:
    """Somebody at a browser of their own, logged in to the admin of one node."""

    def __init__(self, browser, demo, node_id, **options):
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MILLISECONDS)
        self.page = self.context.new_page()
        self.problems = []
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.admin = f"{demo.url(node_id)}admin/"
        self.page.goto(f"{self.admin}login/?next=/admin/")
        self.page.fill("[name=username]", "admin")
        self.page.fill("[name=password]", "admin")
        self.page.click("[type=submit]")
        self.page.wait_for_url(self.admin)

    def _listen(self, message):
        if message.type == "error" and "the server responded with a status of" not in message.text:
            self.problems.append(message.text)

    def goto(self, path):
        return self.page.goto(f"{self.admin}{path}")

    def edit(self, query):
        return self.page.goto(f"{self.admin}{EDITOR.removeprefix('admin/')}?{query}")

    def type(self, **values):
        for name, value in values.items():
            self.page.fill(f"[name='value-{name}']", value)

    def press(self, button):
        """Press a button, and wait for the page that it leads to."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button, exact=True).click()

    def save(self, query, **values):
        self.edit(query)
        self.type(**values)
        self.press("Save")
        assert "at index" in self.text()

    def keep_picture(self, name):
        """Of the page as it is, for docs/images, where RAFT_CONFIG_KEEP_PICTURES=1 asks for it."""
        if os.environ.get("RAFT_CONFIG_KEEP_PICTURES", "") not in ("", "0"):
            self.page.locator("#content").screenshot(path=PICTURES / f"action-{name}.png")

    def text(self):
        return " ".join(self.page.locator("#container, body").first.inner_text().split())

    def value(self, name):
        return self.page.input_value(f"[name='value-{name}']")

    def close(self):
        self.context.close()


@pytest.fixture
def person(chromium, demo):
    """People, each with a browser of their own; none of their pages may complain."""
    people = []

    def make(node_id="a", **options):
        people.append(Person(chromium, demo, node_id, **options))
        return people[-1]

    yield make
    for each in people:
        each.close()
    assert [problem for each in people for problem in each.problems] == []


@pytest.fixture(scope="session")
def axe():
    """Everything serious that axe finds in a page, as "rule: element"."""
    found = find_spec("axe_playwright_python")
    script = (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")

    def look(person):
        heard = list(person.problems)
        person.page.evaluate(script)
        violations = person.page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        person.problems[:] = heard  # axe tries styles of its own, which the page's policy refuses
        return [
            f"{each['id']}: {node['html'][:200]}"
            for each in violations
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    return look
