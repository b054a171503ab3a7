"""Plants what the environment names in a node's process, once everything is imported."""

import os
from pathlib import Path

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    """In the settings of the harness alone."""

    name = "tests.faults"
    label = "raft_config_faults"

    def ready(self) -> None:
        if path := os.environ.get("CLOCK"):
            from .following import follow  # noqa: PLC0415 - only where it was asked for

            follow(Path(path))
        if name := os.environ.get("MUTANT"):
            from .mutants import plant  # noqa: PLC0415 - needs the models

            plant(name)
