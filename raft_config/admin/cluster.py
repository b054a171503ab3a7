"""The cluster page: what this node knows at once, what the others say within a second.

`picture` finds it out, `drawing` says where it stands, `telling` puts events and entries into
words; here they become a page, and the part of it that refreshes itself.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext as _

from .. import permissions, picture
from ..models import LogEntry, Node
from ..node import get_node
from . import drawing, telling
from .facts import moment
from .operating import OperatingAdmin


@admin.register(Node)
class ClusterAdmin(OperatingAdmin):
    """For whoever may look at the node; who operates it may act as well."""

    def get_urls(self) -> list[URLPattern]:
        return [*super().get_urls(), self.route("picture/", self.picture, "picture")]

    def page(self, request: HttpRequest) -> HttpResponseBase:
        return self.render(request, "cluster", _("Cluster"), **self._context(request))

    def picture(self, request: HttpRequest) -> HttpResponseBase:
        """The part of the page that is always looked at anew."""
        context = {"opts": self.opts, **self._context(request)}
        response = TemplateResponse(request, "raft_config/admin/_cluster.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response

    def _context(self, request: HttpRequest) -> dict[str, Any]:
        node = get_node()
        found = picture.look()
        node.journal.flush(is_asked=True)
        rings, now = node.journal.rings, node.clock()
        entries = LogEntry.objects.using(node.config.database).order_by("-index")
        last = list(entries[: telling.TOLD_ENTRIES])
        return {
            "cluster": found,
            "drawing": drawing.draw(found),
            "graphs": drawing.graphs(rings.samples(now), now),
            "events": [telling.told_event(each) for each in rings.events(telling.TOLD_EVENTS)],
            "lines": telling.lines(last, found.here.commit_index, request.user),
            "may_operate": permissions.operates(request.user),
            "leader_since": moment(found.here.leader_since),
            "now": timezone.now(),
        }
