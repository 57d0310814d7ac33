"""What a chart tells of an epoch when the pointer rests on it."""

import math
from collections.abc import Iterator

from decamo.report.page import escaped
from decamo.report.svg_parts import Chart, ChartFan
from decamo.report.svg_scale import AxisScale

__all__ = ["strips"]

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
