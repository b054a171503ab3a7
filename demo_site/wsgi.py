"""The web workers' entry point; the handler serves the admin's and our own CSS as well."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")

application = StaticFilesHandler(get_wsgi_application())
