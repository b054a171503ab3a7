"""What all views of the API share: who may, how fresh, how errors are answered.

DRF's settings of the project count where they are the project's business (authentication, further
permissions, throttles, exemption from nothing). What would change the API itself is pinned: the
format of bodies and answers, versions, ATOMIC_REQUESTS (no proposal can take part in a rollback).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

from django.db import connections, transaction
from django.http import Http404, HttpRequest
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from .. import permissions, proposals
from ..live import wait_until_applied
from ..schema import Setting, declared
from . import conditional, problems
from .parsing import Reader, StrictJSONParser, index_text, one_of, query_of
from .problems import Problem

logger = logging.getLogger("raft_config")

INDEX_HEADER: Final = "X-Raft-Config-Index"
"""As in `middleware`: what a client may pass on as `at_least`."""

FRESHNESS: Final[Mapping[str, Reader]] = {
    "consistency": one_of("local", "linearizable"),
    "at_least": index_text,
}
"""Query parameters of every read."""


class JSONAlways(DefaultContentNegotiation):
    """Answers have one format, whatever a browser accepts first."""

    def select_renderer(
        self, _request: Request, renderers: Any, _format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class MaySeeSettings(BasePermission):
    """Those who may see at least one setting. Which one, the views ask `permissions`."""

    def has_permission(self, request: Request, _view: Any) -> bool:
        return bool(permissions.viewable(request.user))


class SettingsView(APIView):
    """One resource. Subclasses say which query parameters they take, and what they answer."""

    renderer_classes = (JSONRenderer,)
    parser_classes = (StrictJSONParser,)
    content_negotiation_class = JSONAlways
    versioning_class = None

    parameters: ClassVar[Mapping[str, Reader]] = {}
    repeated: ClassVar[Collection[str]] = ()
    """Those of them that may be given several times."""

    query: Mapping[str, Any]
    """The query's parameters, read."""

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Exempt from ATOMIC_REQUESTS of whatever database."""
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    @method_decorator(sensitive_variables())
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """As DRF; but what was sent may be a secret, which a report of an error must not tell."""
        return super().dispatch(request, *args, **kwargs)

    def get_permissions(self) -> list[Any]:
        """Those of the project, and ours."""
        return [*super().get_permissions(), MaySeeSettings()]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After who asks is known: what they ask, and how fresh it must be."""
        super().initial(request, *args, **kwargs)
        _require_length(request)
        readers = self.parameters_of(str(request.method))
        self.query = query_of(request.query_params, readers, self.repeated)
        if request.method in {"GET", "HEAD"}:
            wait_until_fresh(self.query)

    def parameters_of(self, method: str) -> Mapping[str, Reader]:
        """What the query may say; freshness is asked of reads alone."""
        return {**FRESHNESS, **self.parameters} if method in {"GET", "HEAD"} else {}

    # -- who may

    def viewable(self) -> dict[str, Setting]:
        """The declared settings that may be told of."""
        return permissions.viewable(self.request.user)

    def shows(self, name: str) -> bool:
        """Whether this setting may be told of; also one that is not declared here."""
        if name in declared():
            return permissions.may_view(self.request.user, declared()[name])
        return permissions.views_all(self.request.user)

    def names_asked_for(self) -> list[str] | None:
        """The names that `group` and `name` choose of those that may be seen; None: no limit.

        Also what is not declared here any more, for those who may see everything.
        """
        groups, names = self.query.get("group"), self.query.get("name")
        if names is not None:
            return [n for n in names if self.shows(n) and (groups is None or _group(n) in groups)]
        if groups is None and permissions.views_all(self.request.user):
            return None
        return [n for n, each in self.viewable().items() if groups is None or each.group in groups]

    def setting_or_404(self, name: str) -> Setting:
        """That setting. What may not be seen is as unknown as what is not declared."""
        if not self.shows(name) or name not in declared():
            raise Http404
        return declared()[name]

    def require_changeable(self, names: Collection[str]) -> None:
        """Raise Problem 403, with the names that this user may not change, or 400 if unknown."""
        self.require_seen(names)
        user = self.request.user
        refused = sorted(n for n in names if not permissions.may_change(user, declared()[n]))
        if refused:
            detail = _("You may not change: %s. Nothing was changed.") % ", ".join(refused)
            raise Problem(HTTPStatus.FORBIDDEN, "permission_denied", detail, names=refused)

    def require_all_changeable(self, names: Collection[str]) -> None:
        """The same of names that the user did not choose, and may not see all of."""
        known = [name for name in names if name in declared()]
        if not all(map(self.shows, names)):
            detail = _("It concerns settings that you may not change. Nothing was changed.")
            raise Problem(HTTPStatus.FORBIDDEN, "permission_denied", detail)
        self.require_changeable(known)

    def require_seen(self, names: Collection[str]) -> None:
        """Raise Problem 400 with those of these names that the user does not know of."""
        unknown = [name for name in names if name not in declared() or not self.shows(name)]
        if unknown:
            raise problems.invalid({name: [_("There is no such setting.")] for name in unknown})

    # -- answers

    def shown(self, data: Any, index: int, *, of_index: int | None = None) -> Response:
        """A read as of an index, or 304. `of_index`: what its ETag states, if it is another."""
        tag = conditional.etag(index if of_index is None else of_index, data)
        unchanged = conditional.is_unchanged(self.request, tag)
        response = Response(status=304) if unchanged else Response(data)
        response["ETag"] = tag
        response[INDEX_HEADER] = str(index)
        response["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ("Accept-Language", "Authorization", "Cookie"))
        return response

    def handle_exception(self, exc: Exception) -> Response:
        """Answer every error in the shape of `problems`: the project's handler has another."""
        if isinstance(exc, drf.NotAuthenticated | drf.AuthenticationFailed):
            header = self.get_authenticate_header(self.request)
            if header:
                exc.auth_header = header  # type: ignore[union-attr]  # as DRF does
            else:
                exc.status_code = HTTPStatus.FORBIDDEN
        return answer_to(exc, self.request)


def _require_length(request: Request) -> None:
    """Raise Problem 411 for a body of unknown length: DRF would take it for none at all."""
    if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
        detail = _("Send the length of the body, in the header Content-Length.")
        raise Problem(HTTPStatus.LENGTH_REQUIRED, "length_required", detail)


def _group(name: str) -> str | None:
    setting = declared().get(name)
    return None if setting is None else setting.group


def answer_to(error: Exception, request: HttpRequest | Request) -> Response:
    """The answer to an error, whatever it is. Of our own faults the log is told, not the client."""
    problem = problems.problem_for(error)
    if problem is None or problem.code == "database":
        logger.error("%s %r could not be answered", request.method, request.path, exc_info=error)
    if problem is None:
        detail = _("Something is wrong on this node; its log says what.")
        problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail)
    response = Response(
        problem.body(),
        status=problem.status_code,
        headers=problem.headers,
        content_type=problems.CONTENT_TYPE,
    )
    response["Cache-Control"] = "no-store"
    response.exception = True
    return response


def wait_until_fresh(query: Mapping[str, Any]) -> None:
    """Let this node catch up with what a read has to see. Raises as `proposals.read_index` does."""
    needed = query.get("at_least", 0)
    if query.get("consistency") == "linearizable":
        needed = max(needed, proposals.read_index())
    if needed:
        wait_until_applied(needed)
