"""Lines over a logarithmic axis, as an SVG that a page can show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, MARGIN = 640, 260, 56
COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#7570b3")

Points = Sequence[tuple[float, float]]


def draw(path: Path, title: str, lines: Mapping[str, Points], *, unit: str) -> None:
    """Write a picture of these lines; what is measured begins at 0, what it is over at 1."""
    highest = max(y for points in lines.values() for _, y in points) * 1.2
    widest = max(x for points in lines.values() for x, _ in points)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = math.log10(max(1.0, point[0])) / max(1.0, math.log10(widest))
        y = point[1] / highest
        return MARGIN + x * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - y * (HEIGHT - 2 * MARGIN)

    parts = [_text(MARGIN, 24, title, size=15), _grid(place, highest, widest, unit)]
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, sorted(points)))
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        last_x, last_y = place(max(points))
        parts.append(_text(last_x, last_y - 8, name, colour=colour, anchor="end"))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif"><title>{escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _grid(place: object, highest: float, widest: float, unit: str) -> str:
    at = place  # the same for lines and axes
    assert callable(at)
    parts = []
    for part in range(4):
        value = highest * part / 3
        x, y = at((1.0, value))
        parts.append(f'<path d="M{x:.0f} {y:.1f}H{WIDTH - MARGIN}" stroke="#ddd"/>')
        parts.append(_text(x - 6, y + 4, f"{value:.2g} {unit}", anchor="end"))
    for power in range(math.ceil(math.log10(max(10.0, widest))) + 1):
        x, y = at((10.0**power, 0.0))
        if x <= WIDTH - MARGIN + 1:
            parts.append(_text(x, y + 18, f"{10**power:,}", anchor="middle"))
    return "".join(parts)


def _text(
    x: float, y: float, text: str, *, size: int = 11, colour: str = "#333", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
