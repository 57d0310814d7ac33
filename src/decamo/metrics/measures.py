"""Measures that papers print: which there are, and those of a map that need no neighbourhoods.

MAE: Perazzi et al., CVPR 2012. IoU (Jaccard 1912) = TP / (TP + FP + FN); Dice (Dice 1945) =
2 TP / (2 TP + FP + FN). F-measure: Achanta et al., "Frequency-tuned salient region detection", CVPR
2009. E-measure: Fan et al., "Enhanced-alignment measure for binary foreground map evaluation",
IJCAI 2018, pages 698 to 704. S-measure: Fan et al., "Structure-measure: a new way to evaluate
foreground maps", ICCV 2017. The calibration error is in :mod:`~decamo.metrics.calibration`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from decamo.metrics.calibration import BINS, calibration_error
from decamo.metrics.tally import Curve, Part, Quarter, Tally, ratio
from decamo.metrics.tallying import short_tally

__all__ = [
    "BETA_SQUARED",
    "ImageMeasures",
    "SetMeasures",
    "dice",
    "e_measure",
    "f_measure",
    "iou",
    "mae",
    "s_measure",
    "summarize_measures",
]


@dataclass(frozen=True)
class ImageMeasures:
    """The measures of one image; curves are float64 ``[256]``, indexed by threshold.

    At threshold ``t`` the pixels of grey level ``t`` and above are object (see
    :class:`~decamo.metrics.tally.Counts`). ``adaptive`` is at twice the mean of the prediction,
    at most 1, pixels on it being object. All but ``e`` lie in [0, 1]; see
    :func:`~decamo.metrics.measures`.

    On an empty mask ``weighted_f``, ``f_*``, the recall and the curves of IoU and Dice are 0, as
    in the field; ``iou``, ``dice`` and ``boundary_iou`` are 1 where the prediction is empty
    too, or the field's 0 where :func:`~decamo.metrics.measure` is asked for published ones.

    ``found_share`` is the share of pixels of 0.5 and above, ``object_share`` that of the object's,
    and ``bin_*``, float64 ``[15]``, are by bins of probability (see
    :class:`~decamo.metrics.calibration.Reliability`). All five are of the prediction as it is, also
    where the others are of the stretched one.
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
    found_share: float
    object_share: float
    precision: Curve
    recall: Curve
    f: Curve
    e: Curve
    iou_curve: Curve
    dice_curve: Curve
    bin_pixels: Curve
    bin_probability: Curve
    bin_object: Curve


@dataclass(frozen=True)
class SetMeasures:
    """The measures of a set of images: each is the mean of its images' values.

    Curves are averaged over the images first; ``mean`` and ``max`` are then taken over the 256
    thresholds of that one curve, as the field does. The largest value of a set is therefore at one
    threshold for all images. NaN where there is no image.

    ``ece`` is the expected calibration error of the set: over 15 bins of probability, the mean gap
    between probability and share of object, weighted with the share of pixels in the bin. The bins
    are averaged over the images first, so that gaps of single images to either side cancel: it is
    no mean of the images' own errors.
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
    ece: float
    found_share: float
    object_share: float
    count: int
    precision: Curve
    recall: Curve
    f: Curve
    e: Curve
    iou_curve: Curve
    dice_curve: Curve
    bin_pixels: Curve
    bin_probability: Curve
    bin_object: Curve


def summarize_measures(images: Sequence[ImageMeasures]) -> SetMeasures:
    """The measures of a set; see :class:`SetMeasures`.

    Their intervals come from ``evaluation.bootstrap.resampled``, the same means under weights, and
    validation while training has ``metrics.suite.mean_scores``.
    """
    count = len(images)
    numbers, curves = _summed(images) if count else ({}, {})

    def mean(name: str) -> float:
        return float(np.mean(numbers[name])) if count else float("nan")

    def curve(name: str, size: int = 256) -> Curve:
        return curves[name] / count if count else np.full(size, np.nan)

    f, e, iou, dice = curve("f"), curve("e"), curve("iou_curve"), curve("dice_curve")
    probability, objects = curve("bin_probability", BINS), curve("bin_object", BINS)
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
        ece=float(calibration_error(probability, objects)),
        found_share=mean("found_share"),
        object_share=mean("object_share"),
        count=count,
        precision=curve("precision"),
        recall=curve("recall"),
        f=f,
        e=e,
        iou_curve=iou,
        dice_curve=dice,
        bin_pixels=curve("bin_pixels", BINS),
        bin_probability=probability,
        bin_object=objects,
    )


def _summed(
    images: Sequence[ImageMeasures],
) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Curve]]:
    """Each number of all images ``[images]``, and each curve's sum; an image is asked once."""
    numbers: dict[str, npt.NDArray[np.float64]] = {}
    curves: dict[str, Curve] = {}
    for row, image in enumerate(images):
        for name, value in vars(image).items():
            if isinstance(value, np.ndarray):
                curves[name] = curves[name] + value if row else value
            else:
                numbers.setdefault(name, np.empty(len(images)))[row] = value
    return numbers, curves


def mae(probability: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_]) -> float:
    """Mean of ``|probability - mask|`` over the pixels, in [0, 1]; both ``[H, W]``.

    The probability is taken as it is: it is not stretched to [0, 1] by its own extremes, as some
    toolboxes do.
    """
    return short_tally(probability[mask], probability[~mask]).error / mask.size


Binary = npt.NDArray[np.bool_]


def iou(prediction: Binary, mask: Binary) -> float:
    """Intersection over union of two bool ``[H, W]`` arrays, in [0, 1].

    Two empty arrays agree wholly: 1. A prediction on an empty mask scores 0.
    """
    union = np.count_nonzero(prediction | mask)
    return np.count_nonzero(prediction & mask) / union if union else 1.0


def dice(prediction: Binary, mask: Binary) -> float:
    """Dice coefficient of two bool ``[H, W]`` arrays, in [0, 1]; two empty ones give 1."""
    total = np.count_nonzero(prediction) + np.count_nonzero(mask)
    return 2 * np.count_nonzero(prediction & mask) / total if total else 1.0


BETA_SQUARED = 0.3  # precision weighs more than recall; the paper's value and the field's


def f_measure(precision: npt.NDArray[np.float64], recall: npt.NDArray[np.float64]) -> Curve:
    """``(1 + b) P R / (b P + R)`` with ``b = 0.3``, element by element; 0 where P and R are 0."""
    return ratio((BETA_SQUARED + 1) * precision * recall, BETA_SQUARED * precision + recall)


EPS = float(np.spacing(1.0))
Whole = npt.NDArray[np.int64]


def e_measure(tp: Whole, fp: Whole, n_object: int, n: int) -> Curve:
    """Enhanced alignment of a mask with binary predictions, one for each element of the counts.

    The alignment of a pixel depends on nothing but whether the pixel is object in the prediction
    and in the mask, so an image has four values of it, and four counts tell the sum.

    Args:
        tp: int64 ``[K]``, object pixels found by each of K predictions.
        fp: int64 ``[K]``, ground pixels that each takes for object.
        n_object: pixels of the object.
        n: pixels of the image.

    Returns:
        float64 ``[K]``. As the authors do, the sum is divided by ``n - 1``, so that a perfect
        prediction of a small image scores above 1, and one pixel scores 0 or 1 / eps (4.5e15).
        On an empty mask it is the share of pixels left as ground, on a full one of those taken.
    """
    taken = tp + fp
    if n_object == 0:
        total = np.asarray(n - taken, dtype=np.float64)
    elif n_object == n:
        total = np.asarray(taken, dtype=np.float64)
    else:
        pixels = np.stack([tp, fp, n_object - tp, n - n_object - fp])
        predicted = np.stack([1 - taken / n, -(taken / n)])[[0, 0, 1, 1]]
        truth = np.array([1 - n_object / n, -(n_object / n)])[[0, 1, 0, 1], None]
        alignment = 2 * (predicted * truth) / (predicted**2 + truth**2 + EPS)
        total = (((alignment + 1) ** 2 / 4) * pixels).sum(axis=0)
    return total / (n - 1 + EPS)


ALPHA = 0.5  # object and region weigh the same; the paper's value


def s_measure(tally: Tally) -> float:
    """Structural similarity of a prediction and a mask: half by object, half by region.

    An empty mask scores one minus the mean of the prediction, a full one its mean.

    The centre of an object in the last row or column leaves quarters of no pixels. The reference
    code takes means of nothing there and answers NaN; here such a quarter weighs nothing.
    """
    inside, outside = tally.inside, tally.outside
    if inside.n == 0:
        return 1 - outside.mean
    if outside.n == 0:
        return inside.mean
    return max(0.0, ALPHA * _objects(inside, outside) + (1 - ALPHA) * _regions(tally.quarters))


def _objects(inside: Part, outside: Part) -> float:
    share = inside.n / (inside.n + outside.n)
    return share * _uniformity(inside.mean, inside.std) + (1 - share) * _uniformity(
        1 - outside.mean, outside.std
    )


def _uniformity(mean: float, std: float) -> float:
    """Near 1 where the prediction is near 1 everywhere."""
    return 2 * mean / (mean**2 + 1 + std + EPS)


def _regions(quarters: tuple[Quarter, ...]) -> float:
    n = sum(q.n for q in quarters)
    return sum(q.n / n * _similarity(q) for q in quarters if q.n)


def _similarity(q: Quarter) -> float:
    """The SSIM of one quarter (Wang et al., 2004), without its stabilising constants."""
    y = q.n_object / q.n
    spread_y = q.n_object * (q.n - q.n_object) / q.n
    alpha = 4 * q.mean * y * q.joint / (q.n - 1 + EPS)
    beta = (q.mean**2 + y**2) * (q.spread + spread_y) / (q.n - 1 + EPS)
    if alpha != 0:
        return alpha / (beta + EPS)
    return 1.0 if beta == 0 else 0.0
