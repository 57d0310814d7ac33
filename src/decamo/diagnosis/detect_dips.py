"""Short falls of the score that are no reason to act: "don't panic at temporary dips"."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decamo.diagnosis.case import RunView
from decamo.diagnosis.noise import Array, robust_scale, running_median
from decamo.diagnosis.rates import pace_now
from decamo.diagnosis.symptom import Evidence, Symptom, SymptomKind
from decamo.diagnosis.thresholds import Thresholds

__all__ = ["Dip", "find_dips", "temporary_dip"]

# The level before a dip is the median of so many epochs; fewer than LEAST say too little.
SETTLED, LEAST = 5, 3
# With a rise of the loss as a second witness a dip may be this share as deep.
WITNESSED = 0.6


@dataclass(frozen=True)
class Dip:
    """A short fall.

    Attributes:
        first: first epoch under the level.
        last: last one.
        level: the median before.
        bottom: the lowest score.
        over: whether the score came back, or this is the end of what is known.
    """

    first: int
    last: int
    level: float
    bottom: float
    over: bool


def find_dips(epochs: Array, scores: Array, depths: Array, longest: int) -> list[Dip]:
    """Runs of at most ``longest`` epochs that lie ``depths`` under the level before them.

    Args:
        epochs: ``[n]``.
        scores: ``[n]``.
        depths: ``[n]``, how far under the level counts at each epoch.
        longest: epochs.
    """
    dips: list[Dip] = []
    levels = running_median(scores, SETTLED) if len(scores) else scores
    i = LEAST
    while i < len(scores):
        level = float(levels[i - 1])
        if scores[i] >= level - depths[i]:
            i += 1
            continue
        end = i
        while end < len(scores) and scores[end] < level - depths[i] / 2:
            end += 1
        if end - i <= longest:
            bottom = float(scores[i:end].min())
            over = end < len(scores)
            dips.append(Dip(int(epochs[i]), int(epochs[end - 1]), level, bottom, over))
        i = end
    return dips


def temporary_dip(case: RunView, thresholds: Thresholds) -> Iterator[Symptom]:
    """The last dip, if it is over since a few epochs or still short."""
    epochs, scores = case.series("iou")
    trend = pace_now(case, thresholds)
    if trend is None:
        return
    depth = max(thresholds.dip_depth, thresholds.dip_noise * trend.noise)
    depths = np.where(_loss_rises(case, epochs), WITNESSED * depth, depth)
    dips = find_dips(epochs, scores, depths, thresholds.dip_epochs)
    if not dips or dips[-1].last < epochs[-1] - thresholds.dip_recent:
        return
    dip = dips[-1]
    m = case.measure
    fell = f"the {m.name} {m.fell} from {m.shown(dip.level)} to {m.shown(dip.bottom)}"
    when = f"epoch {dip.first}" if dip.first == dip.last else f"epochs {dip.first} to {dip.last}"
    sentence = (
        f"a temporary dip: {fell} in {when} and came back"
        if dip.over
        else f"a dip, so far temporary: {fell} in {when}; two or three such epochs are normal"
    )
    yield Symptom(
        SymptomKind.TEMPORARY_DIP,
        "info",
        (dip.first, dip.last),
        sentence,
        (
            Evidence(
                m.lost, m.amount(dip.level - dip.bottom), m.amount(depth), (dip.first, dip.last)
            ),
            Evidence(
                "epochs under the level",
                dip.last - dip.first + 1,
                thresholds.dip_epochs,
                (dip.first, dip.last),
            ),
        ),
        0.9 if dip.over else 0.6,
    )


def _loss_rises(case: RunView, epochs: Array) -> NDArray[np.bool_]:
    """Whether the loss of each epoch stands 4 of its own sigmas above the five before."""
    loss_epochs, losses = case.series("loss")
    if len(losses) < LEAST + 1:
        return np.zeros(len(epochs), dtype=bool)
    rises = losses[LEAST:] - running_median(losses, SETTLED)[LEAST - 1 : -1]
    scale = robust_scale(rises)
    high = loss_epochs[LEAST:][rises > 4 * scale]
    return np.isin(epochs, high)
