"""What the pages share: tables that are only shown, and pages of our own in the admin's frame.

Our pages are views of our own: Django's change view runs inside `atomic()`, and a change that other
nodes have to agree on cannot take part in a rollback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from .. import permissions
from ..conf import get_config
from .problems import PageError, Problem

# Generic for the type checker alone: Django's own class is not.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Model]
else:
    ModelAdmin = admin.ModelAdmin

View = Callable[..., HttpResponseBase]


class ShownAdmin(ModelAdmin):
    """A table that the engine owns: to be looked at, never edited."""

    actions = None
    list_display_links: Any = None
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """None: by asking whether a command begins with a letter, a secret could be guessed."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Model]:
        return super().get_queryset(request).using(get_config().database)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class PageAdmin(ShownAdmin):
    """An entry of the admin's index that leads to pages of ours."""

    def get_urls(self) -> list[URLPattern]:
        return [self.route("", self.page, "changelist")]

    def route(self, pattern: str, view: View, name: str) -> URLPattern:
        """A page below this entry; whoever may see nothing here is refused before it runs."""

        def guarded(request: HttpRequest, **captured: Any) -> HttpResponseBase:
            if not self.has_view_or_change_permission(request):
                raise PermissionDenied
            request.current_app = self.admin_site.name
            try:
                return view(request, **captured)
            except PageError as error:
                return self.render(request, "problem", _("Not possible"), problem=error.problem)

        # What was typed may be a secret: a report of an error must not tell it.
        hidden = sensitive_post_parameters()(sensitive_variables()(guarded))
        # Outermost, where ATOMIC_REQUESTS looks for it.
        wrapped = transaction.non_atomic_requests(self.admin_site.admin_view(hidden))
        return path(pattern, wrapped, name=f"{self.opts.app_label}_{self.opts.model_name}_{name}")

    def page(self, request: HttpRequest) -> HttpResponseBase:
        raise NotImplementedError

    def url(self, name: str, **captured: Any) -> str:
        """The address of a page that `route` has named."""
        full = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{name}"
        return reverse(full, kwargs=captured, current_app=self.admin_site.name)

    def render(
        self,
        request: HttpRequest,
        template: str,
        title: str,
        *,
        problem: Problem | None = None,
        **context: Any,
    ) -> HttpResponse:
        """A page in the admin's frame; its status is the problem's."""
        frame = self.admin_site.each_context(request)
        return TemplateResponse(
            request,
            f"raft_config/admin/{template}.html",
            {**frame, "title": title, "opts": self.opts, "problem": problem, **context},
            status=problem.status if problem else 200,
        )


class VisibleAdmin(PageAdmin):
    """Pages about settings: for whoever may see one of them."""

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return permissions.views_all(request.user) or bool(permissions.viewable(request.user))
