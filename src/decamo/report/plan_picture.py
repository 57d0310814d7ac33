"""A plan as a picture: every group's learning rate over the whole run, past segments included."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from decamo.plan import HEAD, Ledger, Plan, Position
from decamo.storage import storage_error

__all__ = ["draw_plan"]

_COLOURS = ("#1b6ca8", "#e07b39", "#c94c4c", "#7a5195", "#5b8c5a", "#8c6d31")
_BANDS = {1: "#eef3f8", 2: "#fbf4ea", 3: "#eef6ee"}
_POINTS = 2000  # more cannot be told apart at this size


def draw_plan(path: Path, ledger: Ledger, position: Position) -> None:
    """Write a PNG with the learning rate of each group against the epoch.

    Steps that were followed under an earlier segment are drawn by that segment's plan; a dashed
    line marks each resume, a solid one where the run stands.

    Raises:
        StorageError: the file cannot be written.
    """
    figure = Figure(figsize=(10, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_subplot()
    _bands(axes, ledger)
    for i, group in enumerate(_groups(ledger.plan)):
        epochs, rates = _line(ledger, group)
        colour = _COLOURS[i % len(_COLOURS)]
        axes.plot(epochs, rates, color=colour, label=group, lw=2 if group == HEAD else 1.2)
    for segment in ledger.segments[1:]:
        axes.axvline(segment.at_epoch + 1, color="#555555", ls="--", lw=1)
        axes.annotate(
            f" {segment.word}",
            (segment.at_epoch + 1, 1.01),
            xycoords=("data", "axes fraction"),
            fontsize=8,
            color="#555555",
        )
    axes.axvline(position.epoch + 1, color="#111111", lw=1.5, label="you are here")
    axes.set(xlabel="epoch", ylabel="learning rate", yscale="log")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="best")
    try:
        figure.savefig(path)
    except OSError as error:
        raise storage_error(path, error) from error


def _groups(plan: Plan) -> list[str]:
    """The head, and backbone levels from the last down."""
    return [HEAD, *sorted((g for g in plan.ratios if g != HEAD), reverse=True)]


def _line(ledger: Ledger, group: str) -> tuple[list[float], list[float]]:
    """Fractional epochs and learning rates; NaN, a gap, while the group is frozen."""
    epochs: list[float] = []
    rates: list[float] = []
    for plan, begin, end in ledger.lived():
        stride = max((end - begin) // _POINTS, 1)
        for step in range(begin, end, stride):
            stage = plan.stage_at(step)
            epochs.append(stage.first_epoch + (step - stage.first_step) / stage.steps_per_epoch)
            rates.append(plan.lr(step, group) or float("nan"))
    return epochs, rates


def _bands(axes: Axes, ledger: Ledger) -> None:
    for plan, begin, end in ledger.lived():
        for stage in plan.stages:
            first, last = max(stage.first_step, begin), min(stage.end_step, end)
            if first < last:
                left = stage.first_epoch + (first - stage.first_step) / stage.steps_per_epoch
                right = stage.first_epoch + (last - stage.first_step) / stage.steps_per_epoch
                axes.axvspan(left, right, color=_BANDS[stage.number], zorder=0)
                axes.annotate(
                    f"stage {stage.number}",
                    ((left + right) / 2, 0.02),
                    xycoords=("data", "axes fraction"),
                    ha="center",
                    fontsize=8,
                    color="#777777",
                )
