"""A site with a node of its own, whose every address is known, and people with few rights."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core import serializers
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from raft_config.permissions import create_group_permissions
from raft_config.schema import Setting

WORD = "hunter2-the-secret-itself"
SETTINGS = {
    "MAX_ITEMS": Setting(20, group="Shop", public=True),
    "BANNER": Setting("", group="Shop"),
    "SENDER": Setting("shop@example.com", group="Mail"),
    "PASSWORD": Setting("", group="Mail", secret=True),
}


@pytest.fixture
def site(settings, tmp_path, node):
    settings.RAFT_CONFIG = {
        "SETTINGS": SETTINGS,
        "VERSION_FILE": str(tmp_path / "version"),
        "ENCRYPTION_KEYS": ["for the tests only, and long enough for that"],
    }
    create_group_permissions(apps.get_app_config("raft_config"), apps)
    return settings


@pytest.fixture
def person(site, django_user_model):
    """Log in a member of the staff who has these permissions, and no others."""

    def log_in(*codenames, name="eve", **options):
        user = django_user_model.objects.create_user(name, is_staff=True)
        found = Permission.objects.filter(
            content_type__app_label="raft_config", codename__in=codenames
        )
        assert len(found) == len(codenames)
        user.user_permissions.set(found)
        client = Client(raise_request_exception=False, **options)
        client.force_login(user)
        return client

    return log_in


def tables():
    """Every row of every table; but sessions, and what a process has measured of itself."""
    left_out = {"sessions.Session", "raft_config.Sample"}
    models = [each for each in apps.get_models() if each._meta.label not in left_out]
    return {
        each._meta.label: serializers.serialize("json", each._base_manager.order_by("pk"))
        for each in models
    }


def addresses(prefix):
    """Every address below the prefix that leads to a view, with its name; nothing is left out."""
    return sorted(set(_addresses(get_resolver().url_patterns, "/", prefix)))


def _addresses(patterns, before, prefix):
    for each in patterns:
        here = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _addresses(each.url_patterns, here, prefix)
        elif isinstance(each, URLPattern) and here.startswith(prefix):
            yield here
