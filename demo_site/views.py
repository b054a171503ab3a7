"""The shop's page, its colour, and what this node knows of the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from raft_config import config, status

from . import settings

SRGB_LINEAR_UP_TO = 0.04045
MIDDLE_LUMINANCE = 0.179
"""Above it, black has the higher contrast; below it, white."""


@dataclass(frozen=True, slots=True)
class Article:
    """One of the goods; prices in euros."""

    name: str
    price: Decimal
    reduced: Decimal | None = None


GOODS = tuple(
    Article(name, Decimal(price))
    for name, price in [
        ("Rye bread", "4.20"),
        ("Six eggs", "2.90"),
        ("Goat cheese", "5.60"),
        ("Apple juice", "3.10"),
        ("Honey", "7.80"),
        ("Olive oil", "11.50"),
        ("Plum jam", "4.40"),
        ("Oat biscuits", "2.60"),
    ]
)


@never_cache
def home(request: HttpRequest) -> HttpResponse:
    """A view that reads settings, and a template that reads others."""
    factor = 1 - Decimal(config.SALE_PERCENT) / 100 if config.SALE else None
    goods = [
        Article(each.name, each.price, round(each.price * factor, 2) if factor else None)
        for each in GOODS[: max(config.GOODS_SHOWN, 0)]
    ]
    return render(request, "demo_site/home.html", {"goods": goods, **_node()})


@never_cache
def accent(_request: HttpRequest) -> HttpResponse:
    """The colour as a style sheet of its own: a strict policy allows no inline style."""
    colour = config.ACCENT_COLOUR
    css = f":root {{ --accent: {colour}; --on-accent: {_readable_on(colour)}; }}\n"
    return HttpResponse(css, content_type="text/css")


@never_cache
def node(_request: HttpRequest) -> JsonResponse:
    """For the supervisor and the tests."""
    known = status.read()
    return JsonResponse(
        {
            "node_id": known.node_id,
            "role": known.role,
            "term": known.term,
            "leader_id": known.leader_id,
            "commit_index": known.commit_index,
            "last_applied": known.last_applied,
        }
    )


def _node() -> dict[str, Any]:
    return {"node": status.read(), "sites": settings.SITES}


def _readable_on(colour: str) -> str:
    """Black or white, whichever stands out more on "#rrggbb" (WCAG 2 relative luminance)."""
    linear = [
        part / 12.92 if part <= SRGB_LINEAR_UP_TO else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > MIDDLE_LUMINANCE else "#ffffff"
