"""What a chart is made of, how it looks, and its legend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from decamo.report.page import escaped

__all__ = ["CHART_STYLE", "Band", "Chart", "ChartFan", "Dot", "Line", "Mark", "dash", "key"]

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
