"""For `TEMPLATES["OPTIONS"]["context_processors"]`."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from .live import config


def settings(_request: HttpRequest) -> dict[str, Any]:
    """`{{ config.SITE_NAME }}` in every template."""
    return {"config": config}
