"""A node that is a cluster of one, people with permissions, and their browsers."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.test import Client

from raft_config import proposals
from raft_config.permissions import create_group_permissions
from raft_config.schema import Setting

from ..html_forms import read_form

LIST = "/admin/raft_config/storedvalue/"
EDIT = f"{LIST}edit/"
HISTORY = "/admin/raft_config/change/"
DIFF = f"{HISTORY}diff/"
SCHEDULES = "/admin/raft_config/scheduledchange/"

SETTINGS = {
    "SITE_NAME": Setting("Shop", "Shown at the top.", group="Look"),
    "COLOUR": Setting("#000000", type="colour", group="Look"),
    "NOTE": Setting("", "Shown below.", type="text", group="Look"),
    "OPEN": Setting(default=True, help_text="Whether orders are taken.", group="Orders"),
    "LIMIT": Setting(10, "Orders an hour.", group="Orders"),
    "LOOSE": Setting(1, "In no group."),
}


@pytest.fixture(autouse=True)
def configured(settings, tmp_path, transactional_db):
    settings.RAFT_CONFIG = {
        "SETTINGS": SETTINGS,
        "VERSION_FILE": str(tmp_path / "version"),
        "ENCRYPTION_KEYS": ["for the tests only, and long enough for that"],
    }
    create_group_permissions(apps.get_app_config("raft_config"), apps)


class Browser:
    """Somebody who is logged in: reads pages, and sends their last form with what they change."""

    def __init__(self, user):
        self.client = Client()
        self.client.force_login(user)

    def get(self, url, status=200):
        return self._checked(self.client.get(url), status)

    def text(self, url, status=200):
        return text_of(self.get(url, status))

    def form(self, url):
        return read_form(self.get(url).content.decode())

    def post(self, url, data, status=302, follow=False):
        response = self.client.post(url, data, follow=follow)
        return self._checked(response, 200 if follow and status == 302 else status)

    def send(self, url, status=302, **changes):
        """Open the page, change some of its fields, and press its button."""
        return self.post(url, changed(self.form(url), **changes), status, follow=status == 302)

    def send_again(self, response, status=302, **changes):
        """Press the button of the page in this response."""
        data = changed(read_form(response.content.decode()), **changes)
        return self.post(response.wsgi_request.get_full_path(), data, status, follow=status == 302)

    def _checked(self, response, status):
        assert response.status_code == status, text_of(response)
        return response


def changed(data, **changes):
    """The fields of a form with some changed; None leaves one out, as an empty box is."""
    names = {"LIMIT", "SITE_NAME", "COLOUR", "NOTE", "OPEN", "LOOSE", "KEY", "PINNED"}
    merged = dict(data)
    for name, value in changes.items():
        key = f"value-{name}" if name in names else name.replace("__", "-")
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def text_of(response):
    """The page without markup, in one line."""
    page = re.sub(r"<[^>]*>", " ", response.content.decode())
    return " ".join(page.split())


def markup_of(response):
    return " ".join(response.content.decode().split())


@pytest.fixture
def editor(admin_user):
    return Browser(admin_user)


@pytest.fixture
def staff(django_user_model):
    def make(*codenames, name="eve"):
        user = django_user_model.objects.create_user(name, is_staff=True)
        found = Permission.objects.filter(
            content_type__app_label="raft_config", codename__in=codenames
        )
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        return Browser(user)

    return make


@pytest.fixture
def elsewhere():
    """Somebody else's change: returns its index."""

    def change(*, reset=(), user="bob", **values):
        return proposals.propose(values, reset=reset, user=user, origin="api").index

    return change


@pytest.fixture
def failing(monkeypatch):
    """Let the next proposals raise what a cluster in trouble would; None lets them through."""
    propose = proposals.propose
    calls = []
    state = {"error": None}

    def attempt(values, **others):
        calls.append((dict(values), others))
        if state["error"]:
            raise state["error"]
        return propose(values, **others)

    monkeypatch.setattr(proposals, "propose", attempt)

    class Failing:
        def __call__(self, error):
            state["error"] = error

        @property
        def calls(self):
            return calls

    return Failing()
