"""The cluster as this node sees it; it asks nobody, so it works when the others fail."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from .. import status
from ..models import Node
from .base import PageAdmin


@admin.register(Node)
class ClusterAdmin(PageAdmin):
    """The state of this node, and the members as it sees them."""

    def page(self, request: HttpRequest) -> HttpResponseBase:
        return self.render(request, "cluster", _("Cluster"), cluster=status.read())
