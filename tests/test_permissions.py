"""Who may view and change which setting, by the permissions that `migrate` made."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.management import call_command

from raft_config.permissions import (
    changeable,
    create_group_permissions,
    group_codename,
    may_change,
    may_view,
    viewable,
    views_all,
)
from raft_config.schema import Setting, declared

pytestmark = pytest.mark.django_db

LOOSE, LOOK, SALE = "LOOSE", "COLOUR", "PERCENT"


@pytest.fixture(autouse=True)
def configured(settings):
    settings.RAFT_CONFIG = {
        "SETTINGS": {
            LOOSE: Setting(1),
            LOOK: Setting("red", group="Look"),
            SALE: Setting(15, group="Summer sale"),
        }
    }
    create_group_permissions(apps.get_app_config("raft_config"), apps)


@pytest.fixture
def user(django_user_model):
    def make(*codenames):
        made = django_user_model.objects.create_user("eve")
        found = Permission.objects.filter(codename__in=codenames)
        assert len(found) == len(codenames)
        made.user_permissions.set(found)
        return made

    return make


def test_superuser_may_all(admin_user):
    assert list(viewable(admin_user)) == list(changeable(admin_user)) == [LOOSE, LOOK, SALE]
    assert views_all(admin_user)


def test_stranger_may_nothing(user):
    assert viewable(AnonymousUser()) == viewable(user()) == {}
    assert not views_all(AnonymousUser())


def test_viewer_of_all_changes_nothing(user):
    viewer = user("view_storedvalue")
    assert list(viewable(viewer)) == [LOOSE, LOOK, SALE]
    assert changeable(viewer) == {}


def test_viewer_of_a_group_sees_that_group_alone(user):
    viewer = user("view_group_summer-sale")
    assert list(viewable(viewer)) == [SALE]
    assert may_view(viewer, declared()[SALE])
    assert not may_view(viewer, declared()[LOOK])
    assert not may_view(viewer, declared()[LOOSE])
    assert not may_change(viewer, declared()[SALE])
    assert not views_all(viewer)


def test_who_may_change_a_group_may_see_it(user):
    changer = user("change_group_look")
    assert list(viewable(changer)) == list(changeable(changer)) == [LOOK]


def test_setting_without_a_group_needs_the_permission_for_all(user):
    changer = user("change_group_look", "change_group_summer-sale")
    assert not may_view(changer, declared()[LOOSE])


@pytest.mark.parametrize("group", ["R&D", "&", "Größe", "x" * 300, "a  b", "../x"])
def test_codename_of_any_group_is_short_and_its_own(group):
    codename = group_codename("change", group)
    assert len(codename) <= 100
    simple = {group_codename("change", each) for each in ("RD", "", "Groe", "x" * 80, "a b", "x")}
    assert codename not in simple


def test_groups_cannot_share_a_codename_by_what_is_dropped_from_it():
    assert group_codename("view", "R&D") != group_codename("view", "R/D")


def test_migrate_makes_the_permissions_of_new_groups_once(settings):
    settings.RAFT_CONFIG = {"SETTINGS": {"NEW": Setting(1, group="Brand new")}}
    for _ in range(2):
        call_command("migrate", verbosity=0)
        found = Permission.objects.filter(codename__endswith="_group_brand-new")
        assert sorted(found.values_list("codename", "content_type__app_label")) == [
            ("change_group_brand-new", "raft_config"),
            ("view_group_brand-new", "raft_config"),
        ]
