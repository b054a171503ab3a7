"""Who may look at a setting, and who may change it.

    view_storedvalue, change_storedvalue            every setting
    view_group_<slug>, change_group_<slug>          those of one group
    view_node, operate_cluster                      the cluster: to look at it, to act upon it

All are ordinary permissions of Django's, of the app `raft_config`: given to users and groups in the
admin, or by any authentication backend. Who may change may look. What somebody may not look at is
to be left out wherever settings are told of: values, history, watch, export.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.db import DEFAULT_DB_ALIAS, router
from django.utils.text import slugify

from .schema import Setting, declared

APP: Final = "raft_config"
VIEW: Final = "view"
CHANGE: Final = "change"

MAX_SLUG_LENGTH: Final = 80
"""With its prefix it has to fit in the 100 characters of a codename."""

MAX_NAME_LENGTH: Final = 255


def may_view(user: Any, setting: Setting) -> bool:
    """Whether this user may see the setting: its value, its history, and that it exists."""
    return _has_any(user, setting.group, (VIEW, CHANGE))


def may_change(user: Any, setting: Setting) -> bool:
    """Whether this user may set and reset the setting."""
    return _has_any(user, setting.group, (CHANGE,))


def viewable(user: Any) -> dict[str, Setting]:
    """The declared settings that this user may see, in order."""
    return _allowed(user, (VIEW, CHANGE))


def changeable(user: Any) -> dict[str, Setting]:
    """The declared settings that this user may change, in order."""
    return _allowed(user, (CHANGE,))


def views_all(user: Any) -> bool:
    """Whether this user may see every setting, also those that this release does not declare."""
    return any(user.has_perm(f"{APP}.{action}_storedvalue") for action in (VIEW, CHANGE))


def operates(user: Any) -> bool:
    """Whether this user may act upon the cluster: its leader, its members, its snapshots."""
    return bool(user.has_perm(f"{APP}.operate_cluster"))


def group_codename(action: str, group: str) -> str:
    """The codename of the permission for a group. Groups that differ in case alone share one."""
    slug = slugify(group, allow_unicode=True)[:MAX_SLUG_LENGTH]
    if slug != group.lower().replace(" ", "-"):  # "R&D" must not be what "RD" is
        digest = hashlib.sha256(group.encode()).hexdigest()[:8]
        slug = f"{slug[: MAX_SLUG_LENGTH - 9]}-{digest}".lstrip("-")
    return f"{action}_group_{slug}"


def _allowed(user: Any, actions: tuple[str, ...]) -> dict[str, Setting]:
    settings = declared()
    groups = {setting.group for setting in settings.values()}
    allowed = {group for group in groups if _has_any(user, group, actions)}
    return {name: setting for name, setting in settings.items() if setting.group in allowed}


def _has_any(user: Any, group: str, actions: Iterable[str]) -> bool:
    return any(user.has_perm(permission) for permission in _permissions(group, actions))


def _permissions(group: str, actions: Iterable[str]) -> Iterator[str]:
    for action in actions:
        yield f"{APP}.{action}_storedvalue"
        if group:
            yield f"{APP}.{group_codename(action, group)}"


def create_group_permissions(
    app_config: AppConfig,  # noqa: ARG001 -- Django gives it by name
    apps: Apps = installed_apps,  # `flush` gives none
    using: str = DEFAULT_DB_ALIAS,
    **_: object,
) -> None:
    """After `migrate`: make what is missing for the declared groups; nothing is ever taken away."""
    try:
        permission = apps.get_model("auth", "Permission")
        content_type = apps.get_model("contenttypes", "ContentType")
    except LookupError:
        return  # a project without users
    if not router.allow_migrate_model(using, permission):
        return
    owner, _created = content_type.objects.using(using).get_or_create(
        app_label=APP, model="storedvalue"
    )
    names = {
        group_codename(action, setting.group): f"Can {action} settings of group {setting.group}"
        for setting in declared().values()
        for action in (VIEW, CHANGE)
        if setting.group
    }
    permission.objects.using(using).bulk_create(
        [
            permission(content_type=owner, codename=codename, name=name[:MAX_NAME_LENGTH])
            for codename, name in names.items()
        ],
        ignore_conflicts=True,
    )
