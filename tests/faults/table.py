"""What many runs say together."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import quantiles
from typing import Any


def table(path: Path) -> str:
    """Markdown: a row for each fault."""
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    names = list(dict.fromkeys(each["fault"] for each in runs))
    rows = [_row(name, [each for each in runs if each["fault"] == name]) for name in names]
    return "\n".join([HEAD, *rows, _row(f"**all {len(names)}**", runs)])


COLUMNS = (
    *("fault", "runs", "minutes", "ok", "failed", "unknown", "violations"),
    *("new leader", "first write", "catch-up"),
    *("pages", "page time, ms"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def _row(name: str, runs: list[dict[str, Any]]) -> str:
    sums = {key: sum(each[key] for each in runs) for key in ("seconds", "ok", "failed", "unknown")}
    cells = [
        name,
        len(runs),
        f"{sums['seconds'] / 60:.1f}",
        *(f"{sums[key]:,}" for key in ("ok", "failed", "unknown")),
        sum(bool(each["violations"]) for each in runs),
        *(
            spread(each[f"{key}_seconds"] for each in runs)
            for key in ("new_leader", "first_write", "catch_up")
        ),
        f"{sum(each.get('pages', 0) for each in runs):,}",
        spread(map(page_time, runs)),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def page_time(run: dict[str, Any]) -> float | None:
    """By how many ms a setting cost a page more during the fault than before."""
    before, during = run.get("page_more_ms_before"), run.get("page_more_ms_during")
    return None if before is None or during is None else during - before


def spread(seconds: Iterable[float | None]) -> str:
    """p50 / p95 / max of those that there are."""
    found = sorted(each for each in seconds if each is not None)
    if not found:
        return "never"
    if len(found) == 1:
        return f"{found[0]:.2f}"
    cuts = quantiles(found, n=20, method="inclusive")
    return f"{cuts[9]:.2f} / {cuts[18]:.2f} / {found[-1]:.2f}"
