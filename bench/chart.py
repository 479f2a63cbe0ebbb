"""A chart of figures, as SVG: a bar each, and a line over its spread."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.results import Figure

NAMES, BARS, ROW, TOP = 220, 420, 26, 34  # pixels


def draw(title: str, unit: str, figures: Sequence[Figure]) -> str:
    """The chart; less is better, and the first bar is ours."""
    most = max(figure.high for figure in figures) or 1.0
    height = TOP + ROW * len(figures) + 8
    rows = []
    for number, figure in enumerate(figures):
        top = TOP + ROW * number
        low, value, high = (
            NAMES + BARS * each / most for each in (figure.low, figure.value, figure.high)
        )
        colour = "#2f6f4f" if number == 0 else "#9aa5a0"
        rows += [
            f'<text x="{NAMES - 8}" y="{top + 15}" text-anchor="end">{escape(figure.name)}</text>',
            f'<rect x="{NAMES}" y="{top + 3}" width="{value - NAMES:.1f}" height="16" fill="{colour}"/>',
            f'<path d="M{low:.1f} {top + 11}H{high:.1f}" stroke="#111"/>',
            f'<text x="{max(value, high) + 6:.1f}" y="{top + 15}">{figure.value:,.3g}</text>',
        ]
    width = NAMES + BARS + 80
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            f'<text x="8" y="20" font-weight="bold">{escape(title)}, {escape(unit)}</text>',
            *rows,
            "</svg>\n",
        ]
    )
