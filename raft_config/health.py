"""For load balancers and supervisors: whether this node lives, and whether it may be given work.

    live    its web tier answers: nothing is asked, so that no trouble of the cluster has it killed
    ready   its database answers, it applies what is agreed, and it has a leader to write through

Both tell one word and no secret, ask no peer, and may be asked by anybody, often.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .exceptions import RaftConfigError
from .node import get_node


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found; `problems` are words for machines, in no particular detail."""

    problems: tuple[str, ...]

    @property
    def is_ready(self) -> bool:
        return not self.problems


def check() -> Readiness:
    """Look into this node's own database, in three queries; nothing is written."""
    try:
        node = get_node()
        state = node.storage.load()
        halted = bool(node.storage.halted_by())
        differs = node.journal.rings.disagreement() == node.node_id
    except (DatabaseError, RaftConfigError):
        return Readiness(("database",))
    alone = state is None or state.configuration.voters == {node.node_id}
    found = {
        # A cluster of one elects itself on use.
        "no leader": not alone and (state is None or state.leader_id is None),
        "no member": state is not None and not state.configuration.members,
        "halted": halted,
        "disagreement": differs,
    }
    return Readiness(tuple(name for name, is_so in found.items() if is_so))


@require_safe
@never_cache
def live(_request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "live"})


@require_safe
@never_cache
def ready(_request: HttpRequest) -> HttpResponse:
    """200, or 503 with the reasons."""
    found = check()
    if found.is_ready:
        return JsonResponse({"status": "ready"})
    content = {"status": "not ready", "problems": list(found.problems)}
    return JsonResponse(content, status=HTTPStatus.SERVICE_UNAVAILABLE)
