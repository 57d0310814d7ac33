"""A plan as a picture: learning rates over the whole run, past segments too, and who learns."""

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from decamo.errors import SettingsError
from decamo.schedule import HEAD, Lineage, Plan, Position, Stage
from decamo.storage.outputs import PLAN_MARK, write_output

__all__ = ["draw_plan"]

_HEAD_COLOUR, _BACKBONE_COLOUR = "#1b6ca8", "#d9722b"
_BANDS = {1: "#eaf1f8", 2: "#fbf4ea", 3: "#eaf5ea"}
_POINTS = 2000  # more cannot be told apart at this size
_PAST = 0.4  # opacity of what lies behind the position
_LABEL = 0.16  # share of the width that a name above the axes may take
_NARROW = 0.06  # a band of a smaller share of the width goes without its name


def draw_plan(path: Path, lineage: Lineage, position: Position) -> None:
    """Write a PNG: above, learning rates against the epoch; below, which groups learn when.

    Steps that were followed under an earlier segment are drawn by that segment's plan, and pale; a
    dashed line marks each resume, a solid one where the run stands.

    Raises:
        SettingsError: the file's extension is no format of pictures.
        StorageError: the file cannot be written; an old one is untouched.
    """
    figure = Figure(figsize=(10, 5.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    rates, learning = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    _stages(rates, lineage)
    _rates(rates, lineage, position)
    _learning(learning, lineage, position)
    _marks(rates, learning, lineage, position)
    rates.set(ylabel="learning rate", yscale="log")
    rates.margins(y=0.1)  # room for the names of the stages
    rates.grid(alpha=0.25)
    learning.set(xlabel="epoch", xlim=_limits(lineage))
    learning.grid(alpha=0.25, axis="x")
    figure.legend(fontsize=8, ncols=2, loc="outside lower right")  # there it hides no curve
    form = path.suffix.lower().removeprefix(".") or "png"
    if form not in figure.canvas.get_supported_filetypes():
        raise SettingsError("--png", f"{path} ends in no picture format", "name a file.png")
    out = io.BytesIO()
    figure.savefig(out, format=form, metadata={"Software": PLAN_MARK} if form == "png" else None)
    write_output(path, out.getbuffer())


def _groups(plan: Plan) -> list[str]:
    """The head, and backbone levels from the last down."""
    return [HEAD, *sorted((g for g in plan.ratios if g != HEAD), reverse=True)]


def _epoch(stage: Stage, step: int) -> float:
    """The fractional epoch of an absolute step; epoch 1 begins at 1.0."""
    return stage.first_epoch + (step - stage.first_step) / stage.steps_per_epoch


def _at(lineage: Lineage, epoch: int, step: int) -> float:
    """The fractional epoch of absolute ``step``, with ``epoch`` completed: where it was stopped."""
    plan = lineage.plan_at(step)
    return _epoch(plan.stage_of_epoch(epoch + 1), step)


def _limits(lineage: Lineage) -> tuple[int, int]:
    return next(lineage.lived())[0].first_epoch, lineage.plan.last_epoch + 1


def _pieces(lineage: Lineage, position: Position) -> Iterator[tuple[Stage, Plan, range, bool]]:
    """Stages with the absolute steps over which they were or will be followed, and whether past."""
    for plan, begin, end in lineage.lived():
        here = min(max(position.step, begin), end)
        for first, last, past in ((begin, here, True), (here, end, False)):
            for stage in plan.stages:
                steps = range(max(stage.first_step, first), min(stage.end_step, last))
                if steps:
                    yield stage, plan, steps, past


def _rates(axes: Axes, lineage: Lineage, position: Position) -> None:
    """One line for the head and one for the backbone, whose levels share a rate once they learn."""
    head, *backbone = _groups(lineage.plan)
    _line(axes, lineage, position, [head], "head", _HEAD_COLOUR)
    _line(axes, lineage, position, backbone, "backbone, where it learns", _BACKBONE_COLOUR)


def _line(
    axes: Axes,
    lineage: Lineage,
    position: Position,
    groups: Sequence[str],
    label: str,
    colour: str,
) -> None:
    axes.plot([], [], color=colour, lw=2, label=label)
    for past, run in groupby(_pieces(lineage, position), key=lambda piece: piece[3]):
        epochs: list[float] = []
        rates: list[float] = []
        for stage, plan, steps, _ in run:
            if not stage.curve.known:  # registered where it was trained, not here: a gap
                continue
            for step in (*steps[:: max(len(steps) // _POINTS, 1)], steps[-1]):
                epochs.append(_epoch(stage, step))
                rates.append(max(plan.lr(step, g) for g in groups) or float("nan"))
        axes.plot(epochs, rates, color=colour, lw=2, alpha=_PAST if past else 1)


def _learning(axes: Axes, lineage: Lineage, position: Position) -> None:
    """A row for each group, filled where it learns."""
    groups = _groups(lineage.plan)
    for row, group in enumerate(groups):
        colour = _HEAD_COLOUR if group == HEAD else _BACKBONE_COLOUR
        for stage, _, steps, past in _pieces(lineage, position):
            opens = min(
                (o.step for o in stage.unfreezings if group in o.groups), default=steps.stop
            )
            left, right = _epoch(stage, max(opens, steps.start)), _epoch(stage, steps.stop)
            if left < right:
                alpha = _PAST if past else 1
                axes.barh(row, right - left, 0.6, left, color=colour, alpha=alpha, lw=0)
    axes.set_yticks(range(len(groups)), groups, fontsize=8)
    axes.invert_yaxis()


def _stages(axes: Axes, lineage: Lineage) -> None:
    """A band for each stage, joined over resumes, with its number at the foot."""
    first, last = _limits(lineage)
    pieces = _pieces(lineage, Position())
    for number, run in groupby(pieces, key=lambda piece: piece[0].number):
        ends = [
            (_epoch(stage, steps.start), _epoch(stage, steps.stop)) for stage, _, steps, _ in run
        ]
        left, right = ends[0][0], ends[-1][1]
        axes.axvspan(left, right, color=_BANDS[number], zorder=0, lw=0)
        if right - left >= _NARROW * (last - first):
            axes.annotate(
                f"stage {number}",
                ((left + right) / 2, 0.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=8,
                color="#777777",
            )


def _marks(rates: Axes, learning: Axes, lineage: Lineage, position: Position) -> None:
    """Resumes and the position as lines through both axes, named above."""
    here = _at(lineage, position.epoch, position.step)
    resumes = [(_at(lineage, s.at_epoch, s.at_step), s.kind) for s in lineage.segments[1:]]
    for axes in (rates, learning):
        for epoch, _ in resumes:
            axes.axvline(epoch, color="#555555", ls="--", lw=1)
        axes.axvline(here, color="#111111", lw=1.5)
    _names(rates, sorted([*resumes, (here, "you are here")]), _limits(lineage))


def _names(axes: Axes, marks: Sequence[tuple[float, str]], limits: tuple[int, int]) -> None:
    """Names above the axes at their epochs; one that would run into another goes a row higher."""
    width = limits[1] - limits[0]
    ends: list[float] = []  # how far each row is taken
    for epoch, run in groupby(marks, key=lambda mark: mark[0]):
        text = ", ".join(dict.fromkeys(word for _, word in run))
        turned = epoch > limits[1] - _LABEL * width
        left = epoch - turned * _LABEL * width
        row = next((i for i, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [left + _LABEL * width]
        axes.annotate(
            text,
            (epoch, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-2 if turned else 2, 4 + 11 * row),
            textcoords="offset points",
            ha="right" if turned else "left",
            fontsize=8,
            color="#333333",
        )
