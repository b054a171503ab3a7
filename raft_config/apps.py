"""The Django app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig
from django.core.signals import request_finished, request_started
from django.db.models.signals import post_migrate


class RaftConfigConfig(AppConfig):
    """Live settings that every node of a cluster agrees on."""

    name = "raft_config"
    verbose_name = "Raft config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Begin what has to wait for the models."""
        import_module("raft_config.checks")
        import_module("raft_config.schema").autodiscover()
        permissions = import_module("raft_config.permissions")
        post_migrate.connect(permissions.create_group_permissions, sender=self)
        watcher = import_module("raft_config.watcher").watcher
        request_started.connect(watcher.listen, dispatch_uid="raft_config")
        note_served = import_module("raft_config.version_file").note_served
        request_finished.connect(note_served, dispatch_uid="raft_config")
