# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts as inline SVG: no script, no style of their own beyond classes of the page.

Each is one image to a screen reader, with a title and the numbers in words; colors come from the
page, so that they follow light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from .measures import Histogram

WIDTH, HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 14, 26
_GAP = 1.5
_BAR_WIDTH, _BAR_HEIGHT = 160, 14


def histogram_chart(
    name: str,
    title: str,
    series: Sequence[Histogram],
    labels: Sequence[str],
    show: Callable[[float], str],
) -> str:
    """Return how values are spread, one row of bars per series side by side in each bin.

    Args:
        name: distinguishes this chart's ids on the page.
        title: what the values are.
        series: with the same bins, one or two of them.
        labels: of each series.
        show: writes a value with its unit.
    """
    highest = max((count for each in series for count in each.counts), default=0) or 1
    plot_width, plot_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    num_bins, base = len(series[0].counts), HEIGHT - _BOTTOM
    slot = plot_width / num_bins
    width = (slot - _GAP) / len(series)
    shapes = []
    for number, each in enumerate(series):
        for place, count in enumerate(each.counts):
            tall = plot_height * count / highest
            left = _LEFT + place * slot + number * width
            if count:
                shapes.append(
                    f'<rect class="bar s{number}" x="{left:.1f}" y="{base - tall:.1f}"'
                    f' width="{max(width, 1):.1f}" height="{tall:.1f}"/>'
                )
    low, middle, high = series[0].low, (series[0].low + series[0].high) / 2, series[0].high
    marks = "".join(
        f'<text x="{place:.0f}" y="{HEIGHT - 8}" text-anchor="{anchor}">'
        f"{escape(show(value))}</text>"
        for value, place, anchor in (
            (low, _LEFT, "start"),
            (middle, _LEFT + plot_width / 2, "middle"),
            (high, WIDTH - _RIGHT, "end"),
        )
    )
    body = (
        f'<text x="{_LEFT}" y="10">{highest}</text>{"".join(shapes)}'
        f'<line class="axis" x1="{_LEFT}" y1="{base}" x2="{WIDTH - _RIGHT}" y2="{base}"/>{marks}'
    )
    told = "; ".join(
        f"{label}: {_in_words(each, show)}" for label, each in zip(labels, series, strict=True)
    )
    return _image(name, title, told, body, WIDTH, HEIGHT)


def interval_bar(
    name: str, label: str, value: float, interval: tuple[float, float] | None, number: int
) -> str:
    """Return a share in [0, 1] as a bar, with its interval as a whisker."""
    filled = _BAR_WIDTH * value
    middle = _BAR_HEIGHT / 2
    body = (
        f'<rect class="track" x="0" y="3" width="{_BAR_WIDTH}" height="{_BAR_HEIGHT - 6}"/>'
        f'<rect class="bar s{number}" x="0" y="3" width="{filled:.1f}" height="{_BAR_HEIGHT - 6}"/>'
    )
    told = f"{100 * value:.1f} %"
    if interval is not None:
        low, high = (1 + (_BAR_WIDTH - 2) * end for end in interval)
        told += f", 95 % interval {100 * interval[0]:.1f} to {100 * interval[1]:.1f} %"
        line = (
            f"M{low:.1f} {middle}H{high:.1f}"
            f"M{low:.1f} 2V{_BAR_HEIGHT - 2}M{high:.1f} 2V{_BAR_HEIGHT - 2}"
        )
        # Drawn twice, so that it stands out from the bar as well as from the ground.
        body += f'<path class="halo" d="{line}"/><path class="whisker" d="{line}"/>'
    return _image(name, label, told, body, _BAR_WIDTH, _BAR_HEIGHT)


def _image(name: str, title: str, told: str, body: str, width: int, height: int) -> str:
    return (
        f'<svg role="img" aria-labelledby="{name}-t {name}-d" viewBox="0 0 {width} {height}"'
        f' width="{width}" height="{height}"><title id="{name}-t">{escape(title)}</title>'
        f'<desc id="{name}-d">{escape(told)}</desc>{body}</svg>'
    )


def _in_words(histogram: Histogram, show: Callable[[float], str]) -> str:
    """Return every bin that holds something."""
    edges = histogram.edges
    told = [
        f"{count} from {show(edges[place])} to {show(edges[place + 1])}"
        for place, count in enumerate(histogram.counts)
        if count
    ]
    return ", ".join(told) or "nothing"
