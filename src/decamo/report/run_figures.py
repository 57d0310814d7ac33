"""A run's curves and tables: scores, loss, rates, time; lineage, epochs, settings, files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from statistics import median
from typing import Any

from decamo.history import Point, TrainingLog
from decamo.report.page import escaped, plot, table
from decamo.report.svg_chart import draw_chart
from decamo.report.svg_parts import Band, Chart, ChartFan, Dot, Line, Mark, key
from decamo.settings import TrainSettings, flag_of, shown
from decamo.settings.plain import to_plain
from decamo.settings.words import duration
from decamo.storage.run_folder import Content

__all__ = [
    "best_point",
    "epoch_table",
    "file_table",
    "lineage_table",
    "run_charts",
    "settings_table",
]

_EXPLODED = 30.0  # times the median: from there on a loss is told on a log scale
_ABSURD = 1e30  # no scale can show more


def best_point(points: Sequence[Point]) -> Point | None:
    """The epoch of the highest IoU, the first of equals."""
    scored = [p for p in points if p.known("iou") is not None]
    return max(scored, key=lambda p: p.iou or 0.0, default=None)


def run_charts(past: TrainingLog, target: float | None = None, fan: ChartFan | None = None) -> str:
    """All curves that are known of a run, as HTML; empty where no epoch is.

    Args:
        past: the run.
        target: IoU to reach, drawn as a line.
        fan: a forecast of the IoU.
    """
    points = past.points
    if not points:
        return ""
    scene = Chart("", (), bands=_stages(points), marks=_marks(past))
    figures = [
        _scores(scene, points, target, fan),
        _loss(scene, points),
        _rates(scene, points),
        _seconds(scene, points),
    ]
    return f'<div class="charts">{"".join(figures)}</div>'


def _scores(
    scene: Chart, points: Sequence[Point], target: float | None, fan: ChartFan | None
) -> str:
    lines = [_line("IoU", points, "iou", 1), _line("Dice", points, "dice", 2)]
    lines = [line for line in lines if _has(line)]
    best = best_point(points)
    if best is None or best.iou is None:
        return ""
    chart = replace(
        scene,
        title="validation scores",
        lines=lines,
        dots=(Dot(best.epoch, best.iou, f"best {best.iou:.4f}"),),
        level=(target, f"target {target:g}") if target is not None else None,
        fan=fan,
    )
    # The same curves twice, as letters must not shrink on a phone.
    wide = draw_chart(replace(chart, width=820, height=300))
    slim = draw_chart(replace(chart, width=380, height=270))
    legend = key(lines) + ('<span class="soft">shaded: forecast</span>' if fan else "")
    return plot(
        "IoU and Dice on the validation images" if len(lines) > 1 else "IoU",
        legend,
        f'<div class="broad">{wide}</div><div class="slim">{slim}</div>',
        " whole",
    )


def _loss(scene: Chart, points: Sequence[Point]) -> str:
    lines = [_line("training", points, "loss", 3), _line("validation", points, "val_loss", 2)]
    lines = [line for line in lines if _has(line)]
    if not lines:
        return ""
    known = [v for name in ("loss", "val_loss") for p in points if (v := p.known(name)) is not None]
    log = min(known) > 0 and max(known) > _EXPLODED * median(known)
    chart = replace(scene, title="loss", lines=lines, log=log)
    return plot("Loss, log scale" if log else "Loss", key(lines), draw_chart(chart))


def _rates(scene: Chart, points: Sequence[Point]) -> str:
    """One line for groups that always share a rate; a frozen group is a gap."""
    series: dict[tuple[float | None, ...], list[str]] = {}
    names = dict.fromkeys(name for p in points for name in p.rates)
    for name in names:
        values = tuple(_rate(p.rates.get(name)) for p in points)
        if any(values):
            series.setdefault(values, []).append(name)
    if not series:
        series = {tuple(_rate(p.known("lr")) for p in points): [""]}
    if not any(any(values) for values in series):
        return ""
    lines = [
        Line(
            _joined(group) or "learning rate",
            [(p.epoch, v) for p, v in zip(points, values, strict=True)],
            1 + n % 6,
            ".3g",
        )
        for n, (values, group) in enumerate(series.items())
    ]
    log = len({v for values in series for v in values if v}) > 1
    chart = replace(scene, title="learning rate", lines=lines, log=log)
    return plot("Learning rate" + ", log scale" * log, key(lines), draw_chart(chart))


def _rate(value: float | None) -> float | None:
    """None where nothing is learned, and for what is no rate."""
    return value if value is not None and 1 / _ABSURD < value < _ABSURD else None


def _joined(names: Sequence[str]) -> str:
    """``backbone.0``, ``backbone.1`` -> ``backbone.0 to 1``; levels that share a rate."""
    stems = {name.rpartition(".")[0] for name in names}
    ends = sorted(name.rpartition(".")[2] for name in names)
    if len(names) > 1 and len(stems) == 1 and all(end.isdigit() for end in ends):
        return f"{stems.pop()}.{ends[0]} to {ends[-1]}"
    return ", ".join(names)


def _seconds(scene: Chart, points: Sequence[Point]) -> str:
    line = _line("seconds", points, "seconds", 5, ".1f")
    if not _has(line):
        return ""
    whole = sum(value or 0.0 for _, value in line.points)
    legend = f'<span class="soft">training and validation; {duration(whole)} in all</span>'
    chart = replace(scene, title="seconds an epoch", lines=[line], zero=True)
    return plot("Seconds an epoch", legend, draw_chart(chart))


def _line(name: str, points: Sequence[Point], what: str, colour: int, form: str = ".4f") -> Line:
    values = [(p.epoch, p.known(what)) for p in points]
    cut = [(e, v if v is None else min(max(v, -_ABSURD), _ABSURD)) for e, v in values]
    return Line(name, cut, colour, form)


def _has(line: Line) -> bool:
    return any(value is not None for _, value in line.points)


def _stages(points: Sequence[Point]) -> tuple[Band, ...]:
    """A band for each stage; none where there is only one."""
    known = [p for p in points if p.stage is not None]
    runs = [(n, [p.epoch for p in run]) for n, run in groupby(known, key=lambda p: p.stage)]
    bands = tuple(Band(epochs[0], epochs[-1], f"stage {n}") for n, epochs in runs)
    return bands if len(bands) > 1 else ()


def _marks(past: TrainingLog) -> tuple[Mark, ...]:
    return (*_resumes(past), *_unfreezings(past.points))


def _resumes(past: TrainingLog) -> Iterator[Mark]:
    for stretch in past.stretches[1:]:
        word = stretch.word or "resume"
        yield Mark(stretch.first_epoch, word, f"{word}: {stretch.reason}" if stretch.reason else "")


def _unfreezings(points: Sequence[Point]) -> Iterator[Mark]:
    """The first epoch at whose first step a group learns that did not before."""
    for before, now in pairwise(points):
        opened = [g for g, rate in now.rates.items() if rate > 0 and before.rates.get(g) == 0]
        if opened:
            yield Mark(now.epoch, "unfreeze", f"{_joined(opened)} learns from here on")


_MOST_EPOCHS = 400  # rows of a table; more are thinned
_COLUMNS = (
    ("loss", "loss", ".4f"),
    ("val_loss", "validation loss", ".4f"),
    ("iou", "IoU", ".4f"),
    ("dice", "Dice", ".4f"),
    ("mae", "MAE", ".4f"),
    ("lr", "LR", ".6f"),
    ("stage", "stage", "d"),
    ("img_size", "px", "d"),
    ("skipped", "steps skipped", "d"),
    ("seconds", "seconds", ".1f"),
)


def lineage_table(past: TrainingLog) -> str:
    """A row for each start, resume and rollback; empty where none is known."""
    rows = [
        [
            escaped(stretch.word or "unknown"),
            f"{stretch.first_epoch} to {last}" if last >= stretch.first_epoch else "none finished",
            f"{stretch.baseline_iou:.4f}" if _known(stretch.baseline_iou) else "",
            f'<span class="long">{escaped(stretch.reason)}</span>',
        ]
        for stretch, last in zip(past.stretches, _ends(past), strict=True)
    ]
    if not rows:
        return ""
    return table(
        ("how", "epochs", "IoU at its start", "why"),
        rows,
        "Starts, resumes and rollbacks",
        (0, 1, 3),
    )


def _ends(past: TrainingLog) -> Iterator[int]:
    """The last finished epoch of each stretch."""
    after = [s.first_epoch for s in past.stretches[1:]]
    newest = past.points[-1].epoch if past.points else 0
    yield from (min(first - 1, newest) for first in after)
    if past.stretches:
        yield newest


def epoch_table(points: Sequence[Point]) -> str:
    """A row for each epoch, and a column for each thing that is known of any."""
    step = math.ceil(len(points) / _MOST_EPOCHS) or 1
    some = points[::step]
    columns = [c for c in _COLUMNS if any(getattr(p, c[0]) is not None for p in some)]
    rows = [[str(p.epoch), *(_cell(getattr(p, c[0]), c[2]) for c in columns)] for p in some]
    caption = "Every epoch" if step == 1 else f"One in {step} of {len(points)} epochs"
    return table(("epoch", *(c[1] for c in columns)), rows, caption)


def settings_table(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each flag in force; those that differ from their default are told from others."""
    defaults = to_plain(TrainSettings())
    rows = []
    for section, values in settings.items():
        for name, value in values.items():
            usual = defaults.get(section, {}).get(name)
            differs = _plain(value) != _plain(usual)
            text = f'<span class="long">{_value(value)}</span>'
            rows.append(
                [
                    f"{escaped(flag_of(str(name)))}",
                    escaped(section),
                    f"<b>{text}</b>" if differs else text,
                    f'<span class="long">{_value(usual)}</span>' if differs else "",
                ]
            )
    heads = ("flag", "section", "value", "default, where it differs")
    return table(heads, rows, "Settings in force at the end", (0, 1, 2, 3))


def file_table(files: Sequence[Content]) -> str:
    """A row for each file of a run folder."""
    rows = [
        [
            f'<span class="long">{escaped(f.name)}</span>',
            _size(f.bytes),
            f'<span class="long">{escaped(f.role)}</span>',
        ]
        for f in files
    ]
    return table(("file", "size", "what it is for"), rows, "What lies in the run folder", (0, 2))


def _cell(value: float | None, form: str) -> str:
    if value is None:
        return ""
    return format(value, form) if math.isfinite(value) else "not a number"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _value(value: object) -> str:
    if value is None or value == []:
        return '<span class="soft">none</span>'
    if isinstance(value, list | tuple):
        return escaped(", ".join(shown(v) for v in value))
    return escaped(shown(value))


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"
