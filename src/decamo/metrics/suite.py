"""All measures of an image, and of a set of images: per image first, means after.

:func:`score` is the short list that training watches, :func:`measure` the full list that papers
print. Both take IoU, Dice and MAE from :func:`scores_of` (docs/decisions/0028).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import cast

import numpy as np
import numpy.typing as npt

from decamo.metrics.distances import box_of
from decamo.metrics.measures import ImageMeasures, e_measure, f_measure, s_measure
from decamo.metrics.nearness_measures import boundary_iou, weighted_f
from decamo.metrics.tally import Counts, Curve, Cut, ShortTally
from decamo.metrics.tallying import (
    ByteScale,
    Floats,
    scale_of,
    short_tally,
    tally_bytes,
    tally_floats,
)

__all__ = [
    "THRESHOLD",
    "Scores",
    "binarise",
    "mean_scores",
    "measure",
    "object_and_ground",
    "score",
    "scores_of",
]

THRESHOLD = 0.5

Prediction = npt.NDArray[np.uint8] | Floats
Mask = npt.NDArray[np.bool_] | npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scores:
    """IoU and Dice at threshold 0.5 and mean absolute error, each in [0, 1]."""

    iou: float
    dice: float
    mae: float


def score(
    probability: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    void: npt.NDArray[np.bool_] | None = None,
) -> Scores:
    """Scores of one image at its mask's native size, over all pixels that are not void.

    They equal, bit for bit, ``iou``, ``dice`` and ``mae`` of :func:`measure`.

    Args:
        probability: float32 ``[H, W]`` in [0, 1].
        mask: bool ``[H, W]``.
        void: bool ``[H, W]``, what is neither object nor ground; None: nothing. Not all of it.

    Raises:
        ValueError: the shapes differ, or all is void.
    """
    return scores_of(short_tally(*object_and_ground(probability, mask, void)))


def object_and_ground(
    probability: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    void: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The values of a prediction on the object and on its ground, each float32 ``[N]``.

    Arguments and errors are those of :func:`score`.
    """
    if probability.shape != mask.shape:
        raise ValueError(f"want {mask.shape}, the mask's shape; got {probability.shape}")
    if void is not None:
        known = _known(mask, void)
        probability, mask = probability[known], mask[known]
    return probability[mask], probability[~mask]


def scores_of(tally: ShortTally, *, both_empty: float = 1.0) -> Scores:
    """IoU, Dice and MAE of an image from its counts: the one way to them, while training as well.

    Args:
        tally: the counts.
        both_empty: IoU and Dice where neither mask nor prediction has an object.
    """
    return Scores(*_overlap(tally.half, tally.n_object, both_empty), tally.error / tally.n)


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Mean over images of each score; NaN where there is no image."""
    if not scores:
        return Scores(*(float("nan") for _ in fields(Scores)))
    return Scores(*(float(np.mean([getattr(s, f.name) for s in scores])) for f in fields(Scores)))


def measure(
    prediction: Prediction,
    mask: Mask,
    *,
    stretch: bool = False,
    void: npt.NDArray[np.bool_] | None = None,
    published: bool = False,
) -> ImageMeasures:
    """All measures of one image at its mask's native size.

    Args:
        prediction: ``[H, W]``; uint8 grey levels, ``k`` meaning ``k / 255``, or float32 or float64
            in [0, 1].
        mask: ``[H, W]``; bool, or uint8: where no value is above 1, pixels of 1 are object,
            otherwise those above 128, as in the reference toolbox.
        stretch: whether the prediction is first stretched so that its extremes are 0 and 1, as
            the field's toolboxes do unless told otherwise; one of a single value is left alone.
        void: bool ``[H, W]``, what is neither object nor ground and is left out; None: nothing.
        published: whether the binary measures are those of pysodmetrics, value for value: IoU, Dice
            and boundary IoU take values above 0.5 only, and are 0 where neither mask nor prediction
            has an object.

    Unless they are the published ones, IoU and Dice at 0.5 take values of 0.5 and above (grey
    levels 128 to 255 of an unstretched uint8 prediction), and are 1 where there is nothing to find
    and nothing found.

    No published definition says what a measure does with void (docs/decisions/0021). Here MAE, F,
    E, IoU and Dice count the other pixels; S takes means, deviations and the object's centre over
    them; in the weighted F a void pixel has no error of its own; and the boundary IoU takes
    outlines of object and void together and counts what is not void. Twice the mean of the
    prediction, and the extremes of a stretch, are those of the other pixels.

    Raises:
        ValueError: shapes that differ, are not two-dimensional or empty; values outside [0, 1];
            all is void.
        TypeError: other types of numbers.
    """
    truth, levels, known = _binary(mask), (0, 1), None
    if prediction.ndim != 2 or prediction.shape != truth.shape or truth.size == 0:
        raise ValueError(f"want [H, W] as the mask, {truth.shape}; got {prediction.shape}")
    if void is not None and void.any():
        known = _known(truth, void)
        truth, values = truth & known, prediction[known]
        stretch = stretch and bool(values.min() < values.max())
        prediction = _right_in_void(prediction, known, stretch=stretch)
    box = box_of(truth)
    if prediction.dtype == np.uint8:
        grey = cast(npt.NDArray[np.uint8], prediction)
        scale = scale_of(grey, stretch=stretch)
        tally = tally_bytes(grey, truth, scale, known, above_half=published, box=box)
        levels = (scale.low, scale.low + scale.span)
        half = _cut(grey, scale, published=published)
    else:
        floats = _unit(prediction, stretch=stretch)
        raw = cast(Floats, prediction) if stretch else None
        tally = tally_floats(floats, truth, known, above_half=published, raw=raw)
        prediction = floats
        half = binarise(floats, published=published)
    counts = tally.counts
    precision, recall = counts.precision(), counts.recall()
    e = _alignments(counts, tally.adaptive)
    both = counts.n_object + tally.half.fp  # pixels that are object in the mask or at 0.5
    short = scores_of(tally.short, both_empty=0.0 if published else 1.0)
    iou_adaptive, dice_adaptive = _overlap(tally.adaptive, counts.n_object, both_empty=0.0)
    return ImageMeasures(
        s=s_measure(tally),
        weighted_f=weighted_f(prediction, truth, tally.outside.mean * tally.outside.n, levels, box),
        mae=short.mae,
        f_adaptive=_f_of(tally.adaptive, counts.n_object),
        e_adaptive=float(e[-1]),
        iou=short.iou,
        dice=short.dice,
        iou_adaptive=iou_adaptive,
        dice_adaptive=dice_adaptive,
        found_share=tally.reliability.found,
        object_share=counts.n_object / counts.n,
        boundary_iou=(
            0.0
            if published and not both
            else boundary_iou(half, truth, void if known is not None else None)
        ),
        precision=precision,
        recall=recall,
        f=f_measure(precision, recall),
        e=e[:-1],
        iou_curve=counts.iou(),
        dice_curve=counts.dice(),
        bin_pixels=tally.reliability.pixels,
        bin_probability=tally.reliability.probability,
        bin_object=tally.reliability.object,
    )


def _right_in_void(
    prediction: Prediction, known: npt.NDArray[np.bool_], *, stretch: bool
) -> Prediction:
    """The prediction where it is known, and what means 0 elsewhere, so that no error is there."""
    values = prediction[known]
    low = values.min() if stretch and values.min() < values.max() else 0
    return cast(Prediction, np.where(known, prediction, prediction.dtype.type(low)))


def _known(mask: Mask, void: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    if void.shape != mask.shape:
        raise ValueError(f"want {mask.shape}, the mask's shape, of void; got {void.shape}")
    known = ~void
    if not known.any():
        raise ValueError("all of the mask is void")
    return known


def binarise(
    prediction: Prediction, *, stretch: bool = False, published: bool = False
) -> npt.NDArray[np.bool_]:
    """The prediction cut at 0.5 as ``iou`` of :func:`measure` has it, bool ``[H, W]``.

    Args:
        prediction: as in :func:`measure`.
        stretch: as in :func:`measure`.
        published: as in :func:`measure`.
    """
    if prediction.dtype != np.uint8:
        floats = _unit(prediction, stretch=stretch)
        return np.asarray(floats > THRESHOLD if published else floats >= THRESHOLD)
    grey = cast(npt.NDArray[np.uint8], prediction)
    return _cut(grey, scale_of(grey, stretch=stretch), published=published)


def _cut(
    grey: npt.NDArray[np.uint8], scale: ByteScale, *, published: bool
) -> npt.NDArray[np.bool_]:
    if published:  # levels rise with their values: the first one above is the cut
        return np.asarray(grey >= int(np.argmax(scale.values > THRESHOLD)))
    return np.asarray(grey >= scale.low + (scale.span + 1) // 2)


def _binary(mask: Mask) -> npt.NDArray[np.bool_]:
    if mask.dtype == np.bool_:
        return cast(npt.NDArray[np.bool_], mask)
    if mask.dtype != np.uint8:
        raise TypeError(f"want a mask of bool or uint8; got {mask.dtype}")
    return np.asarray(mask > (0 if mask.max(initial=0) <= 1 else 128))


def _unit(prediction: Prediction, *, stretch: bool) -> Floats:
    if prediction.dtype not in (np.float32, np.float64):
        raise TypeError(f"want a prediction of uint8, float32 or float64; got {prediction.dtype}")
    low, high = prediction.min(), prediction.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(f"want values in [0, 1]; got {low} to {high}")
    if stretch and low != high:
        return cast(Floats, (prediction - low) / (high - low))
    return cast(Floats, prediction)


def _alignments(counts: Counts, adaptive: Cut) -> Curve:
    """E at the 256 thresholds, then at the adaptive one."""
    tp = np.append(counts.tp, adaptive.tp)
    fp = np.append(counts.fp, adaptive.fp)
    return e_measure(tp, fp, counts.n_object, counts.n)


def _f_of(cut: Cut, n_object: int) -> float:
    if cut.tp == 0:
        return 0.0
    precision, recall = cut.tp / (cut.tp + cut.fp), cut.tp / n_object
    return float(f_measure(np.array([precision]), np.array([recall]))[0])


def _overlap(cut: Cut, n_object: int, both_empty: float) -> tuple[float, float]:
    """IoU and Dice of a cut."""
    union, total = cut.fp + n_object, cut.tp + cut.fp + n_object
    if union == 0:
        return both_empty, both_empty
    return cut.tp / union, 2 * cut.tp / total
