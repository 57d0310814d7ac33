"""Shares over epochs as a heat map: a row for each part, the darker the more it has."""

import math
from collections.abc import Sequence
from statistics import fmean

from decamo.report.svg_parts import AxisScale, label, whole_ticks

__all__ = ["HEAT_STYLE", "heat_map"]

HEAT_STYLE = ".chart .cell{fill:var(--s1)}.chart .ground{fill:var(--card)}"

_LEFT, _RIGHT, _TOP, _BOTTOM = 30.0, 46.0, 6.0, 36.0
_LETTER = 6.4  # px, a letter's width at the charts' size
_MOST_COLUMNS = 120
_ROW = 24.0


def heat_map(
    title: str,
    epochs: Sequence[int],
    shares: Sequence[Sequence[float]],
    width: float = 400.0,
    names: Sequence[str] = (),
) -> str:
    """An ``<svg>`` element; a cell is opaque from twice the fair share on.

    Args:
        title: for those who cannot see it.
        epochs: ascending, at least one.
        shares: of each epoch one share a part, in [0, 1]; all of one length.
        width: px.
        names: of the parts, plain text without markup; their numbers from 1 unless given.
    """
    parts = len(shares[0])
    said = names or [f"{n + 1}" for n in range(parts)]
    box = max(_LEFT, 12 + _LETTER * max(map(len, said)))
    row = min(_ROW, 240.0 / parts)
    height = _TOP + row * parts + _BOTTOM
    x = AxisScale(epochs[0] - 0.5, epochs[-1] + 0.5, box, width - _RIGHT)
    last = ", ".join(f"{n} {share:.0%}" for n, share in zip(said, shares[-1], strict=True))
    pieces = [
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img"'
        f' aria-label="{title}: at epoch {epochs[-1]} {last}">',
        f'<rect class="ground" x="{box:g}" y="{_TOP}" width="{x.end - x.start:.1f}"'
        f' height="{row * parts:.1f}"/>',
    ]
    step = math.ceil(len(epochs) / _MOST_COLUMNS)
    for start in range(0, len(epochs), step):
        some = epochs[start : start + step]
        means = [fmean(column) for column in zip(*shares[start : start + step], strict=True)]
        pieces += _column(some, means, x, row, names or [f"expert {n}" for n in said])
    for n in range(parts):
        middle = _TOP + row * (n + 0.5) + 4
        if row >= 12 or n % 2 == 0:
            pieces.append(
                f'<text x="{box - 6:g}" y="{middle:.1f}" text-anchor="end">{said[n]}</text>'
            )
            pieces.append(f'<text x="{x.end + 6:.1f}" y="{middle:.1f}">{shares[-1][n]:.1%}</text>')
    pieces += _axis(x, _TOP + row * parts)
    return "".join([*pieces, "</svg>"])


def _column(
    epochs: Sequence[int], means: Sequence[float], x: AxisScale, row: float, names: Sequence[str]
) -> list[str]:
    left, right = x.at(epochs[0] - 0.5), x.at(epochs[-1] + 0.5)
    when = f"{epochs[0]}" if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}"
    return [
        f'<rect class="cell" x="{left:.2f}" y="{_TOP + row * n + 0.5:.2f}"'
        f' width="{right - left:.2f}" height="{row - 1:.2f}"'
        f' fill-opacity="{min(max(share * len(means) / 2, 0.0), 1.0):.3f}">'
        f"<title>epoch {when}: {names[n]} {share:.1%}</title></rect>"
        for n, share in enumerate(means)
    ]


def _axis(x: AxisScale, bottom: float) -> list[str]:
    ticks = whole_ticks(x.low, x.high, 7)
    pieces = [
        f'<text x="{x.at(t):.1f}" y="{bottom + 17:.1f}" text-anchor="middle">'
        f"{label(t, ticks)}</text>"
        for t in ticks
    ]
    middle = (x.start + x.end) / 2
    return [
        *pieces,
        f'<text x="{middle:.1f}" y="{bottom + 32:.1f}" text-anchor="middle">epoch</text>',
    ]
