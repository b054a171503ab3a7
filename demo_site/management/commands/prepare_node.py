"""Make a node of the demo ready: its tables, and a superuser that the demo prints."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = (
        "Migrate this node's database and create the demo's superuser, admin with password admin."
    )

    def handle(self, *_: Any, **__: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            users.create_superuser("admin", password="admin")  # noqa: S106, printed on purpose
        self.stdout.write("This node is ready.")
