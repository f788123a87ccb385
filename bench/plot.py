"""A bar chart as SVG, with a logarithmic scale: the peers lie three orders of magnitude apart."""

import math
from html import escape
from typing import Final

WIDTH: Final = 720
LABELS: Final = 170  # room for the names at the left
FIGURES: Final = 90  # room for the figures at the right
BAR: Final = 20
STEP: Final = 28
HEAD: Final = 44
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:14px}"
    ".bar{fill:#8a8f98}.ours{fill:#b3382c}.grid{stroke:#ddd}.tick{fill:#777;font-size:11px}"
)

Bar = tuple[str, float]
Panel = tuple[str, list[Bar]]


def chart(panels: list[Panel], ours: str) -> str:
    """Return an SVG with one block of bars a panel; bars whose name begins with `ours` stand out."""
    blocks: list[str] = []
    top = 0
    for title, bars in panels:
        blocks.append(f'<g transform="translate(0 {top})">{_panel(title, bars, ours)}</g>')
        top += HEAD + STEP * len(bars) + 24
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">'
        f'<style>{STYLE}</style><rect width="{WIDTH}" height="{top}" fill="#fff"/>'
        + "".join(blocks)
        + "</svg>\n"
    )


def _panel(title: str, bars: list[Bar], ours: str) -> str:
    low, high = _decades([value for _, value in bars])
    height = HEAD + STEP * len(bars)
    parts = [f'<text class="title" x="8" y="18">{escape(title)}</text>']
    for power in range(low, high + 1):
        x = _x(10.0**power, low, high)
        parts.append(f'<path class="grid" d="M{x:.1f} {HEAD - 6}V{height}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEAD - 10}">{figure(10.0**power)}</text>')
    for index, (name, value) in enumerate(bars):
        y = HEAD + STEP * index
        end = _x(value, low, high)
        kind = "ours" if name.startswith(ours) else "bar"
        parts.append(
            f'<text x="{LABELS - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{end - LABELS:.1f}" height="{BAR}"/>'
            f'<text x="{end + 6:.1f}" y="{y + 15}">{figure(value)}</text>'
        )
    return "".join(parts)


def figure(value: float) -> str:
    """Return three digits that mean something, and never an exponent."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _decades(values: list[float]) -> tuple[int, int]:
    """Return the powers of ten around `values`, at least one decade and all bars with a length."""
    low = math.ceil(math.log10(min(values))) - 1
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _x(value: float, low: int, high: int) -> float:
    return LABELS + (math.log10(value) - low) / (high - low) * (WIDTH - LABELS - FIGURES)
