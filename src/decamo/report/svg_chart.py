"""A chart as one SVG element that answers the pointer without a script."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from decamo.report.page import escaped
from decamo.report.svg_parts import (
    AxisScale,
    Chart,
    ChartFan,
    Line,
    Mark,
    dash,
    fit,
    label,
    whole_ticks,
)

__all__ = [
    "draw_chart",
    "strips",
]

_MOST = 240  # strips; narrower ones cannot be hit


def strips(chart: Chart, x: AxisScale, y: AxisScale) -> Iterator[str]:
    """An upright strip for each epoch with its values as a title; past first, then forecast."""
    told = {**_past(chart), **(_ahead(chart.fan) if chart.fan else {})}
    epochs = sorted(told)
    for epoch in epochs[:: math.ceil(len(epochs) / _MOST) or 1]:
        left, right = x.at(epoch - 0.5), x.at(epoch + 0.5)
        yield (
            f'<rect class="hit" x="{left:.1f}" y="{y.end:.1f}" width="{right - left:.1f}"'
            f' height="{y.start - y.end:.1f}"><title>epoch {epoch:g}: {escaped(told[epoch])}'
            "</title></rect>"
        )


def _past(chart: Chart) -> dict[float, str]:
    said: dict[float, list[str]] = {}
    for line in chart.lines:
        for epoch, value in line.points:
            values = said.setdefault(epoch, [])
            if value is not None:
                values.append(f"{line.name} {_shown(value, line.form)}")
    return {epoch: ", ".join(values) for epoch, values in said.items()}


def _ahead(fan: ChartFan) -> dict[float, str]:
    """The median with the widest interval."""
    low, high = min(fan.quantiles), max(fan.quantiles)
    middle = fan.quantiles.get(0.5, fan.quantiles[low])
    rows = zip(fan.epochs, middle, fan.quantiles[low], fan.quantiles[high], strict=True)
    return {
        epoch: f"forecast {m:.4f}, {a:.4f} to {b:.4f} with {high - low:.0%}"
        for epoch, m, a, b in rows
    }


def _shown(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "not a number"


_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 12.0, 8.0, 36.0
_ROW = 15.0  # px of a row of names above the axes
_LETTER = 6.4  # px; a letter of the 12 px system fonts is 5.5 to 6.5 wide
_MOST_ROWS = 3
_MOST_PLACES = 1200  # places of a line; more cannot be told apart


def draw_chart(chart: Chart) -> str:
    """The chart as one ``<svg>`` element that is also well-formed XML."""
    rows = _rows(chart)
    top = _TOP + _ROW * (max(rows.values(), default=-1) + 1 + bool(chart.bands))
    height = chart.height + top - _TOP
    x, y = _scales(chart, top, height - _BOTTOM)
    parts = [
        f'<svg class="chart" viewBox="0 0 {chart.width:g} {height:g}" role="img"'
        f' aria-label="{escaped(_told(chart))}">',
        *_bands(chart, x, y),
        *_axes(x, y),
        *_marks(chart, rows, x, y),
        *_level(chart, x, y),
        *_fan(chart, x, y),
        *(_line(line, n, x, y) for n, line in enumerate(chart.lines)),
        *_dots(chart, x, y),
        *strips(chart, x, y),
        "</svg>",
    ]
    return "".join(parts)


def _scales(chart: Chart, top: float, bottom: float) -> tuple[AxisScale, AxisScale]:
    fan = chart.fan
    values = [v for line in chart.lines for _, v in line.points if v is not None]
    values += [dot.value for dot in chart.dots]
    values += [chart.level[0]] if chart.level else []
    values += [v for row in fan.quantiles.values() for v in row] if fan else []
    epochs = [e for line in chart.lines for e, _ in line.points]
    epochs += list(fan.epochs) if fan else []
    low, high = fit(values, log=chart.log, zero=chart.zero)
    first, last = min(epochs, default=1.0), max(epochs, default=1.0)
    x = AxisScale(first - 0.5, last + 0.5, _LEFT, chart.width - _RIGHT)
    return x, AxisScale(low, high, bottom, top, chart.log)


def _axes(x: AxisScale, y: AxisScale) -> Iterator[str]:
    ticks = y.ticks(6)
    for value in ticks:
        at = y.at(value)
        yield f'<path class="grid" d="M{x.start:.1f} {at:.1f}H{x.end:.1f}"/>'
        yield (
            f'<text x="{x.start - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">'
            f"{label(value, ticks)}</text>"
        )
    yield f'<path class="axis" d="M{x.start:.1f} {y.start:.1f}H{x.end:.1f}"/>'
    epochs = whole_ticks(x.low, x.high, max(3, int((x.end - x.start) / 48)))
    for epoch in epochs:
        at = x.at(epoch)
        yield f'<path class="axis" d="M{at:.1f} {y.start:.1f}v4"/>'
        yield (
            f'<text x="{at:.1f}" y="{y.start + 17:.1f}" text-anchor="middle">'
            f"{label(epoch, epochs)}</text>"
        )
    middle = (x.start + x.end) / 2
    yield f'<text x="{middle:.1f}" y="{y.start + 32:.1f}" text-anchor="middle">epoch</text>'


def _bands(chart: Chart, x: AxisScale, y: AxisScale) -> Iterator[str]:
    for number, band in enumerate(chart.bands):
        left, right = x.at(band.first - 0.5), x.at(band.last + 0.5)
        if number % 2 == 0:
            yield (
                f'<rect class="band" x="{left:.1f}" y="{y.end:.1f}" width="{right - left:.1f}"'
                f' height="{y.start - y.end:.1f}"/>'
            )
        if right - left > _LETTER * len(band.name) + 8:
            yield (
                f'<text x="{(left + right) / 2:.1f}" y="{y.end - 4:.1f}" text-anchor="middle">'
                f"{escaped(band.name)}</text>"
            )


def _merged(marks: Sequence[Mark]) -> list[Mark]:
    """One mark an epoch."""
    ordered = sorted(marks, key=lambda m: m.epoch)
    return [
        Mark(
            epoch,
            ", ".join(dict.fromkeys(m.name for m in group)),
            "; ".join(dict.fromkeys(m.told or m.name for m in group)),
        )
        for epoch, run in groupby(ordered, key=lambda m: m.epoch)
        for group in [list(run)]
    ]


def _rows(chart: Chart) -> dict[float, int]:
    """The row above the axes in which a mark's name finds room; those without room are left out."""
    x, _ = _scales(chart, 0.0, 1.0)
    ends: list[float] = []
    rows = {}
    for mark in _merged(chart.marks):
        left, right = _place(mark, x)
        row = next((i for i, end in enumerate(ends) if end <= left), len(ends))
        if row < _MOST_ROWS and left >= 0:
            ends[row : row + 1] = [right + 6]
            rows[mark.epoch] = row
    return rows


def _place(mark: Mark, x: AxisScale) -> tuple[float, float]:
    """Left and right end of a mark's name."""
    at, width = x.at(mark.epoch - 0.5), _LETTER * len(mark.name)
    return (at, at + width) if at + width <= x.end + _RIGHT else (at - width, at)


def _marks(chart: Chart, rows: Mapping[float, int], x: AxisScale, y: AxisScale) -> Iterator[str]:
    for mark in _merged(chart.marks):
        at = x.at(mark.epoch - 0.5)
        top = y.end - _ROW * bool(chart.bands)
        yield (
            f'<path class="mark" d="M{at:.1f} {top:.1f}V{y.start:.1f}">'
            f"<title>epoch {mark.epoch:g}: {escaped(mark.told)}</title></path>"
        )
        if mark.epoch in rows:
            turned = _place(mark, x)[0] < at
            anchor = ' text-anchor="end"' if turned else ""
            height = y.end - 4 - _ROW * (rows[mark.epoch] + bool(chart.bands))
            yield f'<text x="{at:.1f}" y="{height:.1f}"{anchor}>{escaped(mark.name)}</text>'


def _level(chart: Chart, x: AxisScale, y: AxisScale) -> Iterator[str]:
    if chart.level is None:
        return
    at = y.at(chart.level[0])
    yield f'<path class="level" d="M{x.start:.1f} {at:.1f}H{x.end:.1f}"/>'
    below = 14 if at - y.end < 16 else -5
    yield (
        f'<text class="said" x="{x.start + 6:.1f}" y="{at + below:.1f}">'
        f"{escaped(chart.level[1])}</text>"
    )


def _fan(chart: Chart, x: AxisScale, y: AxisScale) -> Iterator[str]:
    if chart.fan is None or not chart.fan.epochs:
        return
    epochs, quantiles = chart.fan.epochs, chart.fan.quantiles
    for low in sorted(q for q in quantiles if q < 0.5):
        high = next((q for q in quantiles if math.isclose(q, 1 - low)), None)
        if high is not None:
            up = [(x.at(e), y.at(v)) for e, v in zip(epochs, quantiles[high], strict=True)]
            down = [(x.at(e), y.at(v)) for e, v in zip(epochs, quantiles[low], strict=True)]
            outline = "L".join(f"{a:.1f} {b:.1f}" for a, b in [*up, *reversed(down)])
            yield (
                f'<path class="fan" d="M{outline}Z"><title>forecast: {low:.0%} to {high:.0%}'
                "</title></path>"
            )
    if 0.5 in quantiles:
        middle = zip(epochs, quantiles[0.5], strict=True)
        places = "L".join(f"{x.at(e):.1f} {y.at(v):.1f}" for e, v in middle)
        yield f'<path class="line middle s1" d="M{places}"/>'


def _line(line: Line, number: int, x: AxisScale, y: AxisScale) -> str:
    pieces = []
    for known, run in groupby(_thinned(line.points), key=lambda p: _drawn(p[1], y)):
        if known:
            places = [f"{x.at(e):.1f} {y.at(v):.1f}" for e, v in run if v is not None]
            pieces.append("M" + "L".join(places) + ("h0" if len(places) == 1 else ""))
    return f'<path class="line s{line.colour}"{dash(number)} d="{"".join(pieces)}"/>'


def _drawn(value: float | None, y: AxisScale) -> bool:
    return value is not None and math.isfinite(value) and (value > 0 or not y.log)


def _thinned(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Of each handful of neighbours the lowest and the highest, where there are very many."""
    if len(points) <= _MOST_PLACES:
        return list(points)
    handful = math.ceil(2 * len(points) / _MOST_PLACES)
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), handful):
        some = [p for p in points[start : start + handful] if p[1] is not None]
        finite = [p for p in some if p[1] is not None and math.isfinite(p[1])]
        ends = {min(finite, key=lambda p: p[1] or 0.0), max(finite, key=lambda p: p[1] or 0.0)}
        kept += sorted(ends, key=lambda p: p[0]) if finite else [(points[start][0], None)]
    return kept


def _dots(chart: Chart, x: AxisScale, y: AxisScale) -> Iterator[str]:
    for dot in chart.dots:
        across, up = x.at(dot.epoch), y.at(dot.value)
        width = _LETTER * len(dot.name) / 2
        beside = min(max(across, x.start + width), x.end - width)
        crossed = chart.level is not None and 0 < up - y.at(chart.level[0]) < 24
        above = up - 9 if up - y.end > 18 and not crossed else up + 19
        yield f'<circle class="dot s{dot.colour}" cx="{across:.1f}" cy="{up:.1f}" r="5"/>'
        yield (
            f'<text class="said" x="{beside:.1f}" y="{above:.1f}" text-anchor="middle">'
            f"{escaped(dot.name)}</text>"
        )


def _told(chart: Chart) -> str:
    """The chart in a sentence: each line's first and last value."""
    parts = []
    for line in chart.lines:
        known = [(e, v) for e, v in line.points if v is not None and math.isfinite(v)]
        if known:
            (first, begin), (last, end) = known[0], known[-1]
            parts.append(
                f"{line.name} from {begin:{line.form}} at epoch {first:g}"
                f" to {end:{line.form}} at epoch {last:g}"
            )
    return f"{chart.title}: {'; '.join(parts) or 'nothing known'}"
