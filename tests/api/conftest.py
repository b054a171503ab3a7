"""A site with a node of its own, and people who may see some of its settings."""

from __future__ import annotations

import json
import threading

import pytest
import uvicorn
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.asgi import get_asgi_application
from django.test import Client

from raft_config import permissions, proposals
from raft_config.models import StoredValue
from raft_config.schema import Setting
from tests.peers import PATIENCE_SECONDS, eventually

PREFIX = "/api/settings/"
SECRET = "xyzzy-the-secret-itself"

SETTINGS = {
    "MAX_ITEMS": Setting(20, "Items in a cart.", group="Shop", public=True),
    "BANNER": Setting("", "Above the goods.", group="Shop"),
    "THEME": Setting(
        "light", group="Shop", choices=[("light", "Light"), ("dark", "Dark")], type="choice"
    ),
    "SENDER": Setting("shop@example.com", type="email", group="Mail"),
    "API_KEY": Setting("", group="Mail", secret=True),
    "LIMITS": Setting({"a": 1}, "Of no group."),
}


@pytest.fixture(autouse=True)
def site(settings, tmp_path, transactional_db):
    """The settings of a cluster of one; a test may change them before its first request."""
    settings.RAFT_CONFIG = {
        "SETTINGS": SETTINGS,
        "VERSION_FILE": str(tmp_path / "version"),
        "ENCRYPTION_KEYS": ["for the tests only, and long enough for that"],
    }
    return settings


class Api:
    """A client that speaks JSON, and keeps what it was told for a secret to be looked for."""

    def __init__(self, client):
        self.client = client
        self.told = []

    def __call__(self, method, path="", body=None, **options):
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        extra = {} if data is None else {"data": data, "content_type": "application/json"}
        response = self.client.generic(method, PREFIX + path, **extra | options)
        self.told.append((dict(response.headers), response.content))
        response.data = json.loads(response.content) if response.content else None
        return response

    def get(self, path="", **options):
        return self("GET", path, **options)

    def put(self, path, body, **options):
        return self("PUT", path, body, **options)

    def patch(self, path, body, **options):
        return self("PATCH", path, body, **options)

    def post(self, path, body, **options):
        return self("POST", path, body, **options)

    def delete(self, path, **options):
        return self("DELETE", path, **options)


def permission(codename):
    found, _ = Permission.objects.get_or_create(
        codename=codename,
        content_type=ContentType.objects.get_for_model(StoredValue),
        defaults={"name": codename},
    )
    return found


@pytest.fixture
def logged_in(django_user_model):
    """Log in somebody who has these permissions: "view Shop", "change Mail", "change"."""

    def log_in(*granted, name="eve"):
        user = django_user_model.objects.create_user(name)
        for each in granted:
            action, _, group = each.partition(" ")
            codename = (
                permissions.group_codename(action, group) if group else f"{action}_storedvalue"
            )
            user.user_permissions.add(permission(codename))
        client = Client()
        client.force_login(user)
        return Api(client)

    return log_in


@pytest.fixture
def api(django_user_model):
    """Somebody who may do everything."""
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("ada"))
    return Api(client)


@pytest.fixture
def nobody():
    return Api(Client())


@pytest.fixture
def server():
    """The site under uvicorn, on loopback; its address."""
    configuration = uvicorn.Config(
        get_asgi_application(), port=0, log_level="warning", lifespan="off", ws="none"
    )
    running = uvicorn.Server(configuration)
    thread = threading.Thread(target=running.run)
    thread.start()
    eventually(lambda: running.started)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}{PREFIX}"
    running.should_exit = True
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def change(values=(), reset=(), **options):
    """Change settings beside the API; returns the index."""
    return proposals.propose(dict(values), reset=reset, **options).index


def problem(response, status, code):
    """The body of a problem, after a look at its shape."""
    assert (response.status_code, response.data["code"]) == (status, code), response.data
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.data["status"] == status
    assert response.data["detail"]
    return response.data
