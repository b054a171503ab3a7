"""The Django app."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RaftConfigConfig(AppConfig):
    """Live settings that every node of a cluster agrees on."""

    name = "raft_config"
    verbose_name = "Raft config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks: they look at settings and databases, so not any earlier."""
        if find_spec("raft_config.checks") is not None:
            import_module("raft_config.checks")
        permissions = import_module("raft_config.permissions")
        post_migrate.connect(permissions.create_group_permissions, sender=self)
