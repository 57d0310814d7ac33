"""The full list of measures that papers print: what an image has, and what a set has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decamo.metrics.tally import Curve

__all__ = ["ImageMeasures", "SetMeasures", "summarize_measures"]


@dataclass(frozen=True)
class ImageMeasures:
    """The measures of one image; curves are float64 ``[256]``, indexed by threshold.

    At threshold ``t`` the pixels of grey level ``t`` and above are object (see
    :class:`~decamo.metrics.tally.Counts`). ``adaptive`` is at twice the mean of the prediction,
    at most 1, pixels on it being object. All but ``e`` lie in [0, 1]; see
    :func:`~decamo.metrics.map_measures`.

    On an empty mask ``weighted_f``, ``f_*``, the recall and the curves of IoU and Dice are 0, as
    in the field; ``iou``, ``dice`` and ``boundary_iou`` are 1 where the prediction is empty
    too, or the field's 0 where :func:`~decamo.metrics.measure` is asked for published ones.
    """

    s: float
    weighted_f: float
    mae: float
    f_adaptive: float
    e_adaptive: float
    iou: float
    dice: float
    iou_adaptive: float
    dice_adaptive: float
    boundary_iou: float
    precision: Curve
    recall: Curve
    f: Curve
    e: Curve
    iou_curve: Curve
    dice_curve: Curve


@dataclass(frozen=True)
class SetMeasures:
    """The measures of a set of images: each is the mean of its images' values.

    Curves are averaged over the images first; ``mean`` and ``max`` are then taken over the 256
    thresholds of that one curve, as the field does. The largest value of a set is therefore at one
    threshold for all images. NaN where there is no image.
    """

    s: float
    weighted_f: float
    f_adaptive: float
    f_mean: float
    f_max: float
    e_adaptive: float
    e_mean: float
    e_max: float
    mae: float
    iou: float
    iou_adaptive: float
    iou_mean: float
    iou_max: float
    dice: float
    dice_adaptive: float
    dice_mean: float
    dice_max: float
    boundary_iou: float
    count: int
    precision: Curve
    recall: Curve
    f: Curve
    e: Curve
    iou_curve: Curve
    dice_curve: Curve


def summarize_measures(images: Sequence[ImageMeasures]) -> SetMeasures:
    """The measures of a set; see :class:`SetMeasures`."""

    def mean(name: str) -> float:
        return float(np.mean([getattr(i, name) for i in images])) if images else float("nan")

    def curve(name: str) -> Curve:
        if not images:
            return np.full(256, np.nan)
        return np.mean([getattr(i, name) for i in images], axis=0)

    f, e, iou, dice = curve("f"), curve("e"), curve("iou_curve"), curve("dice_curve")
    return SetMeasures(
        s=mean("s"),
        weighted_f=mean("weighted_f"),
        f_adaptive=mean("f_adaptive"),
        f_mean=float(f.mean()),
        f_max=float(f.max()),
        e_adaptive=mean("e_adaptive"),
        e_mean=float(e.mean()),
        e_max=float(e.max()),
        mae=mean("mae"),
        iou=mean("iou"),
        iou_adaptive=mean("iou_adaptive"),
        iou_mean=float(iou.mean()),
        iou_max=float(iou.max()),
        dice=mean("dice"),
        dice_adaptive=mean("dice_adaptive"),
        dice_mean=float(dice.mean()),
        dice_max=float(dice.max()),
        boundary_iou=mean("boundary_iou"),
        count=len(images),
        precision=curve("precision"),
        recall=curve("recall"),
        f=f,
        e=e,
        iou_curve=iou,
        dice_curve=dice,
    )
