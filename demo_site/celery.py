"""The project's own Celery app, for a broker server that BROKER_URL names.

    celery -A demo_site worker -B -Q raft.<node id>

The demo needs none: `manage.py raft_node` is worker and beat in one process.
"""

import os

import django
from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
django.setup()

from raft_config.tasks import beat_schedule, queue_name  # noqa: E402 - needs Django set up

app = Celery("demo_site")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = queue_name()
app.conf.beat_schedule = beat_schedule()
app.autodiscover_tasks()
