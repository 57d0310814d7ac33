"""What a chart is made of: lines, marks, bands, fans, and the scales of its axes."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from decamo.report.page import escaped

__all__ = [
    "CHART_STYLE",
    "AxisScale",
    "Band",
    "Chart",
    "ChartFan",
    "Dot",
    "Line",
    "Mark",
    "dash",
    "decimal_ticks",
    "fit",
    "key",
    "label",
    "log_ticks",
    "whole_ticks",
]

_ROUND = (1.0, 2.0, 5.0, 10.0)
_LEAST = 1e-9  # relative width of a domain under which its ends count as one value


@dataclass(frozen=True)
class AxisScale:
    """A straight or logarithmic way from a domain to a range of px.

    Attributes:
        low: least value.
        high: greatest value, above ``low``.
        start: px of ``low``.
        end: px of ``high``; may lie under ``start``.
        log: whether equal ratios, not differences, are equally far apart; ``low`` is above 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in px; what is outside of the domain lies at its end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            low = math.log(self.low)  # a ratio of the ends could overflow
            share = (math.log(value) - low) / (math.log(self.high) - low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """One to ``most`` round values of the domain; ``most`` is 3 or more."""
        if self.log:
            return log_ticks(self.low, self.high, most)
        return decimal_ticks(self.low, self.high, most)


def fit(values: Iterable[float], *, log: bool = False, zero: bool = False) -> tuple[float, float]:
    """A domain that holds all finite values, with a little room.

    Args:
        values: any numbers; on a log scale only those above 0 count, from 2.2e-308 on.
        log: whether the room is a ratio.
        zero: whether 0 belongs to the domain; the room is then above only.
    """
    # Of subnormal numbers a ratio may round to the number itself.
    finite = [v for v in values if math.isfinite(v) and (v >= sys.float_info.min or not log)]
    if not finite:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(finite), max(finite)
    if log:
        return low / 1.2, high * 1.2
    if zero:
        return (0.0, high * 1.06) if high > 0 else (0.0, 1.0)
    room = 0.06 * (high - low)
    if room <= _LEAST * max(abs(low), abs(high)):
        room = abs(high) * 0.1 or 1.0
    return low - room, high + room


def decimal_ticks(low: float, high: float, most: int) -> list[float]:
    """1 to ``most`` (3 or more) multiples of 1, 2 or 5 times a power of ten in ``[low, high]``."""
    step = _step((high - low) / most)
    while True:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [_rounded(n * step, step) for n in range(first, last + 1)]
        step = _step(step * 1.5)


def whole_ticks(low: float, high: float, most: int) -> list[float]:
    """As ``decimal_ticks``, whole numbers only."""
    if high - low < most:
        return [float(n) for n in range(math.ceil(low), math.floor(high) + 1)][:most]
    return [t for t in decimal_ticks(low, high, most) if t == round(t)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Powers of ten within ``[low, high]``, thinned; where they are few, 2 and 5 times them too."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{f}e{e}") for e in exponents for f in factors]
        ticks = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(ticks) <= most:
            return ticks or decimal_ticks(low, high, most)
    return ticks[:: math.ceil(len(ticks) / most)]


def label(value: float, ticks: list[float]) -> str:
    """A tick as text: with as many digits as tell it from its neighbours, and no more."""
    if value == 0:
        return "0"
    size = abs(value)
    gaps = [b - a for a, b in pairwise(ticks)] or [size]
    # On a log scale the gaps differ: each tick by its own size.
    gap = min(gaps) if max(gaps) < 1.5 * min(gaps) else size
    digit = math.floor(math.log10(gap) + 1e-9)  # the last that tells something
    if size >= 1e5 or size < 1e-3:
        mantissa, _, power = f"{value:.{max(0, _exponent(size) - digit)}e}".partition("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(power)}".replace("-", "\N{MINUS SIGN}")
    return f"{value:.{max(0, -digit)}f}".replace("-", "\N{MINUS SIGN}")


def _exponent(size: float) -> int:
    return math.floor(math.log10(size) + 1e-12)


def _step(least: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not under ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(f for f in _ROUND if f * power >= least * (1 - 1e-9)) * power


def _rounded(value: float, step: float) -> float:
    return round(value, max(0, 1 - math.floor(math.log10(step)))) + 0.0


CHART_STYLE = """
svg.chart{width:100%;height:auto;display:block;overflow:visible}
.chart text{fill:var(--soft);font:12px system-ui,sans-serif;font-variant-numeric:tabular-nums}
.chart .grid{stroke:var(--line);stroke-width:1}.chart .axis{stroke:var(--soft);stroke-width:1}
.chart .line,.key .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .band{fill:var(--card)}.chart .mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}
.chart .level{stroke:var(--ink);stroke-width:1;stroke-dasharray:7 4}
.chart .dot{stroke:var(--paper);stroke-width:2}
.chart .said{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px;
stroke-linejoin:round}
.chart .hit{fill:transparent}.chart .hit:hover{fill:var(--ink);fill-opacity:.07}
.chart .fan{fill:var(--s1);fill-opacity:.16}.chart .middle{stroke-dasharray:2 4}
.key{display:inline-flex;align-items:center;gap:.35rem;margin-right:1rem;white-space:nowrap}
.key svg{width:28px;height:10px;flex:none}
""" + "".join(f".s{n}{{stroke:var(--s{n})}}circle.s{n}{{fill:var(--s{n})}}" for n in range(1, 7))

_DASHES = ("", "6 4", "2 4", "9 4 2 4", "12 4", "4 2")


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        name: in the legend and on hover.
        points: (epoch, value), ascending; None or what is not finite is a gap.
        colour: 1 to 6.
        form: how values are written on hover.
    """

    name: str
    points: Sequence[tuple[float, float | None]]
    colour: int = 1
    form: str = ".4f"


@dataclass(frozen=True)
class Band:
    """Epochs that belong together, such as a stage: both ends included."""

    first: float
    last: float
    name: str


@dataclass(frozen=True)
class Mark:
    """Something that happened before an epoch."""

    epoch: float
    name: str
    told: str = ""


@dataclass(frozen=True)
class Dot:
    """A point to be seen, with its name beside it."""

    epoch: float
    value: float
    name: str
    colour: int = 1


@dataclass(frozen=True)
class ChartFan:
    """What may come.

    Attributes:
        epochs: ascending.
        quantiles: probability in [0, 1] -> a value for each epoch; 0.5 is drawn as a line, those
            around it in pairs as areas.
    """

    epochs: Sequence[float]
    quantiles: Mapping[float, Sequence[float]]


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    Attributes:
        title: for those who cannot see it.
        lines: curves; none is a chart without data.
        bands: drawn behind.
        marks: drawn as upright lines, named above.
        dots: drawn in front.
        level: a value to reach and what it is called.
        fan: a forecast.
        log: whether the values' axis is logarithmic.
        zero: whether it begins at 0.
        width: px.
        height: px, of the axes with their labels; names above come on top.
    """

    title: str
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    dots: Sequence[Dot] = ()
    level: tuple[float, str] | None = None
    fan: ChartFan | None = None
    log: bool = False
    zero: bool = False
    width: float = 400.0
    height: float = 230.0


def key(lines: Sequence[Line]) -> str:
    """A legend: a sample of each line, in a chart's order, with its name."""
    return "".join(
        f'<span class="key"><svg viewBox="0 0 28 10" aria-hidden="true"><path class="line'
        f' s{line.colour}"{dash(n)} d="M1 5H27"/></svg>{escaped(line.name)}</span>'
        for n, line in enumerate(lines)
    )


def dash(number: int) -> str:
    """The attribute that makes the lines of a chart, from 0, differ by more than colour."""
    dashes = _DASHES[number % len(_DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""
